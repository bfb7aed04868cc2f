import type { HeaderReader } from './carrier.js';

/** A message as the transports know it; each has one of these places for headers, or none (TCP, Redis). */
interface Message {
  readonly headers?: unknown;
  readonly properties?: { readonly headers?: unknown; readonly userProperties?: unknown };
}

interface TransportContext {
  getHeaders?(): unknown;
  getMessage?(): Message | undefined;
  getPacket?(): Message | undefined;
}

/**
 * Reads the headers of a message of any Nest transport: NATS (`getHeaders`), Kafka (`message.headers`), RabbitMQ
 * (`message.properties.headers`), MQTT 5 (`packet.properties.userProperties`), gRPC (the context is the metadata). TCP
 * and Redis have none.
 */
export function rpcHeaders(context: unknown): HeaderReader {
  const carriers = carriersOf(context);
  return (name) => {
    for (const carrier of carriers) {
      const value = header(carrier, name);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

function carriersOf(context: unknown): unknown[] {
  if (typeof context !== 'object' || context === null) return [];
  const transport = context as TransportContext;
  try {
    const message = transport.getMessage?.() ?? transport.getPacket?.();
    const { headers, properties } = message ?? {};
    const metadata = 'get' in context ? context : undefined;
    const carriers = [
      metadata,
      transport.getHeaders?.(),
      headers,
      properties?.headers,
      properties?.userProperties,
    ];
    return carriers.filter((each) => typeof each === 'object' && each !== null);
  } catch {
    return [];
  }
}

/** By `get`, where the headers are a map of some kind; one that cannot be read is none. */
function header(carrier: unknown, name: string): string | undefined {
  try {
    const { get } = carrier as { get?: unknown };
    const value: unknown =
      typeof get === 'function' ? get.call(carrier, name) : (carrier as Record<string, unknown>)[name];
    if (Buffer.isBuffer(value)) return value.toString('latin1');
    if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(String).join(',');
    return typeof value === 'string' && value !== '' ? value : undefined;
  } catch {
    return undefined;
  }
}
