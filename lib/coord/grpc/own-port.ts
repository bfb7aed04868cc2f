import { Client, credentials } from '@grpc/grpc-js';
import { acceptsConnections } from '../registry/tcp-probe.js';
import { SERVING, decodeResponse, encodeRequest } from './health-message.js';

/** How long the health service may take to answer, in ms; whoever is silent is judged by TCP alone. */
const ANSWER_LIMIT = 500;

/**
 * Whether a process serves at its port: it accepts connections and, where it has `grpc.health.v1`, does not say that it does not
 * serve. What is not gRPC, or wants TLS, serves once it accepts connections. Resolves within about a second, never rejects.
 */
export async function ownPortServes(host: string, port: number): Promise<boolean> {
  if (!(await acceptsConnections(host, port))) return false;
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const client = new Client(target, credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
  });
  const deadline = Date.now() + ANSWER_LIMIT;
  try {
    return await new Promise<boolean>((resolve) => {
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        encodeRequest,
        decodeResponse,
        '',
        { deadline },
        (error, answer) => resolve(error !== null || answer === SERVING),
      );
    });
  } finally {
    client.close();
  }
}
