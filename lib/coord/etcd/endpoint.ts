import { ValidationError } from '../../errors/validation.error.js';

/** One etcd member's client address. */
export interface Endpoint {
  /** `host:port`, as shown in messages. */
  readonly address: string;
  readonly secure: boolean;
}

const TAKES =
  "'host:port', 'http://host:port' or 'https://host:port' (a port from 1 to 65535, no path, no user)";

/**
 * Reads the configured endpoints. All must be plain or all secure: etcd members of one cluster do not differ in that,
 * and a client that silently dialled one of them in the clear would send the password with it.
 *
 * @param tls whether certificates were given: then an endpoint without a scheme is secure
 */
export function parseEndpoints(argument: string, endpoints: unknown, tls: boolean): readonly Endpoint[] {
  if (!Array.isArray(endpoints) || endpoints.length === 0) {
    throw new ValidationError(
      argument,
      "a list of at least one endpoint such as ['127.0.0.1:2379']",
      endpoints,
    );
  }
  const parsed = endpoints.map((endpoint: unknown, index) => parse(`${argument}[${index}]`, endpoint, tls));
  if (parsed.some(({ secure }) => secure !== parsed[0]!.secure)) {
    throw new ValidationError(argument, 'endpoints that are all http or all https', endpoints);
  }
  if (tls && !parsed[0]!.secure) {
    throw new ValidationError(argument, 'https endpoints where `tls` is given', endpoints);
  }
  return [...new Map(parsed.map((endpoint) => [endpoint.address, endpoint])).values()];
}

function parse(argument: string, endpoint: unknown, tls: boolean): Endpoint {
  const match =
    typeof endpoint === 'string' &&
    /^(?:(?<scheme>https?):\/\/)?(?<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?<port>\d{1,5})\/?$/i.exec(
      endpoint,
    );
  if (!match) throw new ValidationError(argument, TAKES, endpoint);
  const { scheme, host, port } = match.groups as { scheme?: string; host: string; port: string };
  if (Number(port) < 1 || Number(port) > 65_535) throw new ValidationError(argument, TAKES, endpoint);
  return { address: `${host}:${Number(port)}`, secure: scheme ? scheme.toLowerCase() === 'https' : tls };
}
