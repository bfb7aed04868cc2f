import type { FactoryProvider, Type } from '@nestjs/common';
import { inspect } from 'node:util';
import type { ConfigCenter } from './config.center.js';
import type { ConfigDefinition } from './config.definition.js';
import type { LiveConfig } from './live-config.js';

/** The part of `@nestjs/config`'s ConfigService that is used here. */
interface NestConfigService {
  set(path: string, value: unknown): void;
}

/** Where the layers are read: a `CoordService`, also one that is still connecting. */
export type ConfigSource =
  { readonly config: ConfigCenter } | (() => Promise<{ readonly config: ConfigCenter }>);

/**
 * A factory for the `load` option of `@nestjs/config`: `configService.get('db.pool.max')` then reads the layers of the
 * definition `db`, always the newest good value. Whoever connected `source` closes it.
 * @example ConfigModule.forRoot({ load: [nestConfigLoader(() => coord, [dbConfig])] })
 */
export function nestConfigLoader(
  source: ConfigSource,
  definitions: readonly ConfigDefinition[],
): () => Promise<Record<string, unknown>> {
  return async () => {
    const { config } = typeof source === 'function' ? await source() : source;
    const views = await Promise.all(
      definitions.map(
        async (definition) => [definition.name, liveObject(await config.live(definition))] as const,
      ),
    );
    return Object.fromEntries(views);
  };
}

/**
 * A provider that makes an application's existing `ConfigService` read the layers of the definitions given to
 * `ImInfraModule.forFeature`: for applications whose connection to etcd is itself configured by `@nestjs/config`.
 * @example providers: [nestConfigBridge(ConfigService, [dbConfig])]
 */
export function nestConfigBridge(
  configService: Type<NestConfigService>,
  definitions: readonly ConfigDefinition[],
): FactoryProvider<void> {
  return {
    provide: Symbol('im-infra config bridge'),
    inject: [configService, ...definitions.map(({ token }) => token)],
    useFactory: (service: NestConfigService, ...views: LiveConfig<unknown>[]) => {
      definitions.forEach(({ name }, at) => {
        const before = process.env[name];
        service.set(name, liveObject(views[at]!));
        // `set` puts the text of the value into the environment, where nobody looks for an object.
        if (before === undefined) delete process.env[name];
        else process.env[name] = before;
      });
    },
  };
}

/** An object whose properties are those of the newest value; a value that is no object is given as it is at this moment. */
function liveObject(live: LiveConfig<unknown>): unknown {
  if (typeof live.value !== 'object' || live.value === null) return live.value;
  const now = (): object => live.value as object;
  const stand: object = Array.isArray(live.value) ? [] : (Object.create(null) as object);
  return new Proxy(stand, {
    get: (_, name) => (name === inspect.custom ? () => live.value : (Reflect.get(now(), name) as unknown)),
    has: (_, name) => Reflect.has(now(), name),
    ownKeys: () => Reflect.ownKeys(now()),
    getOwnPropertyDescriptor: (_, name) => {
      const found = Reflect.getOwnPropertyDescriptor(now(), name);
      // The proxy stands for something empty, of which only configurable properties may be told; but an array's own length.
      if (found && Object.hasOwn(stand, name)) return { ...found, writable: true };
      return found && { ...found, configurable: true };
    },
    getPrototypeOf: () => Reflect.getPrototypeOf(now()),
    set: () => false,
    deleteProperty: () => false,
    defineProperty: () => false,
  });
}
