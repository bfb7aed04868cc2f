import { LockLostError } from '../../errors/lock-lost.error.js';
import type { Clock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import { prefixRange } from '../etcd/kv.js';
import type { Admission } from './admission.js';
import type { Deadline } from './deadline.js';
import type { Place } from './place.js';
import { isSharedPlace } from './queue-layout.js';
import type { Member } from './queue-order.js';
import { QueueWatch } from './queue-watch.js';

/** How long a look at a queue may take, in ms. */
const LOOK = 5_000;

/** The watches of all queues in which this process waits, one for each however many wait in it. */
export class QueueWatches {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #open = new Map<string, QueueWatch>();
  readonly #followed = new Map<Place, readonly { watch: QueueWatch; member: Member }[]>();

  constructor(client: EtcdClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Admits the place when every queue does, and ends it when one of its keys is deleted. */
  follow(place: Place, admitted: boolean): void {
    const { queues, admission } = place.request;
    let pending = queues.length;
    const followed = queues.map((queue, index) => ({
      watch: this.#watch(queue),
      member: {
        key: place.keys[index]!,
        revision: place.revision,
        admission,
        admitted: () => {
          if (--pending === 0) place.admit();
        },
        gone: () => place.end(new LockLostError('its key was deleted in etcd')),
      },
    }));
    this.#followed.set(place, followed);
    for (const { watch, member } of followed) watch.join(member, admitted);
  }

  unfollow(place: Place): void {
    for (const { watch, member } of this.#followed.get(place) ?? []) watch.leave(member);
    this.#followed.delete(place);
  }

  removed(queue: string, key: string, revision: bigint): void {
    this.#open.get(queue)?.remove(key, revision);
  }

  /** Whether a newcomer would be admitted, as etcd sees it now. @throws CallerLeft */
  async looksFree(queues: readonly string[], admission: Admission, deadline: Deadline): Promise<boolean> {
    for (const queue of queues) {
      const { kvs, count } = await deadline.wait(LOOK, (signal) =>
        this.#client.range(
          { ...prefixRange(queue), keysOnly: true },
          { timeout: LOOK, ...(signal && { signal }) },
        ),
      );
      const free = admission.shared ? kvs.every(({ key }) => isSharedPlace(key)) : count < admission.limit;
      if (!free) return false;
    }
    return true;
  }

  close(): void {
    for (const watch of this.#open.values()) watch.close();
    this.#followed.clear();
  }

  #watch(queue: string): QueueWatch {
    let watch = this.#open.get(queue);
    if (!watch) {
      watch = new QueueWatch(this.#client, queue, this.#clock, () => this.#open.delete(queue));
      this.#open.set(queue, watch);
    }
    return watch;
  }
}
