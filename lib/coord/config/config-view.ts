import type { KeyValue } from '../etcd/kv.js';
import type { ConfigIssue } from '../../errors/config-invalid.error.js';
import type { ConfigDecoder } from './config-decoder.js';
import { type ConfigSchema, type Validated, validate } from './config-schema.js';
import { deepFreeze } from './deep-freeze.js';
import { Feed } from './feed.js';
import type { KeySource } from './key-source.js';
import {
  combineLayers,
  type ConfigRejection,
  type Layer,
  type LayerPlan,
  newest,
  readLayers,
} from './layers.js';
import type { ThrownReport } from '../etcd/safe-observable.js';
import { sameValue } from './secret.js';
import { askVeto, type BeforeApply } from './veto.js';

export interface ViewPlan<T> extends LayerPlan {
  readonly schema?: ConfigSchema<T>;
  readonly onBeforeApply?: BeforeApply<T>;
  /** What a view is when no layer exists: `undefined` (a watch says so), or invalid (a live value never is nothing). */
  readonly whenMissing: 'undefined' | 'reject';
}

/** What a view shows: the value and the layers that it was made of. */
export interface Applied<T> {
  readonly value: T;
  readonly version: bigint;
  readonly layers: readonly Layer[];
}

export interface ViewDeps {
  readonly source: KeySource;
  readonly decoder: ConfigDecoder;
  readonly report: ThrownReport;
  /** Told of each value before any subscriber is. */
  readonly onApplied?: (value: unknown) => void;
  /** Told once for each refused change, and with `undefined` when a good value follows. */
  readonly onRejection: (rejection: ConfigRejection | undefined) => void;
}

/**
 * A value that follows its layers in etcd and is never wrong: a change that cannot be read, does not satisfy the schema or
 * is vetoed leaves the last good value in place. Changes are judged one at a time and at once; where a schema or a veto takes
 * its time, the changes that come meanwhile are judged as one, by the newest state.
 */
export class ConfigView<T> {
  readonly changes: Feed<T>;
  readonly rejections: Feed<ConfigRejection>;
  readonly #plan: ViewPlan<T>;
  readonly #deps: ViewDeps;
  readonly #stop: () => void;
  #applied: Applied<T> | undefined;
  #rejected: ConfigRejection | undefined;
  /** The entries that were judged last: a state that differs elsewhere needs no new judgement. */
  #seen: readonly (KeyValue | undefined)[] | undefined;
  #judging: Promise<void> | undefined;
  #closed = false;

  constructor(plan: ViewPlan<T>, deps: ViewDeps) {
    this.#plan = plan;
    this.#deps = deps;
    this.changes = new Feed(deps.report);
    this.rejections = new Feed(deps.report);
    this.#stop = deps.source.observe(() => this.#consider());
    this.#consider()?.();
  }

  get applied(): Applied<T> | undefined {
    return this.#applied;
  }

  get rejected(): ConfigRejection | undefined {
    return this.#rejected;
  }

  /** Resolves when the state known by now has been judged. */
  async settled(): Promise<void> {
    while (this.#judging) await this.#judging;
  }

  /** Shows the layers given as long as there is nothing better: the default at a start without a good value. */
  async applyOnly(layers: readonly Layer[]): Promise<readonly ConfigIssue[] | undefined> {
    const result = await validate(this.#plan.schema, combineLayers(this.#plan.combine, layers));
    if (result.issues) return result.issues;
    if (this.#applied || this.#closed) return undefined;
    this.#applied = { value: deepFreeze(result.value), version: 0n, layers };
    this.#deps.onApplied?.(result.value);
    this.changes.next(result.value);
    return undefined;
  }

  /** What would be refused if `key` had this value. Nothing is changed. */
  async check(key: string, value: unknown): Promise<readonly ConfigIssue[] | undefined> {
    const { source, decoder } = this.#deps;
    const others = { ...this.#plan, keys: this.#plan.keys.filter((each) => each.key !== key) };
    const read = readLayers(others, (name) => source.lookup(name), decoder);
    // Another layer is broken already: that is not this value's fault, and cannot be judged together with it.
    if ('rejection' in read) return undefined;
    const at = this.#plan.keys.findIndex((each) => each.key === key);
    const layer: Layer = { name: this.#plan.keys[at]?.name ?? 'key', key, revision: 0n, value };
    const rank = (name: string): number => ORDER.indexOf(name);
    const layers = [...read.layers, layer].sort((a, b) => rank(a.name) - rank(b.name));
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
  #consider(): (() => void) | undefined {
    const { source, decoder } = this.#deps;
    if (this.#closed || this.#judging || !source.known) return undefined;
    const seen = this.#plan.keys.map(({ key }) => source.lookup(key));
    // By identity: in a store that was wiped another value may have the same revision.
    if (this.#seen && seen.every((entry, at) => entry === this.#seen![at])) return undefined;
    this.#seen = seen;
    const read = readLayers(this.#plan, (key) => source.lookup(key), decoder);
    if ('rejection' in read) return this.#reject(read.rejection);
    const { layers } = read;
    if (layers.length === 0 && this.#plan.whenMissing === 'undefined')
      return this.#swap(undefined as T, layers);
    const result = validate(this.#plan.schema, combineLayers(this.#plan.combine, layers));
    if (result instanceof Promise) return this.#wait(result.then((settled) => this.#judge(settled, layers)));
    const judged = this.#judge(result, layers);
    return judged instanceof Promise ? this.#wait(judged) : judged;
  }

  #judge(
    result: Validated<T>,
    layers: readonly Layer[],
  ): (() => void) | undefined | Promise<(() => void) | undefined> {
    if (this.#closed) return undefined;
    if (layers.length === 0 && (result.issues || result.value === undefined)) {
      return this.#reject(
        this.#rejection(layers, [{ path: '', message: 'does not exist, and has no default' }]),
      );
    }
    if (result.issues) return this.#reject(this.#rejection(layers, result.issues));
    const value = deepFreeze(result.value);
    const { onBeforeApply } = this.#plan;
    if (!onBeforeApply || this.#isCurrent(value)) return this.#swap(value, layers);
    return askVeto(onBeforeApply, this.#applied?.value, value).then((veto) => {
      if (this.#closed) return undefined;
      if (veto) return this.#reject(this.#rejection(layers, [{ path: '', message: veto }]));
      return this.#swap(value, layers);
    });
  }

  #wait(judged: Promise<(() => void) | undefined>): undefined {
    this.#judging = this.#finish(judged);
    return undefined;
  }

  async #finish(judged: Promise<(() => void) | undefined>): Promise<void> {
    let tell: (() => void) | undefined;
    try {
      tell = await judged;
    } catch (error) {
      this.#deps.report(error);
    }
    this.#judging = undefined;
    tell?.();
    this.#consider()?.();
  }

  #isCurrent(value: T): boolean {
    return this.#applied !== undefined && sameValue(this.#applied.value, value);
  }

  #swap(value: T, layers: readonly Layer[]): (() => void) | undefined {
    const changed = !this.#isCurrent(value);
    const recovered = this.#rejected !== undefined;
    this.#applied = {
      value: changed ? value : this.#applied!.value,
      version: newest(layers)?.revision ?? 0n,
      layers,
    };
    this.#deps.onApplied?.(value);
    this.#rejected = undefined;
    this.rejections.forget();
    if (!changed && !recovered) return undefined;
    return () => {
      if (recovered) this.#deps.onRejection(undefined);
      if (changed) this.changes.next(value);
    };
  }

  #rejection(layers: readonly Layer[], issues: readonly ConfigIssue[]): ConfigRejection {
    const key = this.#plan.keys.at(-1)?.key ?? '';
    return { ...(newest(layers) ?? { key, revision: 0n }), issues };
  }

  #reject(rejection: ConfigRejection): () => void {
    this.#rejected = rejection;
    return () => {
      this.#deps.onRejection(rejection);
      this.rejections.next(rejection);
    };
  }
}

const ORDER: readonly string[] = ['default', 'global', 'service', 'key', 'env'];
