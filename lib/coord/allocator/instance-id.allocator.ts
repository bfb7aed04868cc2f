import { randomUUID } from 'node:crypto';
import { AllocatorExhaustedError } from '../../errors/allocator-exhausted.error.js';
import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { SessionLostError } from '../../errors/session-lost.error.js';
import { checkInteger, checkName } from '../../options/check.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import { type KeyValue, prefixRange } from '../etcd/kv.js';
import type { RoomContext } from '../etcd/room-context.js';
import type { Session } from '../etcd/session.js';
import { type AllocatedId, HeldId } from './allocated-id.js';
import {
  type AllocateOptions,
  type AllocatorOptions,
  resolveAllocateOptions,
  resolveQuarantine,
} from './allocator.options.js';
import { type Choice, chooseId, type Taken } from './choose-id.js';
import { type IdRecord, parseIdRecord } from './id-record.js';
import { IdReturns } from './id-returns.js';

/** The most ids of one service; Snowflake's ten bits are 1,024. */
const MOST_IDS = 65_536;

/**
 * Small numbers that no two processes of a service have at once, for ids made without coordination (Snowflake). Two
 * calls to etcd each, whatever the number of processes; the same instance gets the same number again where it can.
 *
 * After a crash a number rests by itself: its lease is twice the quarantine longer than the session's, and its owner
 * stops trusting it when only the quarantine is left.
 *
 * @example
 * // Snowflake: 41 bits of milliseconds, 10 of the process, 12 of a sequence.
 * const worker = await coord.allocator('orders', 1_023).acquire();
 * let last = 0n, sequence = 0n;
 * function nextId(): bigint {
 *   worker.assertValid();
 *   let now = BigInt(Date.now() - EPOCH);
 *   if (now < last) now = last;                                   // a clock set back gives no number twice
 *   sequence = now === last ? (sequence + 1n) & 4_095n : 0n;
 *   if (now === last && sequence === 0n) now++;                   // 4,096 in one millisecond: take the next
 *   last = now;
 *   return (now << 22n) | (BigInt(worker.id) << 12n) | sequence;
 * }
 */
export class InstanceIdAllocator {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #service: string;
  readonly #maxId: number;
  readonly #instance: string;
  readonly #quarantine: number;
  readonly #ttl: number;
  readonly #returns: IdReturns;
  readonly #held = new Set<HeldId>();
  #closed = false;

  constructor(
    { client, logger, prefixes, service, sessionTtl }: Omit<RoomContext, 'dialTimeout' | 'snapshot'>,
    serviceName: string,
    maxId: number,
    options: AllocatorOptions = {},
    clock: Clock = systemClock,
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#returns = new IdReturns({ client, clock, logger });
    this.#service = checkName('serviceName', serviceName);
    this.#maxId = checkInteger('maxId', maxId, 1, MOST_IDS);
    this.#prefix = `${prefixes.allocators}/${this.#service}/`;
    this.#instance = service.instanceId;
    this.#quarantine = resolveQuarantine(options);
    // Renewed every third of it, it never has less than two thirds left in good times, of which the reserve is half.
    this.#ttl = sessionTtl + 2 * this.#quarantine;
  }

  /**
   * A number from 1 to `maxId` that nobody else has.
   *
   * @throws AllocatorExhaustedError if all are in use or resting
   * @throws CoordUnavailableError if etcd did not answer within `timeout`
   */
  async acquire(options: AllocateOptions = {}): Promise<AllocatedId> {
    const { signal, timeout } = resolveAllocateOptions(options);
    const end = this.#clock.now() + timeout;
    for (;;) {
      if (this.#closed) throw closedError();
      if (end <= this.#clock.now()) throw this.#unavailable(timeout);
      const call = (): CallOptions => ({
        timeout: Math.max(1, end - this.#clock.now()),
        ...(signal && { signal }),
      });
      const session = await this.#client.sessions(this.#ttl).acquire(call());
      const choice = await this.#choose(call());
      const held = await this.#take(choice, session, call()).catch((error: unknown) => {
        // What may have been taken goes back: to the caller the outcome is known.
        throw error instanceof OutcomeUnknownError ? this.#unavailable(timeout, error) : error;
      });
      if (!held) continue;
      if (!this.#closed) return held;
      await held.release();
    }
  }

  /** Releases what was acquired here; waits for etcd at most 2 s. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#held].map((held) => held.release()));
    this.#returns.close();
  }

  #unavailable(timeout: number, cause?: Error): CoordUnavailableError {
    return new CoordUnavailableError(`no id of "${this.#service}" could be had within ${timeout} ms`, {
      cause,
    });
  }

  async #choose(call: CallOptions): Promise<Choice> {
    const { kvs } = await this.#client.range(prefixRange(this.#prefix), call);
    const taken = new Map<number, Taken>();
    for (const kv of kvs) {
      const record = parseIdRecord(kv);
      taken.set(Number(kv.key.slice(this.#prefix.length)), {
        instance: record?.instance,
        resting: record?.resting ?? this.#returns.isPending(kv.value.toString()),
        modRevision: kv.modRevision,
      });
    }
    const choice = chooseId(this.#maxId, taken, this.#instance, Math.random);
    if (choice) return choice;
    const resting = [...taken.values()].filter((each) => each.resting).length;
    throw new AllocatorExhaustedError(
      `all ${this.#maxId} ids of "${this.#service}" are taken (${resting} of them rest before they can be used again)`,
    );
  }

  /** `undefined` if another process was faster. */
  async #take(choice: Choice, session: Session, call: CallOptions): Promise<HeldId | undefined> {
    const key = `${this.#prefix}${choice.id}`;
    const record: IdRecord = { instance: this.#instance, nonce: randomUUID() };
    const value = JSON.stringify(record);
    let known: { revision: bigint; kvs: readonly KeyValue[] };
    try {
      const { succeeded, revision, results } = await this.#client.commit(
        {
          compare: [
            choice.resting === undefined
              ? { key, target: 'create', value: 0n }
              : { key, target: 'mod', value: choice.resting },
          ],
          success: [{ put: { key, value, lease: session.leaseId } }, { range: { key } }],
          failure: [{ range: { key } }],
        },
        // Twice equals once: the second one finds its own value.
        { ...call, session, idempotent: true },
      );
      known = { revision, kvs: results.at(-1)!.kvs };
      if (!succeeded && known.kvs[0]?.value.toString() !== value) return undefined;
    } catch (error) {
      // Nobody has used it, so it need not rest.
      void this.#returns.give({ key, value, session, quarantine: 0 });
      throw error;
    }
    const mirror = this.#client.mirror({ key }, { known });
    // While it is in use, an end of the process must not free it at once.
    const release = this.#quarantine > 0 ? session.retain() : () => undefined;
    const held: HeldId = new HeldId({
      id: choice.id,
      session,
      reserve: this.#quarantine,
      clock: this.#clock,
      ended: () => {
        mirror.close();
        this.#held.delete(held);
        const given = this.#returns.give({ key, value, session, quarantine: this.#quarantine });
        release();
        return given;
      },
    });
    this.#held.add(held);
    mirror.subscribe(() => {
      const ours = mirror.snapshot().entries.get(key)?.value.toString() === value;
      if (!ours) {
        held.lose(new SessionLostError(`the id ${choice.id} is lost: its key was taken away in etcd`));
      }
    });
    return held;
  }
}

function closedError(): ClosedError {
  return new ClosedError('the allocator was closed');
}
