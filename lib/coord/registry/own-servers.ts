import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Server } from 'node:net';

/** Node's channels for every `net.Server`: HTTP, HTTP/2, Fastify, grpc-js and Nest's TCP transport are built on it. */
const LISTENS = 'tracing:net.server.listen:asyncEnd';
const FAILS = 'tracing:net.server.listen:error';

/** Those that listened before anybody looked. Node does not document it, hence optional. */
const alive = (process as { _getActiveHandles?: () => unknown[] })._getActiveHandles;

/**
 * The servers of this process. That a port accepts connections does not say whose it is: another process may have been
 * faster, and ours about to fail with EADDRINUSE.
 */
export class OwnServers {
  readonly #servers = new Set<Server>();
  readonly #losers = new Set<(port: number) => void>();

  readonly #onListen = (message: unknown): void => {
    for (const server of this.#servers) if (!server.listening) this.#servers.delete(server);
    this.#servers.add((message as { server: Server }).server);
  };

  readonly #onFailure = (message: unknown): void => {
    const { code, port } = (message as { error: NodeJS.ErrnoException & { port?: number } }).error;
    if (code === 'EADDRINUSE' && port !== undefined) for (const tell of this.#losers) tell(port);
  };

  constructor() {
    for (const handle of alive?.call(process) ?? []) if (handle instanceof Server) this.#servers.add(handle);
    subscribe(LISTENS, this.#onListen);
    subscribe(FAILS, this.#onFailure);
  }

  listenOn(port: number): boolean {
    return [...this.#servers].some((server) => {
      const address = server.address();
      return address !== null && typeof address === 'object' && address.port === port;
    });
  }

  /** Tells of each port that a server of this process could not have. Returns how to take it back. */
  onTaken(tell: (port: number) => void): () => void {
    this.#losers.add(tell);
    return () => this.#losers.delete(tell);
  }

  close(): void {
    unsubscribe(LISTENS, this.#onListen);
    unsubscribe(FAILS, this.#onFailure);
    this.#servers.clear();
    this.#losers.clear();
  }
}
