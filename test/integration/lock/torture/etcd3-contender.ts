import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3, EtcdLockFailedError, type Lease, type Lock as Etcd3Lock } from 'etcd3';
import type { ContendedLock, Contender } from './contender.js';

/** Between two tries: etcd3's lock has no queue. */
const PAUSE = 20;
/** A call that etcd does not answer ends after this, in ms; without a deadline it would wait for ever. */
const PATIENCE = 2_000;

/**
 * etcd3's own `Lock`, with all that a careful user can add from outside: deadlines, tries again until the time is over,
 * the event of its lease that tells of a loss (a private field: the lock itself tells nothing), and the create revision of
 * its key as token and guard.
 */
export class Etcd3Contender implements Contender {
  readonly #client: Etcd3;

  constructor(endpoint: string) {
    this.#client = new Etcd3({
      hosts: endpoint,
      defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + PATIENCE }),
    });
    // Its streams reject promises that nobody can catch; a process that ends would only lose fewer locks.
    process.on('unhandledRejection', () => undefined);
  }

  async acquire(key: string, { ttl, timeout }: { ttl: number; timeout: number }): Promise<ContendedLock> {
    const end = performance.now() + timeout;
    const name = `/locks/${key}/etcd3`;
    for (;;) {
      const lock = this.#client.lock(name).ttl(ttl / 1_000);
      try {
        return await this.#held(await lock.acquire(), key, name);
      } catch (error) {
        if (!(error instanceof EtcdLockFailedError)) void lock.release().catch(() => undefined);
        if (performance.now() > end) throw error;
      }
      await sleep(PAUSE);
    }
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }

  async #held(lock: Etcd3Lock, key: string, name: string): Promise<ContendedLock> {
    let lost = false;
    const { lease } = lock as unknown as { readonly lease: Lease };
    lease.on('lost', () => (lost = true));
    const { kvs } = await this.#client.kv.range({ key: Buffer.from(name), keys_only: true });
    const [own] = kvs;
    if (own?.lease !== (await lock.leaseId())) throw new Error(`${name} went to another`);
    const token = BigInt(own.create_revision);
    return {
      key,
      fencingToken: token,
      isHeld: () => !lost,
      guard: () => [{ key: name, target: 'create', value: token }],
      release: () => lock.release().catch(() => undefined),
    };
  }
}
