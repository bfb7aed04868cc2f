import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** A gRPC server that begins an answer, with its response headers, and then loses the connection. */
export class BrokenServer {
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Calls that arrived. */
  calls = 0;

  private constructor() {
    this.#server = createServer();
    this.#server.on('session', (session) => this.#sessions.add(session));
    this.#server.on('stream', (stream, headers) => {
      if (!headers[':path']?.startsWith('/echo.Echo/')) {
        stream.close();
        return;
      }
      this.calls++;
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' });
      // The socket takes the headers first.
      setTimeout(() => stream.session?.destroy(), 20);
    });
  }

  static async start(): Promise<BrokenServer> {
    const broken = new BrokenServer();
    await new Promise<void>((resolve) => broken.#server.listen(0, '127.0.0.1', resolve));
    return broken;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  kill(): void {
    for (const session of this.#sessions) session.destroy();
    this.#server.close();
  }
}
