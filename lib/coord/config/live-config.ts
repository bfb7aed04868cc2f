import { inspect } from 'node:util';
import type { Observable } from 'rxjs';
import { type CoordLogger, silentLogger } from '../etcd/coord-logger.js';
import type { ConfigView } from './config-view.js';
import { type ConfigRejection, type Explanation, explainPath, type LayerPlan } from './layers.js';
import type { SecretPolicy } from './secret-policy.js';

/** What a live configuration needs beside its view. */
export interface LiveConfigDeps {
  /** The keys of its layers. */
  readonly keys: readonly string[];
  readonly combine: LayerPlan['combine'];
  readonly secrets: SecretPolicy;
  readonly logger: CoordLogger;
  readonly close: () => void;
}

/** Where what is built on a live configuration logs. */
export let loggerOf: (live: object) => CoordLogger;

/**
 * A configuration that is always valid and always there: `value` is the newest one that satisfied the schema. Reading it
 * is a field access. Printed or serialised, it shows no secrets.
 */
export class LiveConfig<T> {
  /** What it is called: the name of its definition, or its key. */
  readonly name: string;
  /** The latest value first, then every change. Never errors; completes at close. */
  readonly changes$: Observable<T>;
  /** Each refused change: key, revision and issues, never values. The latest first, while it stands. */
  readonly rejected$: Observable<ConfigRejection>;
  readonly #view: ConfigView<T>;
  readonly #deps: LiveConfigDeps;

  static {
    // A double, or one of this process's other build (ESM, CommonJS), has no such field.
    loggerOf = (live) => (#deps in live ? live.#deps.logger : silentLogger);
  }

  constructor(name: string, view: ConfigView<T>, deps: LiveConfigDeps) {
    this.name = name;
    this.changes$ = view.changes.observable;
    this.rejected$ = view.rejections.observable;
    this.#view = view;
    this.#deps = deps;
  }

  /** The last good value, deeply frozen. */
  get value(): T {
    return this.#view.applied!.value;
  }

  /** The newest mod revision among the keys behind the value; `0n` when all of it comes from defaults. */
  get version(): bigint {
    return this.#view.applied!.version;
  }

  /** Why the newest state of the keys is not the value; `undefined` while it is. */
  get rejected(): ConfigRejection | undefined {
    return this.#view.rejected;
  }

  /**
   * Which layer decides `path` (`'pool.max'`), at which revision; `undefined` when none has it. Secrets are not shown.
   * @example live.explain('pool.max') // { name: 'service', key: '/config/dev/orders/db', revision: 42n, value: 20, deleted: false }
   */
  explain(path: string): Explanation | undefined {
    const { combine, secrets, keys } = this.#deps;
    const found = explainPath(combine, this.#view.applied!.layers, path);
    return found && { ...found, value: secrets.redact(keys, found.value, path) };
  }

  close(): void {
    this.#deps.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toJSON(): unknown {
    const { secrets, keys } = this.#deps;
    return {
      name: this.name,
      version: this.version.toString(),
      value: secrets.redact(keys, this.value),
    };
  }

  [inspect.custom](): string {
    return `LiveConfig ${inspect(this.toJSON(), { depth: 6 })}`;
  }
}
