import type { CoordLogger } from '../etcd/coord-logger.js';
import type { KeyValue } from '../etcd/kv.js';
import type { KeySource } from './key-source.js';
import type { ConfigRejection } from './layers.js';

/** A view: it judges the newest values of its keys, and shows the last good ones. */
export interface Judge {
  /** The keys whose newest values it does not show: they are refused, or not judged yet. */
  readonly doubted: readonly string[];
  /** Those of them that its rejections name. */
  readonly refused: readonly string[];
}

/** How many refused keys are remembered, so that each bad value is told once. */
const MOST_TOLD = 1_000;

/** What the open views think of the newest values. Each refused one is told once, however many views look at it. */
export class Judgements {
  readonly #logger: CoordLogger;
  readonly #onChange: () => void;
  readonly #judges = new Set<Judge>();
  readonly #told = new Map<string, bigint>();
  readonly #unread = new WeakSet<KeyValue>();

  /** @param onChange told when other keys are refused than before. */
  constructor(logger: CoordLogger, onChange: () => void) {
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /**
   * Returns what takes the judge out again, to be called while its source is open: what the judge does not show then is
   * unread, as nobody knows what is in it.
   */
  add(judge: Judge, source: Pick<KeySource, 'lookup'>): () => void {
    this.#judges.add(judge);
    // It may have judged before it came here.
    if (judge.refused.length > 0) this.#onChange();
    return () => {
      if (!this.#judges.delete(judge)) return;
      for (const key of judge.doubted) {
        const entry = source.lookup(key);
        if (entry) this.#unread.add(entry);
      }
      this.#onChange();
    };
  }

  /** The keys whose newest values some view does not show. */
  doubted(): ReadonlySet<string> {
    return new Set([...this.#judges].flatMap(({ doubted }) => doubted));
  }

  /** Somebody came to know what is in these. Returns whether nobody did before. */
  read(entries: Iterable<KeyValue>): boolean {
    let news = false;
    for (const entry of entries) news = this.#unread.delete(entry) || news;
    return news;
  }

  /** Whether a judge left without showing this entry, and nobody has read it since. */
  isUnread(entry: KeyValue): boolean {
    return this.#unread.has(entry);
  }

  /** The keys whose newest values are refused, sorted. */
  refused(): readonly string[] {
    return [...new Set([...this.#judges].flatMap(({ refused }) => refused))].sort();
  }

  /** A view refused a change, or, with `undefined`, shows the newest state of `keys` again. */
  readonly judged = (rejection: ConfigRejection | undefined, keys: readonly string[]): void => {
    if (rejection) this.#refuse(rejection);
    else this.#recover(keys);
    this.#onChange();
  };

  #recover(keys: readonly string[]): void {
    const refused = this.refused();
    const good = keys.filter((key) => !refused.includes(key) && this.#told.delete(key));
    if (good.length > 0) this.#logger.info('configuration is good again', { keys: good });
  }

  #refuse({ key, revision, issues }: ConfigRejection): void {
    if (this.#told.get(key) === revision) return;
    this.#told.delete(key);
    this.#told.set(key, revision);
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= MOST_TOLD) break;
      this.#told.delete(oldest);
    }
    this.#logger.warn('configuration refused, the last good value stays', {
      key,
      revision: revision.toString(),
      issues,
    });
  }
}
