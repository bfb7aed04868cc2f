import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { EtcdProcess } from '../../lib/testing/index.js';
import { freePorts } from '../../lib/testing/free-port.js';

const run = promisify(execFile);

export interface EtcdClusterOptions {
  /** @default 3 */
  readonly size?: number;
  /** Further arguments for each member. */
  readonly args?: readonly string[];
}

/** A cluster of real etcds on 127.0.0.1, each a process that a test can pause, kill and restart. */
export class EtcdCluster implements AsyncDisposable {
  private constructor(readonly members: readonly EtcdProcess[]) {}

  static async start({ size = 3, args = [] }: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    const peers = await freePorts(size);
    const name = (index: number): string => `m${index}`;
    const url = (index: number): string => `http://127.0.0.1:${peers[index]}`;
    const initial = peers.map((_, index) => `${name(index)}=${url(index)}`).join();
    const members = await Promise.all(
      peers.map((_, index) =>
        EtcdProcess.start({
          waitHealthy: false,
          args: [
            `--name=${name(index)}`,
            `--initial-cluster=${initial}`,
            `--listen-peer-urls=${url(index)}`,
            `--initial-advertise-peer-urls=${url(index)}`,
            ...args,
          ],
        }),
      ),
    );
    const cluster = new EtcdCluster(members);
    try {
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

  async stop(): Promise<void> {
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
