import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { type EtcdProcess, FaultProxy, type FrameRule, type SeededRandom } from '../../lib/testing/index.js';
import { until } from '../support/until.js';

/** One step of a reader: the new value of each key it saw changed, `undefined` where the key is gone. */
export interface Observation {
  readonly revision: bigint;
  /** `watch`: exactly one revision. `list`: the difference between what it held and the state at `revision`. */
  readonly kind: 'list' | 'watch';
  readonly changes: ReadonlyMap<string, string | undefined>;
}

/** What is tortured: anything that follows a prefix. */
export interface EventReader {
  readonly observations: readonly Observation[];
  /** What it believes the prefix holds now. */
  state(): ReadonlyMap<string, string>;
  close(): Promise<void> | void;
}

export interface EventTortureOptions {
  readonly etcd: EtcdProcess;
  readonly seed: number;
  readonly seconds: number;
  /** Go on until so many revisions were written. */
  readonly revisions: number;
  /** How long a reader may take to catch up in the end, in ms. */
  readonly settle: number;
  /** Whether the store is compacted over the heads of the readers. */
  readonly compaction: boolean;
  open(endpoint: string, prefix: string): Promise<EventReader>;
}

export interface EventTortureReport {
  readonly revisions: number;
  /** Bytes of the largest value. */
  readonly largest: number;
  /** What has really struck: those of {@link FRAMES} are cuts at such a frame, `restart` is a SIGKILL of etcd. */
  readonly faults: Readonly<Record<string, number>>;
  readonly relists: number;
  /** What must not be; empty if all is well. */
  readonly violations: readonly string[];
}

type Ops = ReadonlyMap<string, string | undefined>;

const KEYS = 40;
const READERS = 3;
const MIB = 1024 * 1024;
/** Where connections are cut. What is read tells a reader whether the history is still the same one, or is a new list. */
const FRAMES = {
  events: { path: '/etcdserverpb.Watch/Watch', within: 8 },
  'watch requests': { path: '/etcdserverpb.Watch/Watch', direction: 'client', within: 3 },
  reads: { path: /^\/etcdserverpb\.KV\//, within: 1 },
} as const;
const FAULTS = [
  ...(['events', 'events', 'events', 'events', 'events', 'events', 'events', 'events'] as const),
  ...(['watch requests', 'watch requests', 'reads', 'reads'] as const),
  ...(['cut', 'cut', 'cut', 'stall', 'stall', 'stall', 'refuse', 'refuse', 'refuse', 'restart'] as const),
];

/**
 * A writer journals every revision that it makes: bursts of transactions over several keys, deletions, values up to
 * 1 MiB. Readers behind a proxy are cut at chosen frames, stalled, refused; etcd is killed and, if asked, compacted.
 * Afterwards the journal is replayed against what the readers saw.
 */
export async function eventTorture(options: EventTortureOptions): Promise<EventTortureReport> {
  const { etcd, seed, seconds, revisions, compaction } = options;
  const prefix = `/torture-${seed}/`;
  const proxy = await FaultProxy.start({ target: etcd.endpoint, seed });
  const writer = new Writer(etcd.endpoint, prefix, proxy.random);
  const readers = await Promise.all(
    Array.from({ length: READERS }, () => options.open(proxy.endpoint, prefix)),
  );
  const faults: Record<string, number> = { restart: 0, compaction: 0 };
  const count = (fault: string): void => {
    faults[fault] = (faults[fault] ?? 0) + 1;
  };
  const end = performance.now() + seconds * 1_000;
  const limit = performance.now() + seconds * 4_000;
  const goOn = () =>
    performance.now() < end || (writer.journal.size < revisions && performance.now() < limit);

  const writing = (async () => {
    while (goOn()) {
      await writer.burst(proxy.random.pick([1, 20, 200, 1_500]));
      await sleep(proxy.random.integer(0, 50));
    }
  })();
  const rules: FrameRule[] = [];
  // Whatever the luck, each of these strikes once.
  const due: (typeof FAULTS)[number][] = ['restart', 'refuse', 'reads', 'watch requests', 'events'];
  while (goOn()) {
    await sleep(proxy.random.integer(50, 400));
    const fault = due.shift() ?? proxy.random.pick(FAULTS);
    if (fault in FRAMES) {
      const rule = proxy.cutAtRandomFrame(FRAMES[fault as keyof typeof FRAMES]);
      rules.push(rule);
      // Counted when it strikes: a stream may end before it has so many frames.
      void rule.fired.then(() => count(fault));
    } else count(fault);
    if (fault === 'cut') proxy.cut();
    if (fault === 'stall') {
      proxy.stall();
      await sleep(proxy.random.integer(100, 900));
      proxy.resume();
    }
    if (fault === 'refuse') {
      proxy.refuse();
      await sleep(proxy.random.integer(50, 500));
      if (compaction) {
        await writer.burst(50);
        await writer.compact();
        count('compaction');
      }
      proxy.resume();
    }
    if (fault === 'restart') await etcd.restart({ down: 50 });
  }
  for (const rule of rules) rule.cancel();
  await writing;
  await writer.burst(1);

  const expected = replay(writer.journal);
  const final = expected.at(-1)!.state;
  const violations: string[] = [];
  for (const [index, reader] of readers.entries()) {
    const same = (): boolean => equal(reader.state(), final);
    await until(same, { timeout: options.settle }).catch(() => {
      violations.push(`reader ${index}: its final state is not etcd's: ${difference(reader.state(), final)}`);
    });
    violations.push(
      ...judge(expected, reader.observations, compaction).map((text) => `reader ${index}: ${text}`),
    );
    await reader.close();
  }
  writer.close();
  await proxy.close();
  return {
    revisions: writer.journal.size,
    largest: writer.largest,
    faults,
    relists: readers.reduce(
      (sum, { observations }) => sum + observations.filter(({ kind }) => kind === 'list').length,
      -READERS,
    ),
    violations,
  };
}

class Writer {
  readonly journal = new Map<bigint, Ops>();
  /** Bytes of the largest value. */
  largest = 0;
  readonly #etcd: Etcd3;
  #ids = 0;
  #newest = 0n;

  constructor(
    endpoint: string,
    readonly prefix: string,
    readonly random: SeededRandom,
  ) {
    this.#etcd = new Etcd3({ hosts: endpoint });
  }

  async burst(count: number): Promise<void> {
    let left = count;
    await Promise.all(
      Array.from({ length: Math.min(32, count) }, async () => {
        while (left-- > 0) await this.#write();
      }),
    );
  }

  async compact(): Promise<void> {
    await this.#persist(() => this.#etcd.kv.compact({ revision: this.#newest.toString() }));
  }

  close(): void {
    this.#etcd.close();
  }

  /**
   * Each transaction leaves a mark outside of what the readers see. One whose answer was lost in a restart is settled by
   * the mark: either it is there, or a withdrawal is put that the transaction, should it still be on its way, refuses.
   */
  async #write(): Promise<void> {
    const id = `${++this.#ids}`;
    const ops = new Map<string, string | undefined>([[`${this.prefix}newest`, id]]);
    for (let count = this.random.integer(1, 3); count > 0; count--) {
      const gone = this.random.integer(0, 4) === 0;
      ops.set(`${this.prefix}k${this.random.integer(1, KEYS)}`, gone ? undefined : id);
    }
    // One of them at most: etcd takes 1.5 MiB in one transaction.
    const large = this.random.integer(0, 400) === 0 ? this.random.integer(10_000, MIB) : 0;
    this.largest = Math.max(this.largest, large);
    const small = 'x'.repeat(this.random.integer(10, 200));
    const mark = Buffer.from(`/mark${this.prefix}${id}`);
    const withdrawn = Buffer.from(`/withdrawn${this.prefix}${id}`);
    const success = [...ops].map(([key, value], index) => {
      if (value === undefined) return { request_delete_range: { key: Buffer.from(key) } };
      const padding = large > 0 && index === 0 ? 'x'.repeat(large) : small;
      return { request_put: { key: Buffer.from(key), value: Buffer.from(`${value}:${padding}`) } };
    });
    try {
      const { header } = await this.#etcd.kv.txn({
        compare: [{ key: withdrawn, target: 'Create', result: 'Equal', create_revision: 0 }],
        success: [...success, { request_put: { key: mark, value: Buffer.alloc(0) } }],
      });
      this.#note(BigInt(header.revision), ops);
    } catch {
      const settled = await this.#persist(() =>
        this.#etcd.kv.txn({
          compare: [{ key: mark, target: 'Create', result: 'Greater', create_revision: 0 }],
          success: [{ request_range: { key: mark } }],
          failure: [{ request_put: { key: withdrawn, value: Buffer.alloc(0) } }],
        }),
      );
      const [found] = settled.succeeded ? settled.responses[0]!.response_range.kvs : [];
      if (found) this.#note(BigInt(found.create_revision), ops);
    }
  }

  #note(revision: bigint, ops: Ops): void {
    this.journal.set(revision, ops);
    if (revision > this.#newest) this.#newest = revision;
  }

  async #persist<T>(run: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (attempt > 200) throw error;
        await sleep(50);
      }
    }
  }
}

interface Step {
  readonly revision: bigint;
  /** What this revision really changed: deleting what is not there changes nothing. */
  readonly changes: ReadonlyMap<string, string | undefined>;
  readonly state: ReadonlyMap<string, string>;
}

function replay(journal: ReadonlyMap<bigint, Ops>): readonly Step[] {
  let state = new Map<string, string>();
  return [...journal.keys()]
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((revision) => {
      const changes = new Map<string, string | undefined>();
      const next = new Map(state);
      for (const [key, value] of journal.get(revision)!) {
        if (value === undefined ? next.delete(key) : next.set(key, value)) changes.set(key, value);
      }
      state = next;
      return { revision, changes, state };
    });
}

/** Walks through what a reader saw: each step must be the next of the journal, or a list that equals its state. */
function judge(expected: readonly Step[], observations: readonly Observation[], lists: boolean): string[] {
  const violations: string[] = [];
  const indexOf = new Map(expected.map(({ revision }, index) => [revision, index]));
  let held: ReadonlyMap<string, string> = new Map();
  let position = -1;
  observations.forEach(({ revision, kind, changes }, number) => {
    if (violations.length > 5) return;
    if (kind === 'list') {
      if (number > 0 && !lists) violations.push(`listed again at ${revision} although nothing was compacted`);
      while (position + 1 < expected.length && expected[position + 1]!.revision <= revision) position++;
      held = apply(held, changes);
      const state = expected[position]?.state ?? new Map();
      if (!equal(held, state))
        violations.push(`the list at ${revision} never was: ${difference(held, state)}`);
      return;
    }
    const index = indexOf.get(revision);
    if (index === undefined) return void violations.push(`revision ${revision} was never written`);
    if (index > position + 1) violations.push(`${index - position - 1} revisions lost before ${revision}`);
    if (index <= position) violations.push(`revision ${revision} came again`);
    position = index;
    held = apply(held, changes);
    if (!equal(changes, expected[index]!.changes)) {
      violations.push(
        `revision ${revision} is not what was written: ${difference(changes, expected[index]!.changes)}`,
      );
    }
  });
  return violations;
}

function apply(
  state: ReadonlyMap<string, string>,
  changes: ReadonlyMap<string, string | undefined>,
): ReadonlyMap<string, string> {
  const next = new Map(state);
  for (const [key, value] of changes) {
    if (value === undefined) next.delete(key);
    else next.set(key, value);
  }
  return next;
}

type Values = ReadonlyMap<string, string | undefined>;

function equal(a: Values, b: Values): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.has(key) && b.get(key) === value);
}

function difference(a: Values, b: Values): string {
  const keys = [...new Set([...a.keys(), ...b.keys()])].filter(
    (key) => a.get(key) !== b.get(key) || a.has(key) !== b.has(key),
  );
  return keys
    .slice(0, 5)
    .map((key) => `${key}: ${a.get(key)} instead of ${b.get(key)}`)
    .join(', ');
}
