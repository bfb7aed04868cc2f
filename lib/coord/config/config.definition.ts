import { checkName } from '../../options/check.js';
import { ValidationError } from '../../errors/validation.error.js';
import type { ConfigCodecOption } from './config-codec.js';
import { type ConfigSchema, checkSchema } from './config-schema.js';
import type { EnvMapping } from './env-layer.js';

export interface DefineConfigOptions<T> {
  /** Any Standard Schema: zod, valibot, arktype, `fromClass(Dto)`. The merged layers must satisfy it. */
  readonly schema: ConfigSchema<T>;
  /** The lowest layer: what holds where no key says otherwise. May be partial, if the layers above complete it. */
  readonly default?: unknown;
  /** The highest layer: environment variables by path. @default none */
  readonly env?: EnvMapping;
  /**
   * May veto a change, see {@link BeforeApply}. @default none
   *
   * Written as a method: definitions of any type go into one array.
   */
  onBeforeApply?(previous: T | undefined, next: T): unknown;
  /** How the keys are written. @default 'json' */
  readonly codec?: ConfigCodecOption;
}

/** A configuration by name: `default < /config/{env}/global/{name} < /config/{env}/{service}/{name} < environment`. */
export interface ConfigDefinition<T = unknown> extends DefineConfigOptions<T> {
  readonly name: string;
  /** The injection token of its `LiveConfig`. */
  readonly token: symbol;
}

/** The type of a definition's value. */
export type ConfigOf<D> = D extends ConfigDefinition<infer T> ? T : never;

/**
 * Defines a typed, layered configuration. Give it to `ImInfraModule.forFeature` and inject it with `@InjectConfig`.
 * @example
 * const dbConfig = defineConfig('db', { schema: z.object({ url: z.string(), pool: z.number() }), default: { pool: 10 } });
 */
export function defineConfig<T>(name: string, options: DefineConfigOptions<T>): ConfigDefinition<T> {
  checkName('name', name);
  if (typeof options !== 'object' || options === null || options.schema === undefined) {
    throw new ValidationError('options', 'an object with a schema, { schema: z.object({ … }) }', options);
  }
  checkSchema('options.schema', options.schema);
  return Object.freeze({ ...options, name, token: configToken(name) });
}

/** A registered symbol: the ESM and the CommonJS build of one process mean the same provider. */
export function configToken(name: string): symbol {
  return Symbol.for(`im-infra:config:${name}`);
}
