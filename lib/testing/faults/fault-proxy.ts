import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { ValidationError } from '../../errors/validation.error.js';
import { checkPort } from '../../options/check.js';
import { type FrameRuleOptions, FrameRule } from './frame-rule.js';
import { ProxiedConnection } from './proxied-connection.js';
import { SeededRandom } from './seeded-random.js';

export interface FaultProxyOptions {
  /** Where to, `host:port`. */
  readonly target: string;
  /** The port on 127.0.0.1 to listen on. @default a free one */
  readonly port?: number;
  /** Makes random choices repeatable. @default a random one */
  readonly seed?: number;
}

/** How often a port that somebody else has taken is tried again, in ms. */
const RETRY = 50;

/**
 * A TCP proxy that makes a network's faults, each at a chosen moment: cut, half-open silence, refusal, delay. It knows
 * HTTP/2's frames and so can strike at a chosen message of a chosen gRPC method.
 *
 * @example
 * const proxy = await FaultProxy.start({ target: etcd.endpoints[0] });
 * const coord = await CoordService.connect({ service, endpoints: [proxy.endpoint] });
 * const cut = proxy.cutAtFrame({ path: '/etcdserverpb.Watch/Watch', frame: 2 });
 * await cut.fired;
 */
export class FaultProxy implements AsyncDisposable {
  readonly random: SeededRandom;
  readonly #connections = new Set<ProxiedConnection>();
  readonly #rules = new Set<FrameRule>();
  #server: Server | undefined;
  #target: { readonly host: string; readonly port: number };
  #port = 0;
  #accepted = 0;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  #stalled = false;
  #delay: readonly [min: number, max: number] = [0, 0];

  private constructor(options: FaultProxyOptions) {
    this.random = new SeededRandom(options.seed);
    this.#target = parseTarget(options.target);
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    const port = options.port === undefined ? 0 : checkPort('port', options.port);
    await new Promise<void>((resolve, reject) => {
      const server = proxy.#listen(port);
      server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        reject(taken ? new ValidationError('port', 'a port on 127.0.0.1 that is free', port) : error);
      });
      server.once('listening', () => {
        proxy.#port = (server.address() as AddressInfo).port;
        resolve();
      });
    });
    return proxy;
  }

  /** `127.0.0.1:port`, to be given to the client in place of the target. */
  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get seed(): number {
    return this.random.seed;
  }

  /** The connections that are open now. */
  get connections(): readonly ProxiedConnection[] {
    return [...this.#connections];
  }

  /** How many connections were accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Destroys the open connections; new ones are served. */
  cut(): void {
    for (const connection of this.#connections) connection.cut();
  }

  /** Half-open: from now on nothing is passed on and nothing is closed, on open connections and on new ones. */
  stall(): void {
    this.#stalled = true;
    for (const connection of this.#connections) connection.stall();
  }

  /** Destroys the open connections, and new ones meet a closed port, as if the process had died. */
  refuse(): void {
    clearTimeout(this.#retry);
    this.#server?.close();
    this.#server = undefined;
    this.cut();
  }

  /** Holds bytes for so many milliseconds in each direction; with two numbers, for a random time between them. */
  delay(min: number, max = min): void {
    this.#delay = [min, max];
  }

  /**
   * Ends stall, refusal and delay. Bytes that a stall has held arrive now. If somebody has taken the port during a refusal,
   * this one listens as soon as it is free again. A proxy that is closed stays so.
   */
  resume(): void {
    if (this.#closed) return;
    this.#stalled = false;
    this.#delay = [0, 0];
    if (this.#server === undefined) this.#listenAgain();
    for (const connection of this.#connections) connection.resume();
  }

  /** Cuts the connection at a DATA frame, once. */
  cutAtFrame(options: FrameRuleOptions = {}): FrameRule {
    return this.#rule('cut', options);
  }

  /** Stalls the connection, and only this one, at a DATA frame, once. */
  stallAtFrame(options: FrameRuleOptions = {}): FrameRule {
    return this.#rule('stall', options);
  }

  /** Cuts before or after one of the next `within` DATA frames, at random. @param within @default 10 */
  cutAtRandomFrame(
    options: Omit<FrameRuleOptions, 'frame' | 'when'> & { readonly within?: number } = {},
  ): FrameRule {
    const { within = 10, ...rest } = options;
    const [frame, when] = [this.random.integer(1, within), this.random.pick(['before', 'after'] as const)];
    return this.#rule('cut', { ...rest, frame, when });
  }

  /** New connections go elsewhere, for a target that came back on another port. */
  retarget(target: string): void {
    this.#target = parseTarget(target);
  }

  /** Destroys everything. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.refuse();
    this.#rules.clear();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #rule(action: 'cut' | 'stall', options: FrameRuleOptions): FrameRule {
    const rule = new FrameRule(action, options, (each) => this.#rules.delete(each));
    this.#rules.add(rule);
    return rule;
  }

  #listenAgain(): void {
    clearTimeout(this.#retry);
    const server = this.#listen(this.#port);
    server.once('error', () => {
      if (this.#server !== server) return;
      this.#server = undefined;
      this.#retry = setTimeout(() => this.#listenAgain(), RETRY).unref();
    });
  }

  #listen(port: number): Server {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    server.listen(port, '127.0.0.1');
    this.#server = server;
    return server;
  }

  #accept(client: Socket): void {
    const deps = {
      id: ++this.#accepted,
      target: this.#target,
      rules: this.#rules,
      delay: () => this.random.integer(...this.#delay),
      closed: (connection: ProxiedConnection) => this.#connections.delete(connection),
    };
    this.#connections.add(new ProxiedConnection(client, deps, this.#stalled));
  }
}

function parseTarget(target: string): { host: string; port: number } {
  const [, host, port] = /^(?:https?:\/\/)?(.+):(\d+)$/.exec(target) ?? [];
  if (host === undefined) throw new ValidationError('target', "an address such as '127.0.0.1:2379'", target);
  return { host, port: Number(port) };
}
