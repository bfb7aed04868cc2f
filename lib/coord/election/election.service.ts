import { type Observable, ReplaySubject, share } from 'rxjs';
import { ValidationError } from '../../errors/validation.error.js';
import { type Duration, parseDuration } from '../../options/duration.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { RoomContext } from '../etcd/room-context.js';
import { EXCLUSIVE } from '../lock/admission.js';
import { HeldLock } from '../lock/held-lock.js';
import { LiveServices } from '../lock/live-services.js';
import { checkLockKey } from '../lock/lock-key.js';
import { QueueLayout } from '../lock/queue-layout.js';
import { Queues } from '../lock/queues.js';
import { Candidacy } from './candidacy.js';
import { type Leader, watchLeader } from './leader-watch.js';
import { HeldLeadership, type Leadership } from './leadership.js';

export interface CampaignOptions {
  /** What followers are shown, for example the leader's address. @default the instance's id */
  readonly value?: string;
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How long to wait for the leadership. @default Infinity */
  readonly timeout?: Duration;
}

/** How long {@link ElectionService.close} waits for etcd, in ms. */
const CLOSE = 2_000;

/** The election services of this process, for decorated methods of objects that Nest did not make. */
export const liveElections = new LiveServices<ElectionService>('elections');

/**
 * Leader election: a fair lock whose value everybody can see. Candidates are keys `{prefix}/{name}/{leaseHex}` with the
 * value, the leader is the one with the lowest create revision: the layout of Go's `concurrency.Election`.
 */
export class ElectionService {
  readonly #client: EtcdClient;
  readonly #logger: CoordLogger;
  readonly #clock: Clock;
  readonly #ttl: number;
  readonly #layout: QueueLayout;
  readonly #queues: Queues;
  readonly #defaultValue: string;
  readonly #closing = new AbortController();
  readonly #watches = new Map<string, Observable<Leader | null>>();
  readonly #candidacies = new Map<string, Candidacy>();
  #resigned = false;

  constructor(
    context: Pick<RoomContext, 'client' | 'service' | 'logger' | 'prefixes' | 'sessionTtl'>,
    clock: Clock = systemClock,
  ) {
    const { client, logger, prefixes, service, sessionTtl } = context;
    this.#client = client;
    this.#logger = logger;
    this.#clock = clock;
    this.#ttl = sessionTtl;
    this.#layout = new QueueLayout(prefixes.elections);
    this.#queues = new Queues({ client, logger, clock }, this.#layout);
    this.#defaultValue = service.instanceId;
    liveElections.add(this);
  }

  /**
   * Stands for election and resolves when this process leads. Candidates succeed each other in the order in which they
   * came. A candidate whose session is lost while it waits stands again by itself.
   *
   * @throws LockTimeoutError after `timeout`
   */
  async campaign(name: string, options: CampaignOptions = {}): Promise<Leadership> {
    const checked = checkLockKey('name', name);
    const { value = this.#defaultValue, signal, timeout = Infinity } = options;
    if (typeof value !== 'string') throw new ValidationError('value', 'a string', value);
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new ValidationError('signal', 'an AbortSignal', signal);
    }
    const label = `the leadership of "${checked}"`;
    const place = await this.#queues.enter(
      { queues: [this.#layout.queue(checked)], admission: EXCLUSIVE, label, ttl: this.#ttl, value },
      this.#queues.deadline(parseDuration('timeout', timeout, { infinite: true }), signal),
    );
    const lock = new HeldLock(place, {
      clock: this.#clock,
      keys: [checked],
      label,
      maxHold: Infinity,
      leave: (left) => this.#queues.leave(left),
    });
    return new HeldLeadership(checked, value, lock);
  }

  /** The current leader first, then every change; `null` while there is none. Never errors; shared by its subscribers. */
  leader$(name: string): Observable<Leader | null> {
    const queue = this.#layout.queue(checkLockKey('name', name));
    let watch = this.#watches.get(queue);
    if (!watch) {
      const report = (error: unknown): void =>
        this.#logger.error('a subscriber to the leader threw', { election: name, err: error });
      watch = watchLeader(this.#client, queue, this.#closing.signal, report).pipe(
        share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: true }),
      );
      this.#watches.set(queue, watch);
    }
    return watch;
  }

  /**
   * Stands for election until the service is closed or resigns, once per name however often it is asked for; after that
   * it stands no more, and never leads.
   */
  candidacy(name: string): Candidacy {
    let candidacy = this.#candidacies.get(name);
    if (!candidacy) {
      candidacy = new Candidacy({
        name,
        logger: this.#logger,
        clock: this.#clock,
        campaign: (signal) => this.campaign(name, { signal }),
      });
      this.#candidacies.set(name, candidacy);
      if (this.#resigned) void candidacy.close();
    }
    return candidacy;
  }

  /** Hands over every leadership that decorated methods hold, after what they still run: early in a shutdown. */
  async resignAll(): Promise<void> {
    this.#resigned = true;
    await Promise.all([...this.#candidacies.values()].map((candidacy) => candidacy.close()));
  }

  /** Every campaign rejects with `ClosedError`, every leadership is resigned; waits for etcd at most 2 s. Idempotent. */
  async close(): Promise<void> {
    liveElections.delete(this);
    this.#resigned = true;
    this.#closing.abort();
    for (const candidacy of this.#candidacies.values()) void candidacy.close();
    await this.#queues.close(CLOSE);
  }
}
