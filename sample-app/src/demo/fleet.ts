import { CoordService, type ServiceInstance } from 'im-infra';
import { freePorts } from './free-ports.js';
import { ServiceProcess } from './service-process.js';
import { until } from './until.js';

export interface FleetOptions {
  readonly endpoints: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly onLine?: (instanceId: string, line: string) => void;
  /** Gives up whatever is being waited for. */
  readonly signal: AbortSignal;
}

/** The processes that run, and the demo's own view of the registry. */
export class Fleet {
  readonly members = new Map<string, ServiceProcess>();
  #gateway!: ServiceProcess;

  private constructor(
    readonly coord: CoordService,
    private readonly options: FleetOptions,
  ) {}

  static async start(options: FleetOptions): Promise<Fleet> {
    const coord = await CoordService.connect({
      service: { name: 'demo', env: 'demo' },
      endpoints: [...options.endpoints],
    });
    const fleet = new Fleet(coord, options);
    try {
      await Promise.all([
        fleet.launch('gateway', 'gateway-1'),
        fleet.join('user-service', 'user-1'),
        fleet.join('user-service', 'user-2'),
        fleet.join('order-service', 'order-1'),
        fleet.join('order-service', 'order-2'),
      ]);
      fleet.#gateway = fleet.member('gateway-1');
      await until(
        'the gateway reaches a user service',
        () => fleet.#answers('/users/0'),
        30_000,
        options.signal,
      );
      await until(
        'the gateway reaches an order service',
        () => fleet.#answers('/stock/book'),
        30_000,
        options.signal,
      );
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#gateway.port}`;
  }

  member(instanceId: string): ServiceProcess {
    const found = this.members.get(instanceId);
    if (found === undefined) throw new Error(`no ${instanceId} in this fleet`);
    return found;
  }

  instances(service: string): Promise<ServiceInstance[]> {
    return this.coord.registry.discover(service);
  }

  /** Starts a process. */
  async launch(service: string, instanceId: string): Promise<ServiceProcess> {
    const [port = 0] = await freePorts(1);
    const member = new ServiceProcess({
      service,
      instanceId,
      port,
      env: { ...this.options.env, ETCD_ENDPOINTS: this.options.endpoints.join(',') },
      onLine: (line) => this.options.onLine?.(instanceId, line),
    });
    this.members.set(instanceId, member);
    return member;
  }

  /** Starts a process and waits until the registry has it. */
  async join(service: string, instanceId: string): Promise<ServiceProcess> {
    const member = await this.launch(service, instanceId);
    await until(
      `${instanceId} is registered`,
      async () => {
        if (!member.running) throw new Error(await member.lastWords());
        return (await this.instances(service)).some(({ id }) => id === instanceId);
      },
      60_000,
      this.options.signal,
    );
    return member;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.members.values()].map((member) => member.stop()));
    await this.coord.close();
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(10_000) });
    return (await response.json()) as T;
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async #answers(path: string): Promise<boolean> {
    if (!this.#gateway.running) throw new Error(await this.#gateway.lastWords());
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(2_000) }).catch(
      () => undefined,
    );
    return response?.ok ?? false;
  }
}
