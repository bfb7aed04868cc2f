import { randomBytes, randomInt } from 'node:crypto';
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers';
import { etcdImage } from './engine.js';

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;

type Engine = Awaited<ReturnType<typeof getContainerRuntimeClient>>;
type EngineNetwork = ReturnType<Engine['network']['getById']>;

/** A container with an address that is known before it starts: members must name one another, and not every engine has DNS. */
class AddressedContainer extends GenericContainer {
  constructor(
    image: string,
    private readonly network: string,
    private readonly address: string,
  ) {
    super(image);
    this.withNetworkMode(network);
  }

  protected override beforeContainerCreated(): Promise<void> {
    const endpoint = { IPAMConfig: { IPv4Address: this.address } };
    this.createOpts = {
      ...this.createOpts,
      NetworkingConfig: { EndpointsConfig: { [this.network]: endpoint } },
    };
    return Promise.resolve();
  }
}

/** One member of the cluster, with what can happen to a machine. */
export class EtcdMember {
  constructor(
    private readonly container: StartedTestContainer,
    private readonly engine: Engine,
    private readonly network: EngineNetwork,
    private readonly address: string,
  ) {}

  get endpoint(): string {
    return `${this.container.getHost()}:${this.container.getMappedPort(CLIENT_PORT)}`;
  }

  /** Freezes it: its connections stay, nothing answers. */
  async pause(): Promise<void> {
    await this.#handle().pause();
  }

  async unpause(): Promise<void> {
    await this.#handle().unpause();
  }

  /** Takes it off the network: neither the other members nor clients reach it. */
  async disconnect(): Promise<void> {
    await this.network.disconnect({ Container: this.container.getId(), Force: true });
  }

  async connect(): Promise<void> {
    await this.network.connect({
      Container: this.container.getId(),
      EndpointConfig: { IPAMConfig: { IPv4Address: this.address } },
    });
  }

  /** Whether it says that it leads. */
  async leads(): Promise<boolean> {
    const { output } = await this.container.exec([
      'etcdctl',
      '--endpoints=127.0.0.1:2379',
      'endpoint',
      'status',
      '-w',
      'fields',
    ]);
    const field = (name: string) => new RegExp(`"${name}" : (\\d+)`).exec(output)?.[1];
    return field('MemberID') !== undefined && field('MemberID') === field('Leader');
  }

  async stop(): Promise<void> {
    // A paused container cannot be stopped.
    await this.unpause().catch(() => {});
    await this.container.stop({ timeout: 1_000 });
  }

  #handle() {
    return this.engine.container.getById(this.container.getId());
  }
}

/** An etcd of one or more members, each in a container on a network of their own. */
export class EtcdContainers implements AsyncDisposable {
  private constructor(
    readonly members: readonly EtcdMember[],
    private readonly network: EngineNetwork,
  ) {}

  static async start(size: number): Promise<EtcdContainers> {
    const engine = await getContainerRuntimeClient();
    const name = `im-infra-${randomBytes(4).toString('hex')}`;
    const subnet = `10.${randomInt(100, 250)}.${randomInt(1, 250)}`;
    const network = await engine.network.create({
      Name: name,
      Driver: 'bridge',
      IPAM: { Driver: 'default', Config: [{ Subnet: `${subnet}.0/24`, Gateway: `${subnet}.1` }] },
    });
    const addresses = Array.from({ length: size }, (_, index) => `${subnet}.${index + 10}`);
    const cluster = addresses.map((address, index) => `m${index}=http://${address}:${PEER_PORT}`).join();
    const started = await Promise.allSettled(
      addresses.map((address, index) =>
        new AddressedContainer(etcdImage, name, address)
          .withEnvironment({ ETCDCTL_API: '3' })
          .withCommand([
            'etcd',
            `--name=m${index}`,
            '--data-dir=/tmp/etcd',
            '--unsafe-no-fsync',
            `--listen-client-urls=http://0.0.0.0:${CLIENT_PORT}`,
            `--advertise-client-urls=http://${address}:${CLIENT_PORT}`,
            `--listen-peer-urls=http://0.0.0.0:${PEER_PORT}`,
            `--initial-advertise-peer-urls=http://${address}:${PEER_PORT}`,
            `--initial-cluster=${cluster}`,
          ])
          .withExposedPorts(CLIENT_PORT)
          .withWaitStrategy(Wait.forHttp('/health', CLIENT_PORT))
          .withStartupTimeout(60_000)
          .start(),
      ),
    );
    const members = started.flatMap((each, index) =>
      each.status === 'fulfilled' ? new EtcdMember(each.value, engine, network, addresses[index]!) : [],
    );
    const containers = new EtcdContainers(members, network);
    const failed = started.find((each) => each.status === 'rejected');
    if (failed === undefined) return containers;
    await containers.stop();
    throw failed.reason;
  }

  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  /** The member that leads, with the others. */
  async leader(): Promise<{ leader: EtcdMember; followers: EtcdMember[] }> {
    const leads = await Promise.all(this.members.map((member) => member.leads()));
    const leader = this.members[leads.indexOf(true)];
    if (leader === undefined) throw new Error('no member leads');
    return { leader, followers: this.members.filter((member) => member !== leader) };
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    await this.network.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
