import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Passes bytes on between a port of its own and an endpoint, until it is told to cut the line. */
export class Relay {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  private constructor(
    private readonly scheme: string,
    private readonly host: string,
    private readonly port: number,
  ) {}

  static async to(endpoint: string): Promise<Relay> {
    const url = new URL(endpoint.includes('://') ? endpoint : `http://${endpoint}`);
    const { protocol, hostname, port } = url;
    const relay = new Relay(`${protocol}//`, hostname, Number(port || (protocol === 'https:' ? 443 : 80)));
    await relay.listen();
    return relay;
  }

  /** With TLS, the certificate has to be good for 127.0.0.1 too: bytes are passed on, not names. */
  get endpoint(): string {
    return `${this.scheme}127.0.0.1:${this.#port}`;
  }

  async listen(): Promise<void> {
    const server = createServer((near) => {
      const far = connect(this.port, this.host);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Ends all connections and refuses new ones. */
  async cut(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
