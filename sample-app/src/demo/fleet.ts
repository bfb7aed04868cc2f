import { CoordService, type ServiceInstance } from 'im-infra';
import { freePorts } from './free-ports.js';
import { ServiceProcess } from './service-process.js';
import { until } from './until.js';

export interface FleetOptions {
  readonly endpoints: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly onLine?: (instanceId: string, line: string) => void;
  /** Gives up whatever is being waited for; nothing is started any more. */
  readonly signal: AbortSignal;
}

/** How long a process may take until it serves, in ms: five of them start at once, on what may be one core. */
const START_LIMIT = 60_000;

/** What the steps write; an earlier demo that was interrupted has left it behind. */
const WRITTEN = ['/config/demo/global/shop', '/config/demo/user-service/clog'];

/** The processes that run, and the demo's own view of the registry. */
export class Fleet {
  readonly members = new Map<string, ServiceProcess>();
  #gateway!: ServiceProcess;

  private constructor(
    readonly coord: CoordService,
    private readonly options: FleetOptions,
  ) {}

  static async start(options: FleetOptions): Promise<Fleet> {
    const { endpoints, signal } = options;
    const service = { name: 'demo', env: 'demo' };
    const coord = await CoordService.connect({ service, endpoints: [...endpoints] }, {}, { signal });
    const fleet = new Fleet(coord, options);
    try {
      await coord.config.transaction((tx) => WRITTEN.forEach((key) => tx.delete(key)), { signal });
      [fleet.#gateway] = await Promise.all([
        fleet.#start('gateway', 'gateway-1', (member) => fleet.#answers(member, '/shop')),
        fleet.join('user-service', 'user-1'),
        fleet.join('user-service', 'user-2'),
        fleet.join('order-service', 'order-1'),
        fleet.join('order-service', 'order-2'),
      ]);
      for (const path of ['/users/0', '/stock/book']) {
        await until(
          `the gateway reaches ${path}`,
          () => fleet.#answers(fleet.#gateway, path),
          signal,
          30_000,
        );
      }
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  get url(): string {
    return urlOf(this.#gateway);
  }

  get running(): ServiceProcess[] {
    return [...this.members.values()].filter(({ running }) => running);
  }

  member(instanceId: string): ServiceProcess {
    const found = this.members.get(instanceId);
    if (found === undefined) throw new Error(`no ${instanceId} in this fleet`);
    return found;
  }

  instances(service: string): Promise<ServiceInstance[]> {
    return this.coord.registry.discover(service, { signal: this.options.signal });
  }

  /** Starts a process and waits until the registry has it. */
  join(service: string, instanceId: string): Promise<ServiceProcess> {
    return this.#start(service, instanceId, async () =>
      (await this.instances(service)).some(({ id }) => id === instanceId),
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.members.values()].map((member) => member.stop()));
    await this.coord.close();
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(this.url + path, { signal: this.#within(10_000) });
    return this.#read('GET', path, response);
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: this.#within(30_000),
    });
    return this.#read('POST', path, response);
  }

  async #read<T>(method: string, path: string, response: Response): Promise<T> {
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Starts a process and waits until it is up; once more, on another port, if somebody was faster to take the first. */
  async #start(
    service: string,
    instanceId: string,
    isUp: (member: ServiceProcess) => Promise<boolean>,
  ): Promise<ServiceProcess> {
    const { signal } = this.options;
    const start = async (): Promise<ServiceProcess> => {
      const member = await this.#launch(service, instanceId);
      const up = async (): Promise<boolean> => !member.running || (await isUp(member));
      await until(`${instanceId} is up`, up, signal, START_LIMIT);
      if (!member.running) await member.exited;
      return member;
    };
    let member = await start();
    if (member.lostItsPort) member = await start();
    if (!member.running) throw new Error(await member.lastWords());
    return member;
  }

  async #launch(service: string, instanceId: string): Promise<ServiceProcess> {
    const { env, endpoints, onLine, signal } = this.options;
    const [port = 0] = await freePorts(1);
    signal.throwIfAborted();
    const member = new ServiceProcess({
      service,
      instanceId,
      port,
      env: { ...env, ETCD_ENDPOINTS: endpoints.join(',') },
      onLine: (line) => onLine?.(instanceId, line),
    });
    this.members.set(instanceId, member);
    return member;
  }

  async #answers(gateway: ServiceProcess, path: string): Promise<boolean> {
    if (!gateway.running) throw new Error(await gateway.lastWords());
    const response = await fetch(urlOf(gateway) + path, { signal: this.#within(2_000) }).catch(
      () => undefined,
    );
    return response?.ok ?? false;
  }

  #within(ms: number): AbortSignal {
    return AbortSignal.any([this.options.signal, AbortSignal.timeout(ms)]);
  }
}

function urlOf(gateway: ServiceProcess): string {
  return `http://127.0.0.1:${gateway.port}`;
}
