import { inspect } from 'node:util';
import type { Observable } from 'rxjs';
import type { ConfigView } from './config-view.js';
import { type ConfigRejection, type Explanation, explainPath, type LayerPlan } from './layers.js';
import type { SecretPolicy } from './secret-policy.js';

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
  readonly #combine: LayerPlan['combine'];
  readonly #policy: SecretPolicy;
  readonly #close: () => void;

  constructor(
    name: string,
    view: ConfigView<T>,
    combine: LayerPlan['combine'],
    policy: SecretPolicy,
    close: () => void,
  ) {
    this.name = name;
    this.changes$ = view.changes.observable;
    this.rejected$ = view.rejections.observable;
    this.#view = view;
    this.#combine = combine;
    this.#policy = policy;
    this.#close = close;
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
    const found = explainPath(this.#combine, this.#view.applied!.layers, path);
    return (
      found && {
        ...found,
        value: this.#policy.redact(found.key ?? this.name, found.value, path),
      }
    );
  }

  close(): void {
    this.#close();
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  toJSON(): unknown {
    return {
      name: this.name,
      version: this.version.toString(),
      value: this.#policy.redact(this.name, this.value),
    };
  }

  [inspect.custom](): string {
    return `LiveConfig ${inspect(this.toJSON(), { depth: 6 })}`;
  }
}
