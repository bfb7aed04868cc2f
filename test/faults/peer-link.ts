import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What lies in front of a member's peer port: a proxy that can cut it off from its peers. etcd's members tell who they are
 * in each HTTP request (`X-Server-From`), so that one of them can be kept out, too.
 */
export class PeerLink {
  readonly #server: Server;
  readonly #connections = new Map<Socket, { from: string | undefined; readonly member: Socket }>();
  readonly #kept = new Set<string>();
  #isolated = false;

  private constructor(target: number) {
    this.#server = createServer((peer) => this.#accept(peer, target));
  }

  /** @param target the member's own peer port */
  static async start(target: number): Promise<PeerLink> {
    const link = new PeerLink(target);
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Lets nobody through. */
  isolate(): void {
    this.#isolated = true;
    this.#cut();
  }

  /** Lets one peer not through. @param id its member id in hexadecimal */
  keepOut(id: string): void {
    this.#kept.add(id);
    this.#cut();
  }

  heal(): void {
    this.#isolated = false;
    this.#kept.clear();
  }

  close(): void {
    this.#server.close();
    this.isolate();
  }

  #accept(peer: Socket, target: number): void {
    const member = connect(target, '127.0.0.1');
    const connection = { from: undefined as string | undefined, member };
    this.#connections.set(peer, connection);
    const end = (): void => {
      this.#connections.delete(peer);
      peer.destroy();
      member.destroy();
    };
    for (const socket of [peer, member]) socket.on('error', end).on('close', end);
    peer.once('data', (request: Buffer) => {
      connection.from = /^x-server-from: (\w+)/im.exec(request.toString('latin1'))?.[1];
      this.#cut();
      if (peer.destroyed) return;
      member.write(request);
      peer.pipe(member);
      member.pipe(peer);
    });
  }

  #cut(): void {
    for (const [peer, { from, member }] of this.#connections) {
      if (!this.#isolated && (from === undefined || !this.#kept.has(from))) continue;
      peer.destroy();
      member.destroy();
    }
  }
}
