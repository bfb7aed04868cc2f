import { ValidationError } from '../../errors/validation.error.js';
import type { LiveOptions, WatchKeyOptions } from './config-call.options.js';
import { resolveCodec } from './config-codec.js';
import { resolveKey } from './config-key.js';
import { checkSchema } from './config-schema.js';
import type { ViewPlan } from './config-view.js';
import type { ConfigDefinition } from './config.definition.js';
import { copyOf } from './deep-freeze.js';
import type { ResolvedConfigOptions } from './config.options.js';
import { readEnv } from './env-layer.js';
import type { LayerPlan } from './layers.js';

/** What the views of the centre are made of, from what callers ask for. */
export class ViewPlans {
  readonly #options: ResolvedConfigOptions;

  constructor(options: ResolvedConfigOptions) {
    this.#options = options;
  }

  /** One key, as it is. */
  watched<T>(key: string, options: WatchKeyOptions<T>): ViewPlan<T | undefined> {
    const keys = [{ name: 'key' as const, key: resolveKey(this.#options.space, key) }];
    return { ...this.#common(options), keys, combine: 'nearest', whenMissing: 'undefined' };
  }

  /** The service's key, else the global one. */
  nearest<T>(name: string, options: WatchKeyOptions<T>): ViewPlan<T | undefined> {
    return {
      ...this.#common(options),
      keys: this.#layers(name),
      combine: 'nearest',
      whenMissing: 'undefined',
    };
  }

  /** A definition with all its layers, or one key over its default. */
  live<T>(
    target: string | ConfigDefinition<T>,
    options: LiveOptions<T>,
  ): { readonly name: string; readonly plan: ViewPlan<T> } {
    if (typeof target === 'string') {
      const { keys, ...plan } = this.watched(target, options);
      const veto = options.onBeforeApply && { onBeforeApply: options.onBeforeApply };
      const name = keys[0]!.key;
      return {
        name,
        plan: { ...(plan as ViewPlan<T>), ...veto, keys, combine: 'merge', whenMissing: 'reject' },
      };
    }
    if (typeof (target as Partial<ConfigDefinition> | undefined)?.token !== 'symbol') {
      throw new ValidationError('target', 'a key, or what defineConfig() gives', target);
    }
    const definition = { ...target, ...options };
    const env = readEnv(definition.env, this.#options.env);
    return {
      name: definition.name,
      plan: {
        ...this.#common(definition),
        ...(definition.onBeforeApply && { onBeforeApply: definition.onBeforeApply }),
        ...(env && { env }),
        keys: this.#layers(definition.name),
        combine: 'merge',
        whenMissing: 'reject',
      },
    };
  }

  #common<T>(options: WatchKeyOptions<T> | LiveOptions<T>) {
    checkSchema('schema', options.schema);
    return {
      codec: resolveCodec(options.codec ?? this.#options.codec),
      ...(options.schema && { schema: options.schema }),
      // What a view shows is frozen, and the default belongs to the caller.
      ...(options.default !== undefined && { default: copyOf(options.default) }),
    };
  }

  #layers(name: string): LayerPlan['keys'] {
    const { space } = this.#options;
    return [
      { name: 'global', key: resolveKey(space, `${space.global}/${name}`, 'name') },
      { name: 'service', key: resolveKey(space, `${space.service}/${name}`, 'name') },
    ];
  }
}
