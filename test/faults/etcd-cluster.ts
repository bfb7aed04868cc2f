import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { EtcdProcess } from '../../lib/testing/index.js';
import { freePorts } from '../../lib/testing/free-port.js';
import { PeerLink } from './peer-link.js';

const run = promisify(execFile);

export interface EtcdClusterOptions {
  /** @default 3 */
  readonly size?: number;
  /** Further arguments for each member. */
  readonly args?: readonly string[];
  /** Whether a member can be cut off from its peers ({@link EtcdCluster.isolate}); then they talk through this process. */
  readonly links?: boolean;
}

/** A cluster of real etcds on 127.0.0.1, each a process that a test can pause, kill and restart. */
export class EtcdCluster implements AsyncDisposable {
  private constructor(
    readonly members: readonly EtcdProcess[],
    private readonly links: readonly PeerLink[],
  ) {}

  /** A port that was free may be taken before etcd listens on it: then all begin again on others. */
  static async start(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await EtcdCluster.#start(options);
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  static async #start({ size = 3, args = [], links = false }: EtcdClusterOptions): Promise<EtcdCluster> {
    const peers = await freePorts(size);
    const peerLinks = links ? await Promise.all(peers.map((port) => PeerLink.start(port))) : [];
    const name = (index: number): string => `m${index}`;
    const own = (index: number): string => `http://127.0.0.1:${peers[index]}`;
    const url = (index: number): string => peerLinks[index]?.url ?? own(index);
    const initial = peers.map((_, index) => `${name(index)}=${url(index)}`).join();
    const starts = await Promise.allSettled(
      peers.map((_, index) =>
        EtcdProcess.start({
          waitHealthy: false,
          args: [
            `--name=${name(index)}`,
            `--initial-cluster=${initial}`,
            `--listen-peer-urls=${own(index)}`,
            `--initial-advertise-peer-urls=${url(index)}`,
            ...args,
          ],
        }),
      ),
    );
    const members = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const cluster = new EtcdCluster(members, peerLinks);
    try {
      const failed = starts.find((start) => start.status === 'rejected');
      if (failed) throw failed.reason;
      await cluster.healthy();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  async healthy(): Promise<void> {
    await Promise.all(this.members.filter(({ running }) => running).map((member) => member.healthy()));
  }

  /** The member that leads now, as a running member tells it. */
  async leader(): Promise<EtcdProcess> {
    const statuses = await this.#statuses();
    const found = statuses.find(({ id, leader }) => id === leader);
    if (found === undefined) throw new Error('no running member leads');
    return found.member;
  }

  /** Makes another member lead. @param to @default the next that runs */
  async moveLeader(to?: EtcdProcess): Promise<EtcdProcess> {
    const statuses = await this.#statuses();
    const from = statuses.find(({ id, leader }) => id === leader);
    const target = statuses.find(
      ({ member }) => member !== from?.member && (to === undefined || member === to),
    );
    if (from === undefined || target === undefined) throw new Error('there is no other running member');
    await run('etcdctl', ['--endpoints', from.member.endpoint, 'move-leader', target.id.toString(16)], {
      env: { ...process.env, ETCDCTL_API: '3' },
    });
    return target.member;
  }

  /** Cuts `member` off from all its peers, both ways; clients still reach it. */
  async isolate(member: EtcdProcess): Promise<void> {
    const { id } = (await this.#statuses()).find((status) => status.member === member)!;
    this.links.forEach((link, index) => {
      if (this.members[index] === member) link.isolate();
      else link.keepOut(id.toString(16));
    });
  }

  /** Ends every isolation. */
  heal(): void {
    for (const link of this.links) link.heal();
  }

  async stop(): Promise<void> {
    for (const link of this.links) link.close();
    await Promise.all(this.members.map((member) => member.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #statuses(): Promise<{ member: EtcdProcess; id: bigint; leader: bigint }[]> {
    const running = this.members.filter((member) => member.running);
    return Promise.all(
      running.map(async (member) => {
        const { stdout } = await run(
          'etcdctl',
          ['--endpoints', member.endpoint, 'endpoint', 'status', '-w', 'fields'],
          { env: { ...process.env, ETCDCTL_API: '3' } },
        );
        const field = (name: string): bigint =>
          BigInt(new RegExp(`"${name}" : (\\d+)`).exec(stdout)?.[1] ?? 0);
        return { member, id: field('MemberID'), leader: field('Leader') };
      }),
    );
  }
}
