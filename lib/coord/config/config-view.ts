import type { ConfigIssue } from '../../errors/config-invalid.error.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { KeyValue } from '../etcd/kv.js';
import { atMost } from './at-most.js';
import type { ConfigDecoder } from './config-decoder.js';
import { type ConfigSchema, type Validated, validate } from './config-schema.js';
import { deepFreeze } from './deep-freeze.js';
import { Feed } from './feed.js';
import type { Judge } from './judgements.js';
import type { KeySource } from './key-source.js';
import {
  combineLayers,
  type ConfigRejection,
  type Layer,
  type LayerPlan,
  newest,
  newestChange,
  readLayers,
} from './layers.js';
import type { ThrownReport } from '../etcd/safe-observable.js';
import { sameValue } from './same-value.js';
import { askVeto, type BeforeApply } from './veto.js';

export interface ViewPlan<T> extends LayerPlan {
  readonly schema?: ConfigSchema<T>;
  readonly onBeforeApply?: BeforeApply<T>;
  /** What a view is when no layer exists: `undefined` (a watch says so), or invalid (a live value never is nothing). */
  readonly whenMissing: 'undefined' | 'reject';
}

/** What a view shows: the value and what it was made of. */
export interface Applied<T> {
  readonly value: T;
  /** What the layers made together, before the schema. */
  readonly input: unknown;
  readonly version: bigint;
  readonly layers: readonly Layer[];
}

export interface ViewDeps {
  readonly source: KeySource;
  readonly decoder: ConfigDecoder;
  readonly report: ThrownReport;
  /** Told of each value that the schema made, of what it made it, and where that stood, before anybody else is. */
  readonly onValid: (value: unknown, input: unknown, entries: readonly KeyValue[]) => void;
  /** Told once for each refused change, and with `undefined` when a good value follows. */
  readonly onRejection: (rejection: ConfigRejection | undefined) => void;
  /** Told when a judgement that took its time is over, whatever it was. */
  readonly onJudged: () => void;
}

/** Tells the subscribers, once every view has taken the change in. */
type Tell = () => void;

/**
 * A value that follows its layers in etcd and is never wrong: a change that cannot be read, does not satisfy the schema or
 * is vetoed leaves the last good value in place. Changes are judged one at a time and at once; where a schema or a veto takes
 * its time, the changes that come meanwhile are judged as one, by the newest state.
 */
export class ConfigView<T> implements Judge {
  readonly changes: Feed<T>;
  readonly rejections: Feed<ConfigRejection>;
  readonly #plan: ViewPlan<T>;
  readonly #deps: ViewDeps;
  readonly #stop: () => void;
  #applied: Applied<T> | undefined;
  #rejected: ConfigRejection | undefined;
  /** The entries that were judged last: a state that differs elsewhere needs no new judgement. */
  #seen: readonly (KeyValue | undefined)[] | undefined;
  /** The newest change among them. */
  #cause: Omit<ConfigRejection, 'issues'>;
  #judging: Promise<void> | undefined;
  #closed = false;

  constructor(plan: ViewPlan<T>, deps: ViewDeps) {
    this.#plan = plan;
    this.#deps = deps;
    this.#cause = { key: plan.keys.at(-1)?.key ?? '', revision: 0n };
    this.changes = new Feed(deps.report);
    this.rejections = new Feed(deps.report);
    this.#stop = deps.source.observe(() => this.#consider());
    this.#guard(() => this.#consider()?.());
  }

  get applied(): Applied<T> | undefined {
    return this.#applied;
  }

  get rejected(): ConfigRejection | undefined {
    return this.#rejected;
  }

  /** All keys of a view that is not at their newest state: one of them is bad, and which is not always known. */
  get doubted(): readonly string[] {
    return this.#rejected || this.#judging ? this.#plan.keys.map(({ key }) => key) : [];
  }

  get refused(): readonly string[] {
    return this.#rejected ? [this.#rejected.key] : [];
  }

  /** Resolves with whether the state known by now has been judged; `false` when `timeout` ran out before. */
  async settled(options: CallOptions): Promise<boolean> {
    const judged = async (): Promise<void> => {
      // The judgement under way may be of an older state; the one after it is not. Waiting for the last one might never end.
      for (let turn = 0; turn < 2 && this.#judging; turn++) await this.#judging;
    };
    return atMost(judged(), options);
  }

  /** Shows the layers given as long as there is nothing better: the default at a start without a good value. */
  async applyOnly(layers: readonly Layer[]): Promise<readonly ConfigIssue[] | undefined> {
    const input = combineLayers(this.#plan.combine, layers);
    const result = await validate(this.#plan.schema, input);
    if (result.issues) return result.issues;
    const value = deepFreeze(result.value);
    this.#deps.onValid(value, input, []);
    const { onBeforeApply } = this.#plan;
    const veto = onBeforeApply && (await askVeto(onBeforeApply, undefined, value));
    if (this.#applied || this.#closed) return undefined;
    if (veto !== undefined) return [{ path: '', message: veto }];
    this.#applied = { value, input, version: 0n, layers };
    this.changes.next(value);
    return undefined;
  }

  /** What would be refused if keys had these entries (`undefined`: did not exist). Nothing is changed. */
  async check(
    writes: ReadonlyMap<string, KeyValue | undefined>,
  ): Promise<readonly ConfigIssue[] | undefined> {
    const { source, decoder } = this.#deps;
    const lookup = (key: string) => (writes.has(key) ? writes.get(key) : source.lookup(key));
    let unreadable: ConfigRejection | undefined;
    const layers = readLayers(this.#plan, lookup, decoder, (rejection) => {
      if (writes.has(rejection.key)) unreadable ??= rejection;
      // Another layer is broken already. That is not these values' fault: they are judged with the last good one.
      return this.#applied?.layers.find(({ key }) => key === rejection.key);
    });
    if (unreadable) return unreadable.issues;
    return (await validate(this.#plan.schema, combineLayers(this.#plan.combine, layers))).issues;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop();
    this.#deps.source.release();
    this.changes.close();
    this.rejections.close();
  }

  /** Judges what the source has now. Returns what tells the subscribers, unless the judgement takes its time. */
  #consider(): Tell | undefined {
    const { source, decoder } = this.#deps;
    if (this.#closed || this.#judging || !source.known) return undefined;
    const seen = this.#plan.keys.map(({ key }) => source.lookup(key));
    // By identity: in a store that was wiped another value may have the same revision.
    if (this.#seen && seen.every((entry, at) => entry === this.#seen![at])) return undefined;
    this.#cause = newestChange(this.#plan.keys, this.#seen, seen, source) ?? this.#cause;
    this.#seen = seen;
    let unreadable: ConfigRejection | undefined;
    const layers = readLayers(
      this.#plan,
      (key) => source.lookup(key),
      decoder,
      (rejection) => {
        unreadable ??= rejection;
        return undefined;
      },
    );
    if (unreadable) return this.#reject(unreadable);
    const input = combineLayers(this.#plan.combine, layers);
    if (layers.length === 0 && this.#plan.whenMissing === 'undefined') {
      return this.#swap({ value: undefined as T, input, layers });
    }
    const result = validate(this.#plan.schema, input);
    if (result instanceof Promise) {
      return this.#wait(result.then((settled) => this.#judge(settled, input, layers)));
    }
    const judged = this.#judge(result, input, layers);
    return judged instanceof Promise ? this.#wait(judged) : judged;
  }

  #judge(
    result: Validated<T>,
    input: unknown,
    layers: readonly Layer[],
  ): Tell | undefined | Promise<Tell | undefined> {
    if (this.#closed) return undefined;
    if (layers.length === 0 && (result.issues || result.value === undefined)) {
      return this.#refuse([{ path: '', message: 'does not exist, and has no default' }]);
    }
    if (result.issues) return this.#refuse(result.issues);
    const value = deepFreeze(result.value);
    this.#deps.onValid(value, input, this.#seen?.filter((entry) => entry !== undefined) ?? []);
    const made = { value, input, layers };
    const { onBeforeApply } = this.#plan;
    if (!onBeforeApply || this.#isCurrent(made)) return this.#swap(made);
    return askVeto(onBeforeApply, this.#applied?.value, value).then((veto) => {
      if (this.#closed) return undefined;
      return veto === undefined ? this.#swap(made) : this.#refuse([{ path: '', message: veto }]);
    });
  }

  #wait(judged: Promise<Tell | undefined>): undefined {
    this.#judging = this.#finish(judged);
    return undefined;
  }

  async #finish(judged: Promise<Tell | undefined>): Promise<void> {
    let tell: Tell | undefined;
    try {
      tell = await judged;
    } catch (error) {
      this.#deps.report(error);
    }
    this.#judging = undefined;
    this.#guard(() => tell?.());
    this.#deps.onJudged();
    this.#guard(() => this.#consider()?.());
  }

  /** By what the schema was given, first of all: it may make objects that keep to themselves what tells them apart. */
  #isCurrent({ value, input }: Pick<Applied<T>, 'value' | 'input'>): boolean {
    const applied = this.#applied;
    return applied !== undefined && (sameValue(applied.input, input) || sameValue(applied.value, value));
  }

  #swap(made: Omit<Applied<T>, 'version'>): Tell | undefined {
    const changed = !this.#isCurrent(made);
    const recovered = this.#rejected !== undefined;
    const { value } = changed ? made : this.#applied!;
    this.#applied = { ...made, value, version: newest(made.layers)?.revision ?? 0n };
    this.#rejected = undefined;
    this.rejections.forget();
    if (!changed && !recovered) return undefined;
    return () => {
      if (recovered) this.#deps.onRejection(undefined);
      if (changed) this.changes.next(value);
    };
  }

  #refuse(issues: readonly ConfigIssue[]): Tell {
    return this.#reject({ ...this.#cause, issues });
  }

  #reject(rejection: ConfigRejection): Tell {
    this.#rejected = rejection;
    return () => {
      this.#deps.onRejection(rejection);
      this.rejections.next(rejection);
    };
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#deps.report(error);
    }
  }
}
