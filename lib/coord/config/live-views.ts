import { ClosedError } from '../../errors/closed.error.js';
import { ConfigInvalidError, type ConfigIssue } from '../../errors/config-invalid.error.js';
import { ConfigNotFoundError } from '../../errors/config-not-found.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { KeyValue } from '../etcd/kv.js';
import { ConfigView, type ViewPlan } from './config-view.js';
import type { ConfigStreams, StreamDeps } from './config-streams.js';
import type { KeySource } from './key-source.js';
import type { Layer } from './layers.js';
import { LiveConfig } from './live-config.js';
import type { StartPatience } from './start-patience.js';

export interface LiveViewDeps extends StreamDeps {
  readonly streams: ConfigStreams;
  /** How long etcd's first answer may take before the snapshot or the default must do. */
  readonly patience: StartPatience;
  /** Resolves when it is decided whether there is a snapshot to start with. */
  readonly snapshotDecided: () => Promise<void>;
}

/** What a write would break. */
export interface RefusedWrite {
  readonly key: string;
  readonly issues: readonly ConfigIssue[];
}

/** How long a start waits for this process's own newest write to come back by the watch. */
const OWN_WRITE_WAIT = 250;

/** The live views that are open; what they know of their keys protects writes. */
export class LiveViews {
  readonly #deps: LiveViewDeps;
  readonly #open = new Map<ConfigView<unknown>, ViewPlan<unknown>>();
  #closed = false;

  constructor(deps: LiveViewDeps) {
    this.#deps = deps;
  }

  /** Resolves with a view that has a good value; rejects when none can be had. */
  async open<T>(name: string, plan: ViewPlan<T>, options: CallOptions): Promise<LiveConfig<T>> {
    const { scopes, decoder, streams, secrets, judgements, logger, onValid, onJudged } = this.#deps;
    const keys = plan.keys.map(({ key }) => key);
    const source = scopes.source({ keys });
    // Until it is open, what it refuses is told by the error of a start that fails.
    let isOpen = false;
    const view = new ConfigView<T>(plan, {
      source,
      decoder,
      report: streams.report,
      onValid: (value, input, entries) => onValid(keys, value, input, entries),
      onRejection: (rejection) => isOpen && judgements.judged(rejection, keys),
      onJudged,
    });
    const leave = judgements.add(view, source);
    this.#open.set(view as ConfigView<unknown>, plan as ViewPlan<unknown>);
    const close = (): void => {
      this.#open.delete(view as ConfigView<unknown>);
      leave();
      view.close();
    };
    try {
      const unavailable = await this.#unavailable(source, options);
      if (!unavailable) await source.caughtUp(OWN_WRITE_WAIT);
      const judged = await view.settled(options);
      if (this.#closed) throw new ClosedError('the configuration was closed');
      if (!view.applied) await this.#fallBack(name, view, plan, { unavailable, judged });
    } catch (error) {
      close();
      throw error;
    }
    isOpen = true;
    if (view.rejected) judgements.judged(view.rejected, keys);
    return new LiveConfig(name, view, { keys, combine: plan.combine, secrets, logger, close });
  }

  /** What the schemas that are known have against keys having these entries (`undefined`: not existing) together. */
  async check(writes: ReadonlyMap<string, KeyValue | undefined>): Promise<RefusedWrite | undefined> {
    for (const [view, { keys, schema }] of this.#open) {
      // A deletion alone is not judged: it gives a layer up, and the last good value stays.
      const written = keys.filter(({ key }) => writes.get(key) !== undefined).at(-1);
      const issues = schema && written && (await view.check(writes));
      if (issues) return { key: written.key, issues };
    }
    return undefined;
  }

  close(): void {
    this.#closed = true;
    for (const view of this.#open.keys()) view.close();
    this.#open.clear();
  }

  /** Waits for etcd's first answer or the snapshot; gives the error when neither comes in time. */
  async #unavailable(source: KeySource, options: CallOptions): Promise<CoordUnavailableError | undefined> {
    const { patience, snapshotDecided } = this.#deps;
    try {
      await source.ready({ timeout: patience.left(), ...options });
      return undefined;
    } catch (error) {
      if (!(error instanceof CoordUnavailableError)) throw error;
      // A slow disk must not make the difference between the last run's values and none.
      if (options.timeout === undefined) await snapshotDecided();
      return source.known ? undefined : error;
    }
  }

  async #fallBack<T>(
    name: string,
    view: ConfigView<T>,
    plan: ViewPlan<T>,
    {
      unavailable,
      judged,
    }: { readonly unavailable: CoordUnavailableError | undefined; readonly judged: boolean },
  ): Promise<void> {
    const { rejected } = view;
    const layers: Layer[] = [];
    if (plan.default !== undefined) layers.push({ name: 'default', revision: 0n, value: plan.default });
    if (plan.env !== undefined) layers.push({ name: 'env', revision: 0n, value: plan.env });
    const issues = layers.length > 0 ? await view.applyOnly(layers) : undefined;
    // Either by the default, or the source became known meanwhile, and a good value with it.
    if (view.applied) {
      if (unavailable)
        this.#deps.logger.warn('configuration starts with its default: etcd does not answer', { name });
      return;
    }
    if (unavailable) {
      throw new CoordUnavailableError(
        `configuration ${name} has no value to start with: etcd does not answer, and there is no usable snapshot or default`,
        { cause: unavailable },
      );
    }
    if (rejected && rejected.revision > 0n) throw new ConfigInvalidError(rejected.key, rejected.issues);
    if (issues) throw new ConfigInvalidError(name, issues);
    const keys = plan.keys.map(({ key }) => key).join(' and ');
    if (!judged) {
      const late = [{ path: '', message: 'was not judged in time: the schema or onBeforeApply still works' }];
      throw new ConfigInvalidError(keys, late);
    }
    throw new ConfigNotFoundError(`configuration ${name} does not exist: set ${keys}, or give a default`);
  }
}
