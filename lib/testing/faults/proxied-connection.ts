import { connect, type Socket } from 'node:net';
import { type Direction, type FrameRule } from './frame-rule.js';
import { type FramePart } from './http2-frames.js';
import { Pipe } from './pipe.js';
import { requestPath } from './request-path.js';

export interface ConnectionDeps {
  readonly id: number;
  readonly target: { readonly host: string; readonly port: number };
  readonly rules: ReadonlySet<FrameRule>;
  readonly delay: () => number;
  readonly closed: (connection: ProxiedConnection) => void;
}

/** One client's connection through a proxy. */
export class ProxiedConnection {
  readonly id: number;
  readonly #deps: ConnectionDeps;
  readonly #client: Socket;
  readonly #paths = new Map<number, string>();
  #server: Socket | undefined;
  #pipes: readonly Pipe[] = [];
  #stalled: boolean;
  #closed = false;

  /** @param stalled from the start: the target is not dialled before the stall ends. */
  constructor(client: Socket, deps: ConnectionDeps, stalled: boolean) {
    this.id = deps.id;
    this.#deps = deps;
    this.#client = client;
    this.#stalled = stalled;
    client.on('error', () => {});
    client.on('close', () => this.#lost());
    if (stalled) client.pause();
    else this.#dial();
  }

  /** The methods whose streams were opened on this connection, in order, repeated if opened again. */
  get paths(): string[] {
    return [...this.#paths.values()];
  }

  /** Destroys both sides at once. */
  cut(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const pipe of this.#pipes) pipe.close();
    this.#client.destroy();
    this.#server?.destroy();
    this.#deps.closed(this);
  }

  stall(): void {
    this.#stalled = true;
    this.#client.pause();
    for (const pipe of this.#pipes) pipe.stall();
  }

  resume(): void {
    this.#stalled = false;
    if (this.#client.destroyed || this.#server?.destroyed === true) this.cut();
    else if (this.#server === undefined) this.#dial();
    else for (const pipe of this.#pipes) pipe.resume();
  }

  #dial(): void {
    const server = connect({ ...this.#deps.target, allowHalfOpen: true, noDelay: true });
    this.#server = server;
    server.on('error', () => {});
    server.on('close', () => this.#lost());
    this.#pipes = [this.#pipe('client', this.#client, server), this.#pipe('server', server, this.#client)];
    if (this.#stalled) for (const pipe of this.#pipes) pipe.stall();
    else this.#client.resume();
  }

  #pipe(direction: Direction, source: Socket, target: Socket): Pipe {
    return new Pipe(direction, source, target, {
      delay: this.#deps.delay,
      headers: ({ headers, flags, streamId }) => {
        const path = direction === 'client' && headers ? requestPath(headers, flags) : undefined;
        if (path !== undefined) this.#paths.set(streamId, path);
      },
      data: (part, when) => this.#judge(part, direction, when, target),
    });
  }

  #judge(part: FramePart, direction: Direction, when: 'before' | 'after', target: Socket): boolean {
    for (const rule of this.#deps.rules) {
      if (rule.direction !== direction || rule.when !== when) continue;
      if (!rule.strikes(this.id, part.streamId, this.#paths.get(part.streamId))) continue;
      if (rule.action === 'stall') this.stall();
      else this.#cutAfterFlush(target);
      return true;
    }
    return false;
  }

  /** What was passed on before the cut still has to leave this process. */
  #cutAfterFlush(target: Socket): void {
    for (const pipe of this.#pipes) pipe.stall();
    target.end(() => this.cut());
  }

  /** One side is gone. A stall hides that from the other side until it ends. */
  #lost(): void {
    if (!this.#stalled) this.cut();
  }
}
