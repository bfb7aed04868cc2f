import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const TICK = 10;

/** A proxy that passes what the server sends at a limited rate, and what the client sends at once. */
export class SlowLink {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** How many connections were accepted so far. */
  accepted = 0;

  private constructor(target: string, bytesPerSecond: number) {
    const [host, port] = target.split(':') as [string, string];
    this.#server = createServer((client) => {
      this.accepted++;
      const server = connect(Number(port), host);
      client.pipe(server);
      const allowance = Math.ceil((bytesPerSecond * TICK) / 1_000);
      const timer = setInterval(() => {
        const chunk = server.read(Math.min(allowance, server.readableLength)) as Buffer | null;
        if (chunk) client.write(chunk);
      }, TICK);
      const end = (): void => {
        clearInterval(timer);
        client.destroy();
        server.destroy();
      };
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', end);
        socket.on('close', end);
      }
    });
  }

  static async start(target: string, bytesPerSecond: number): Promise<SlowLink> {
    const link = new SlowLink(target, bytesPerSecond);
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
