import { ConfigInvalidError, type ConfigIssue } from '../../errors/config-invalid.error.js';
import { ConfigNotFoundError } from '../../errors/config-not-found.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import { ConfigView, type ViewPlan } from './config-view.js';
import type { ConfigStreams, StreamDeps } from './config-streams.js';
import type { KeySource } from './key-source.js';
import type { ConfigRejection, Layer } from './layers.js';
import { LiveConfig } from './live-config.js';
import { secretPaths } from './secret-paths.js';

export interface LiveViewDeps extends StreamDeps {
  readonly streams: ConfigStreams;
  /** How long etcd's first answer may take, in ms, before the snapshot or the default must do. */
  readonly startTimeout: number;
  /** Resolves when it is decided whether there is a snapshot to start with. */
  readonly snapshotDecided: () => Promise<void>;
  /** Told when the refused keys change. */
  readonly onRejected: () => void;
  /** Told when keys turned out to hold secrets. */
  readonly onSecret: () => void;
}

/** How long a start waits for this process's own newest write to come back by the watch. */
const OWN_WRITE_WAIT = 250;

/** The live views that are open: what they know of their keys protects writes, and tells the centre's health. */
export class LiveViews {
  readonly #deps: LiveViewDeps;
  readonly #open = new Map<ConfigView<unknown>, ViewPlan<unknown>>();

  constructor(deps: LiveViewDeps) {
    this.#deps = deps;
  }

  /** Resolves with a view that has a good value; rejects when none can be had. */
  async open<T>(name: string, plan: ViewPlan<T>, options: CallOptions): Promise<LiveConfig<T>> {
    const { scopes, decoder, streams, secrets } = this.#deps;
    const keys = plan.keys.map(({ key }) => key);
    const source = scopes.source({ keys });
    let start: 'starting' | 'done' = 'starting';
    const view = new ConfigView<T>(plan, {
      source,
      decoder,
      report: streams.report,
      onApplied: (value) => this.#learn([name, ...keys], value),
      onRejection: (rejection) => start === 'done' && this.#judged(name, rejection),
    });
    const close = (): void => {
      if (this.#open.delete(view as ConfigView<unknown>)) view.close();
    };
    this.#open.set(view as ConfigView<unknown>, plan as ViewPlan<unknown>);
    try {
      const unavailable = await this.#unavailable(source, options);
      if (!unavailable) await source.caughtUp(OWN_WRITE_WAIT);
      await view.settled();
      if (!view.applied) await this.#fallBack(name, view, plan, unavailable);
    } catch (error) {
      close();
      throw error;
    }
    start = 'done';
    if (view.rejected) this.#judged(name, view.rejected);
    return new LiveConfig(name, view, plan.combine, secrets, close);
  }

  /** What the schemas known for `key` have against `value`. */
  async check(key: string, value: unknown): Promise<readonly ConfigIssue[] | undefined> {
    for (const [view, { keys, schema }] of this.#open) {
      if (!schema || !keys.some((each) => each.key === key)) continue;
      const issues = await view.check(key, value);
      if (issues) return issues;
    }
    return undefined;
  }

  /** The keys whose newest values are refused. */
  rejected(): readonly string[] {
    return [...this.#open.keys()].flatMap(({ rejected }) => (rejected ? [rejected.key] : []));
  }

  /** The keys that take part in a refused value: one of them is bad, and which is not always known. */
  refusedKeys(): ReadonlySet<string> {
    const views = [...this.#open].filter(([{ rejected }]) => rejected);
    return new Set(views.flatMap(([, { keys }]) => keys.map(({ key }) => key)));
  }

  close(): void {
    for (const view of this.#open.keys()) view.close();
    this.#open.clear();
  }

  /** Waits for etcd's first answer or the snapshot; gives the error when neither comes in time. */
  async #unavailable(source: KeySource, options: CallOptions): Promise<CoordUnavailableError | undefined> {
    const { startTimeout, snapshotDecided } = this.#deps;
    try {
      await source.ready({ timeout: startTimeout, ...options });
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
    unavailable: CoordUnavailableError | undefined,
  ): Promise<void> {
    const { rejected } = view;
    const layers: Layer[] = [];
    if (plan.default !== undefined) layers.push({ name: 'default', revision: 0n, value: plan.default });
    if (plan.env !== undefined) layers.push({ name: 'env', revision: 0n, value: plan.env });
    if (layers.length > 0) {
      const issues = await view.applyOnly(layers);
      // The source became known meanwhile, and a good value with it.
      if (!issues || view.applied) {
        if (unavailable)
          this.#deps.logger.warn('configuration starts with its default: etcd does not answer', { name });
        return;
      }
      if (!rejected && !unavailable) throw new ConfigInvalidError(name, issues);
    }
    if (unavailable) {
      throw new CoordUnavailableError(
        `configuration ${name} has no value to start with: etcd does not answer, and there is no usable snapshot or default`,
        { cause: unavailable },
      );
    }
    const keys = plan.keys.map(({ key }) => key).join(' and ');
    if (rejected && rejected.revision > 0n) throw new ConfigInvalidError(rejected.key, rejected.issues);
    throw new ConfigNotFoundError(`configuration ${name} does not exist: set ${keys}, or give a default`);
  }

  #learn(keys: readonly string[], value: unknown): void {
    const paths = secretPaths(value);
    if (paths && this.#deps.secrets.learn(keys, paths)) this.#deps.onSecret();
  }

  #judged(name: string, rejection: ConfigRejection | undefined): void {
    if (rejection) this.#deps.streams.refused(rejection);
    else this.#deps.logger.info('configuration is good again', { name });
    this.#deps.onRejected();
  }
}
