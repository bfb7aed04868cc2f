import type { Client } from '@grpc/grpc-js';
import type { ClientGrpcProxy } from '@nestjs/microservices';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { onAbort } from '../etcd/on-abort.js';

/** The client classes that a proxy has loaded, by service name. Nest keeps them in a protected field. */
export function clientClasses(proxy: ClientGrpcProxy): Map<string, unknown> {
  const { grpcClients } = proxy as unknown as { readonly grpcClients: readonly Record<string, unknown>[] };
  const classes = new Map<string, unknown>();
  for (const [name, loaded] of grpcClients.flatMap((each) => Object.entries(each))) {
    if (typeof loaded === 'function' && 'service' in loaded) classes.set(name, loaded);
  }
  return classes;
}

/**
 * Connects every service of a proxy, so that the first call finds an open connection. Resolves when each has one; rejects
 * with `CoordUnavailableError` after `timeout` ms, with the signal's reason when that aborts.
 */
export async function warmUp(proxy: ClientGrpcProxy, timeout: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const deadline = Date.now() + timeout;
  const services = [...clientClasses(proxy).keys()];
  await Promise.all(
    services.map((name) => {
      const client = proxy.getClientByServiceName<Client>(name);
      return new Promise<void>((resolve, reject) => {
        const stopListening = onAbort(signal, () => reject(signal!.reason as Error));
        client.waitForReady(deadline, (error) => {
          stopListening();
          if (error === undefined) return resolve();
          const message = `no instance for ${name} could be reached within ${timeout} ms`;
          reject(new CoordUnavailableError(message, { cause: error }));
        });
      });
    }),
  );
}
