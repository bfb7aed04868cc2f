import { networkInterfaces } from 'node:os';

/** The first IPv4 address of this machine that others can reach; the loopback address if there is none. */
export function localAddress(interfaces: typeof networkInterfaces = networkInterfaces): string {
  for (const addresses of Object.values(interfaces())) {
    for (const { family, internal, address } of addresses ?? []) {
      // 169.254/16 is what a machine gives itself when nobody gave it an address.
      if (family === 'IPv4' && !internal && !address.startsWith('169.254.')) return address;
    }
  }
  return '127.0.0.1';
}
