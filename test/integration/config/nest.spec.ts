import 'reflect-metadata';
import {
  Global,
  Inject,
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type INestApplicationContext,
} from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { Test } from '@nestjs/testing';
import { Transform, Type } from 'class-transformer';
import { IsInt, IsString, Min, ValidateNested } from 'class-validator';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigChangeModule, ConfigFeatureModule } from '../../../lib/coord/config/config-feature.module.js';
import { InjectConfig } from '../../../lib/coord/config/config.decorator.js';
import { defineConfig } from '../../../lib/coord/config/config.definition.js';
import { fromClass } from '../../../lib/coord/config/from-class.js';
import { LiveConfig } from '../../../lib/coord/config/live-config.js';
import { nestConfigBridge, nestConfigLoader } from '../../../lib/coord/config/nest-config.js';
import { OnConfigChange } from '../../../lib/coord/config/on-config-change.decorator.js';
import { Refreshable, refreshable } from '../../../lib/coord/config/refreshable.js';
import { type Secret, secret } from '../../../lib/coord/config/secret.js';
import { COORD_SERVICE } from '../../../lib/coord/etcd/tokens.js';
import { ConfigInvalidError } from '../../../lib/errors/config-invalid.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { ConfigRoom, until } from './config-room.js';

const Db = z.object({ url: z.string(), pool: z.object({ max: z.number() }) });
type Db = z.infer<typeof Db>;
const dbConfig = defineConfig('db', { schema: Db, default: { url: 'db', pool: { max: 1 } } });

/** What ImInfraModule gives to the room: the service under its token, and the log. */
@Global()
@Module({ imports: [ConfigChangeModule] })
class CoordOfRoom {
  static of(room: ConfigRoom): DynamicModule {
    const clog = { ...room.logger };
    return {
      module: CoordOfRoom,
      providers: [
        { provide: COORD_SERVICE, useValue: { config: room.config } },
        { provide: Symbol.for('im-infra:clog'), useValue: clog },
      ],
      exports: [COORD_SERVICE],
    };
  }
}

@Injectable()
class Repository {
  readonly seen: [number, number][] = [];
  readonly urls: string[] = [];
  running = 0;
  most = 0;

  constructor(@InjectConfig(dbConfig) readonly db: LiveConfig<Db>) {}

  @OnConfigChange(dbConfig, { select: ({ pool }) => pool })
  async resize(value: Db, previous: Db): Promise<void> {
    this.most = Math.max(this.most, ++this.running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.running--;
    this.seen.push([previous.pool.max, value.pool.max]);
    if (value.pool.max === 2) throw new Error('two');
  }

  @OnConfigChange(dbConfig, { select: ({ url }) => url })
  reconnect({ url }: Db): void {
    this.urls.push(url);
  }
}

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  @OnConfigChange(dbConfig)
  react(): void {
    throw new Error('must not run');
  }
}

describe.each(await etcdKinds())('configuration in a Nest application on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let room: ConfigRoom;
  let app: INestApplicationContext | undefined;
  let turn = 0;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(() => {
    room = new ConfigRoom(etcd.endpoints, { env: `t${++turn}` });
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
    await room.close();
  });

  const boot = async (metadata: { imports?: DynamicModule[]; providers?: object[] }) => {
    const module = await Test.createTestingModule({
      imports: [
        CoordOfRoom.of(room),
        ConfigFeatureModule.forFeature([dbConfig]),
        ...(metadata.imports ?? []),
      ],
      providers: (metadata.providers ?? []) as [],
    }).compile();
    app = await module.init();
    return app;
  };

  it('injects live configuration by its definition', async () => {
    await room.config.set('db', { pool: { max: 7 } });
    const repository = (await boot({ providers: [Repository] })).get(Repository);
    expect(repository.db).toBeInstanceOf(LiveConfig);
    expect(repository.db.value).toEqual({ url: 'db', pool: { max: 7 } });
    await room.config.set('db', { pool: { max: 8 } });
    await until(() => repository.db.value.pool.max === 8);
  });

  it('does not start with a bad value and no default, and says which key and why', async () => {
    await room.config.set('strict', { n: 'x' });
    const strict = defineConfig('strict', { schema: z.object({ n: z.number() }) });
    const error = await boot({ imports: [ConfigFeatureModule.forFeature([strict])] }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConfigInvalidError);
    expect((error as Error).message).toContain(`/config/t${turn}/orders/strict`);
    expect(() => ConfigFeatureModule.forFeature([{} as never])).toThrow(ValidationError);
  });

  it('calls methods on the changes they select, one at a time, whatever they throw', async () => {
    const repository = (await boot({ providers: [Repository] })).get(Repository);
    for (let max = 2; max <= 6; max++) await room.config.set('db', { pool: { max } });
    await until(() => repository.seen.at(-1)?.[1] === 6);
    await room.config.set('db', { url: 'other', pool: { max: 6 } });
    await until(() => repository.urls.length === 1);
    expect(repository.most).toBe(1);
    expect(repository.seen[0]![0]).toBe(1);
    repository.seen.reduce((before, [from, to]) => {
      expect(from).toBe(before);
      return to;
    }, 1);
    expect(repository.seen.at(-1)![1]).toBe(6);
  });

  it('warns of hosts that are not singletons, and takes aliases and objects without a prototype for nothing', async () => {
    const app = await boot({
      providers: [
        Repository,
        PerRequest,
        { provide: 'alias', useExisting: Repository },
        { provide: 'bare', useValue: Object.assign(Object.create(null) as object, { react: () => 1 }) },
      ],
    });
    const repository = app.get(Repository);
    await room.config.set('db', { url: 'other' });
    await until(() => repository.urls.length > 0);
    expect(repository.urls).toEqual(['other']);
    const warning = { level: 'warn', fields: { method: 'PerRequest.react' } };
    expect(room.lines.filter(({ message }) => message.startsWith('@OnConfigChange'))).toEqual([
      expect.objectContaining(warning),
    ]);
  });

  it('calls nothing any more once the application closes', async () => {
    const app = await boot({ providers: [Repository] });
    const repository = app.get(Repository);
    await app.close();
    await room.config.set('db', { url: 'late' });
    await until(() => repository.db.value.url === 'late');
    expect(repository.urls).toEqual([]);
  });

  it('closes although a call does not end, and says which', async () => {
    @Injectable()
    class Hung {
      calls = 0;
      @OnConfigChange(dbConfig)
      react(): Promise<void> {
        this.calls++;
        return new Promise(() => undefined);
      }
    }
    const app = await boot({ providers: [Hung] });
    await room.config.set('db', { url: 'other' });
    await until(() => app.get(Hung).calls === 1);
    await app.close();
    expect(room.lines.at(-1)).toMatchObject({
      level: 'warn',
      message: 'a reaction to a configuration change does not end: it is left behind',
      fields: { config: 'db', method: 'Hung.react' },
    });
  });

  describe('a refreshable provider', () => {
    class Pool {
      closed = false;
      constructor(readonly max: number) {}
      async query(): Promise<number> {
        if (this.closed) throw new Error('pool is closed');
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (this.closed) throw new Error('pool was closed in mid query');
        return this.max;
      }
    }

    it('serves without one failed use while it is rebuilt 50 times, and disposes of all but the last', async () => {
      const pools: Pool[] = [];
      const provider = refreshable(
        ({ pool }: Db) => {
          pools.push(new Pool(pool.max));
          return pools.at(-1)!;
        },
        dbConfig,
        { dispose: (pool) => void (pool.closed = true) },
      );
      const app = await boot({ providers: [provider] });
      const pool = app.get<Refreshable<Pool>>(provider.provide);
      let used = 0;
      const done = new AbortController();
      const user = async (): Promise<void> => {
        while (!done.signal.aborted) {
          await pool.use((each) => each.query());
          used++;
        }
      };
      const users = Promise.all(Array.from({ length: 8 }, user));
      for (let max = 2; max <= 51; max++) {
        await room.config.set('db', { pool: { max } });
        await until(() => pool.current.max === max);
      }
      done.abort();
      await users;
      expect(pool.builds).toBe(51);
      expect(used).toBeGreaterThan(100);
      await until(() => pools.filter(({ closed }) => !closed).length === 1);
      await app.close();
      expect(pools.every(({ closed }) => closed)).toBe(true);
      await expect(pool.use((each) => each.query())).rejects.toThrow('closed');
    });

    it('keeps the resource it has when a build fails', async () => {
      const provider = refreshable(({ pool }: Db) => {
        if (pool.max === 2) throw new Error('no connection');
        return new Pool(pool.max);
      }, dbConfig);
      const pool = (await boot({ providers: [provider] })).get<Refreshable<Pool>>(provider.provide);
      const failures: unknown[] = [];
      pool.failures$.subscribe((failure) => failures.push(failure));
      await room.config.set('db', { pool: { max: 2 } });
      await until(() => failures.length === 1);
      expect(await pool.use((each) => each.query())).toBe(1);
      await room.config.set('db', { pool: { max: 3 } });
      await until(() => pool.current.max === 3);
    });

    it('tries a failed build again while the value stands, and says what failed', async () => {
      const live = await room.config.live(dbConfig);
      let failures = 2;
      const pool = await Refreshable.create(({ pool: { max } }: Db) => {
        if (max === 2 && failures-- > 0) throw new Error('no connection');
        return new Pool(max);
      }, live);
      await room.config.set('db', { pool: { max: 2 } });
      await until(() => pool.current.max === 2, 20_000);
      const lines = room.lines.filter(({ message }) => message.startsWith('a resource cannot be made'));
      expect(lines).toHaveLength(2);
      expect(lines[0]).toMatchObject({ level: 'error', fields: { config: 'db' } });
      await pool.close();
    });

    it('takes the value that it failed with for not built', async () => {
      const live = await room.config.live(dbConfig);
      let broken = true;
      const pool = await Refreshable.create(
        (value: Db) => {
          if (value.pool.max === 2 && broken) throw new Error('no connection');
          return new Pool(value.pool.max);
        },
        live,
        { select: ({ pool: part }) => part },
      );
      const failed = new Promise((resolve) => pool.failures$.subscribe(resolve));
      await room.config.set('db', { pool: { max: 2 } });
      await failed;
      broken = false;
      // A change of another part: the part that counts is the one that could not be built.
      await room.config.set('db', { url: 'other', pool: { max: 2 } });
      await until(() => pool.current.max === 2);
      await room.config.set('db', { url: 'third', pool: { max: 2 } });
      await until(() => live.value.url === 'third');
      expect(pool.builds).toBe(2);
      await pool.close();
    });

    it('closes although a factory or a dispose does not end, and disposes of what comes later', async () => {
      const live = await room.config.live(dbConfig);
      const disposed: number[] = [];
      let finish: () => void = () => undefined;
      const pool = await Refreshable.create(
        async ({ pool: { max } }: Db) => {
          if (max === 2) await new Promise<void>((resolve) => (finish = resolve));
          return new Pool(max);
        },
        live,
        {
          drainTimeout: 20,
          dispose: ({ max }) => {
            disposed.push(max);
            return max === 1 ? new Promise(() => undefined) : undefined;
          },
        },
      );
      await room.config.set('db', { pool: { max: 2 } });
      await until(() => live.value.pool.max === 2);
      await pool.close();
      expect(room.lines.slice(-2).map(({ message }) => message)).toEqual([
        'a factory of a resource does not end: it is left behind',
        'dispose of a resource does not end: it is left behind',
      ]);
      finish();
      await until(() => disposed.length === 2);
      expect(disposed).toEqual([1, 2]);
    });

    it('disposes of a resource in use when its time to drain is over', async () => {
      const disposed: number[] = [];
      const live = await room.config.live(dbConfig);
      const pool = await Refreshable.create((value: Db) => new Pool(value.pool.max), live, {
        dispose: ({ max }) => disposed.push(max),
        drainTimeout: 20,
      });
      let finish: () => void = () => undefined;
      const stuck = pool.use(() => new Promise<void>((resolve) => (finish = resolve)));
      await room.config.set('db', { pool: { max: 2 } });
      await until(() => disposed.length === 1);
      expect(disposed).toEqual([1]);
      finish();
      await stuck;
      await pool.close();
      expect(disposed).toEqual([1, 2]);
    });
  });

  describe('beside @nestjs/config', () => {
    it('answers ConfigService.get() from our layers, live, through the load option', async () => {
      const loader = nestConfigLoader({ config: room.config }, [dbConfig]);
      const app = await boot({
        imports: [await ConfigModule.forRoot({ load: [loader], ignoreEnvFile: true, cache: true })],
      });
      const service = app.get(ConfigService);
      expect(service.get('db.pool.max')).toBe(1);
      expect(service.get('db')).toEqual({ url: 'db', pool: { max: 1 } });
      await room.config.set('db', { pool: { max: 9 } });
      await until(() => service.get('db.pool.max') === 9);
      expect(service.get<{ url: string }>('db')!.url).toBe('db');
      expect(service.get('db.nothing', 'default')).toBe('default');
    });

    it('gives arrays as arrays, live too', async () => {
      const hosts = defineConfig('hosts', { schema: z.array(z.string()), default: ['a'] });
      const loader = nestConfigLoader({ config: room.config }, [hosts]);
      const app = await boot({
        imports: [await ConfigModule.forRoot({ load: [loader], ignoreEnvFile: true })],
      });
      const found = app.get(ConfigService).get<string[]>('hosts')!;
      expect(Array.isArray(found)).toBe(true);
      expect(found).toEqual(['a']);
      await room.config.set('hosts', ['b', 'c']);
      await until(() => found.length === 2);
      expect([...found]).toEqual(['b', 'c']);
      expect(found.map((each) => each.toUpperCase())).toEqual(['B', 'C']);
      expect(JSON.stringify(found)).toBe('["b","c"]');
      expect(app.get(ConfigService).get('hosts.1')).toBe('c');
    });

    it('bridges an existing ConfigService, and leaves the environment as it was', async () => {
      const app = await boot({
        imports: [await ConfigModule.forRoot({ ignoreEnvFile: true })],
        providers: [nestConfigBridge(ConfigService, [dbConfig])],
      });
      const service = app.get(ConfigService);
      expect(service.get('db.pool.max')).toBe(1);
      await room.config.set('db', { pool: { max: 9 } });
      await until(() => service.get('db.pool.max') === 9);
      expect(process.env['db']).toBeUndefined();
    });
  });

  describe('classes as schemas', () => {
    class Limits {
      @IsInt() @Min(1) readonly max!: number;
    }
    class Settings {
      @IsString() readonly url!: string;
      @ValidateNested() @Type(() => Limits) readonly pool!: Limits;
      @Transform(({ value }) => secret(value as string)) readonly pass!: Secret;
    }

    it('validate with class-validator, and give instances', async () => {
      await room.config.set('db', { url: 'u', pool: { max: 2 }, pass: 'hush-canary' });
      const live = await room.config.live('db', { schema: fromClass(Settings) });
      expect(live.value).toBeInstanceOf(Settings);
      expect(live.value.pool).toBeInstanceOf(Limits);
      expect(live.value.pass.reveal()).toBe('hush-canary');
      expect(Object.isFrozen(live.value.pool)).toBe(true);
      await room.put(
        `/config/t${turn}/orders/db`,
        JSON.stringify({ url: 1, pool: { max: 0 }, pass: 'hush-canary' }),
      );
      await until(() => live.rejected !== undefined);
      expect(live.rejected!.issues.map(({ path }) => path)).toEqual(['url', 'pool.max']);
      await room.put(`/config/t${turn}/orders/db`, '7');
      await until(() => live.rejected!.issues[0]!.path === '');
      expect(live.value.url).toBe('u');
    });

    it('may refuse properties that the class does not have', async () => {
      const schema = fromClass(Limits, { forbidNonWhitelisted: true });
      await room.config.set('limits', { max: 1, min: 0 });
      await expect(room.config.get('limits', { schema })).rejects.toBeInstanceOf(ConfigInvalidError);
      expect(await room.config.get('limits', { schema: fromClass(Limits, { whitelist: true }) })).toEqual({
        max: 1,
      });
    });
  });

  it('takes the constructor token too', async () => {
    @Injectable()
    class ByToken {
      constructor(@Inject(dbConfig.token) readonly db: LiveConfig<Db>) {}
    }
    expect((await boot({ providers: [ByToken] })).get(ByToken).db.value.url).toBe('db');
  });
});
