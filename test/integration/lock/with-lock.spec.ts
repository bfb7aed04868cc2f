import 'reflect-metadata';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  type ClientGrpc,
  ClientProxyFactory,
  GrpcMethod,
  type MicroserviceOptions,
  Transport,
} from '@nestjs/microservices';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  Inject,
  Injectable,
  Module,
  type ModuleMetadata,
  Scope,
  SetMetadata,
  UseGuards,
} from '@nestjs/common';
import { ModuleRef, NestFactory, Reflector } from '@nestjs/core';
import { Cron, Interval, ScheduleModule } from '@nestjs/schedule';
import { lastValueFrom, type Observable } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { currentLock } from '../../../lib/coord/lock/lock-context.js';
import { WITH_LOCK, WithLock } from '../../../lib/coord/lock/with-lock.decorator.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { LockHeldError } from '../../../lib/errors/lock-held.error.js';
import { LockTimeoutError } from '../../../lib/errors/lock-timeout.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { ImInfraModule } from '../../../lib/im-infra.module.js';
import { freePorts } from '../../../lib/testing/free-port.js';
import { until } from '../../support/until.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { LockRoom } from './lock-room.js';

type MethodDecoratorLike = (target: object, key: string, descriptor: PropertyDescriptor) => void;

/** What the methods under test do: they say that they run, and go on when they are told to. */
class Stage {
  running = 0;
  ran = 0;
  tokens: (bigint | undefined)[] = [];
  readonly #gate = new AbortController();

  async play(): Promise<string> {
    this.running++;
    this.tokens.push(currentLock()?.fencingToken);
    if (!this.#gate.signal.aborted) await once(this.#gate.signal, 'abort');
    this.running--;
    this.ran++;
    return 'played';
  }

  open(): void {
    this.#gate.abort();
  }
}

let stage: Stage;

const ROLE = 'role';
const seenRoles: unknown[] = [];

@Injectable()
class RoleGuard implements CanActivate {
  readonly #reflector: Reflector;
  constructor(@Inject(Reflector) reflector: Reflector) {
    this.#reflector = reflector;
  }
  canActivate(context: ExecutionContext): boolean {
    seenRoles.push(this.#reflector.get(ROLE, context.getHandler()));
    return true;
  }
}

const positions = ['above', 'below'] as const;

/** The method that {@link stacked} has decorated last. */
let decorated: unknown;

/** Both decorators on one method, the lock above or below the other. */
function stacked(position: (typeof positions)[number], other: MethodDecoratorLike): MethodDecoratorLike {
  const lock = WithLock('stage') as MethodDecoratorLike;
  const [bottom, top] = position === 'above' ? [other, lock] : [lock, other];
  return (target, key, descriptor) => {
    for (const decorate of [bottom, top]) decorate(target, key, descriptor);
    decorated = descriptor.value;
  };
}

const steps: string[] = [];

/** As typeorm-transactional's: it puts a function of its own in the method's place, and copies what metadata it finds. */
const Transactional: MethodDecoratorLike = (_target, _key, descriptor) => {
  const original = descriptor.value as (...args: unknown[]) => Promise<unknown>;
  const wrapped = async function (this: unknown, ...args: unknown[]): Promise<unknown> {
    steps.push(`begin ${currentLock()?.isHeld() ?? false}`);
    const result = await original.apply(this, args);
    steps.push(`commit ${currentLock()?.isHeld() ?? false}`);
    return result;
  };
  for (const key of Reflect.getMetadataKeys(original) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, original), wrapped);
  }
  Object.defineProperty(wrapped, 'name', { value: original.name, writable: false });
  descriptor.value = wrapped;
};

const all =
  (...decorators: readonly unknown[]): MethodDecoratorLike =>
  (target, key, descriptor) => {
    for (const decorate of decorators as readonly MethodDecoratorLike[]) decorate(target, key, descriptor);
  };

interface Cell {
  readonly name: string;
  readonly metadata: (decorator: (other: MethodDecoratorLike) => MethodDecoratorLike) => ModuleMetadata;
  /** Calls the method once, as the world would. */
  readonly call: (app: INestApplication) => Promise<unknown>;
  readonly guarded?: boolean;
}

const guard = all(SetMetadata(ROLE, 'admin'), UseGuards(RoleGuard));
const TARGET = Symbol('target');
interface Player {
  play(): Promise<string>;
}
const callProvider = async (app: INestApplication): Promise<unknown> =>
  (await app.resolve<Player>(TARGET, undefined, { strict: false })).play();

const cells: readonly Cell[] = [
  {
    name: 'an HTTP controller',
    guarded: true,
    metadata: (locked) => {
      @Controller()
      class Web {
        @locked(all(Get('play'), guard))
        play(): Promise<string> {
          return stage.play();
        }
      }
      return { controllers: [Web], providers: [RoleGuard] };
    },
    call: async (app) => {
      const response = await fetch(`${await app.getUrl()}/play`);
      expect(response.status).toBe(200);
      return response.text();
    },
  },
  {
    name: 'a gRPC controller',
    guarded: true,
    metadata: (locked) => {
      @Controller()
      class Greeter {
        @locked(all(GrpcMethod('Greeter', 'Greet'), guard))
        async greet(): Promise<{ text: string }> {
          return { text: await stage.play() };
        }
      }
      return { controllers: [Greeter], providers: [RoleGuard] };
    },
    call: async (app) => {
      const client = ClientProxyFactory.create({
        ...grpcOptions,
        transport: Transport.GRPC,
      }) as unknown as ClientGrpc & {
        close(): void;
      };
      try {
        const greeter = client.getService<{ greet(request: { name: string }): Observable<{ text: string }> }>(
          'Greeter',
        );
        expect(app).toBeDefined();
        return (await lastValueFrom(greeter.greet({ name: 'x' }))).text;
      } finally {
        client.close();
      }
    },
  },
  {
    name: 'a provider',
    metadata: (locked) => {
      @Injectable()
      class Service {
        @locked(SetMetadata(ROLE, 'admin'))
        play(): Promise<string> {
          return stage.play();
        }
      }
      return { providers: [{ provide: TARGET, useClass: Service }] };
    },
    call: callProvider,
  },
  {
    name: 'a request-scoped provider',
    metadata: (locked) => {
      @Injectable({ scope: Scope.REQUEST })
      class Service {
        @locked(SetMetadata(ROLE, 'admin'))
        play(): Promise<string> {
          return stage.play();
        }
      }
      return { providers: [{ provide: TARGET, useClass: Service, scope: Scope.REQUEST }] };
    },
    call: callProvider,
  },
  {
    name: 'a provider made by a factory',
    metadata: (locked) => {
      class Service {
        @locked(SetMetadata(ROLE, 'admin'))
        play(): Promise<string> {
          return stage.play();
        }
      }
      return { providers: [{ provide: TARGET, useFactory: () => new Service() }] };
    },
    call: callProvider,
  },
  {
    name: 'an inherited method',
    metadata: (locked) => {
      abstract class Base {
        @locked(SetMetadata(ROLE, 'admin'))
        play(): Promise<string> {
          return stage.play();
        }
      }
      @Injectable()
      class Service extends Base {
        @Inject(ModuleRef) readonly ref!: ModuleRef;
      }
      return { providers: [{ provide: TARGET, useClass: Service }] };
    },
    call: callProvider,
  },
  {
    name: 'a cron job',
    metadata: (locked) => {
      @Injectable()
      class Jobs {
        @locked(all(Cron('* * * * * *'), SetMetadata(ROLE, 'admin')))
        play(): Promise<string> {
          return stage.play();
        }
      }
      return { imports: [ScheduleModule.forRoot()], providers: [Jobs] };
    },
    call: () => Promise.resolve('played'),
  },
  {
    name: 'an interval',
    metadata: (locked) => {
      @Injectable()
      class Jobs {
        @locked(all(Interval(100), SetMetadata(ROLE, 'admin')))
        play(): Promise<string> {
          return stage.play();
        }
      }
      return { imports: [ScheduleModule.forRoot()], providers: [Jobs] };
    },
    call: () => Promise.resolve('played'),
  },
];

const grpcOptions = {
  options: {
    package: 'smoke.v1',
    protoPath: fileURLToPath(new URL('../../consumers/shared/proto/greeter.proto', import.meta.url)),
    url: '',
  },
};

describe.each(await etcdKinds())('@WithLock on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let other: LockRoom;
  const open: INestApplication[] = [];

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    grpcOptions.options.url = `127.0.0.1:${(await freePorts(1))[0]}`;
  });
  afterAll(() => etcd.stop());
  beforeEach(() => {
    stage = new Stage();
    seenRoles.length = 0;
    other = new LockRoom(etcd.endpoints);
  });
  afterEach(async () => {
    stage.open();
    await Promise.all(open.splice(0).map((app) => app.close()));
    await other.close();
  });

  async function start(
    metadata: ModuleMetadata,
    { coord = true, grpc = false, endpoints = etcd.endpoints } = {},
  ): Promise<INestApplication> {
    @Module({
      ...metadata,
      imports: [
        ...(metadata.imports ?? []),
        ImInfraModule.forRoot({
          service: { name: 'stage' },
          clog: { level: 'fatal' },
          ...(coord && { coord: { endpoints } }),
        }),
      ],
    })
    class App {}
    const app = await NestFactory.create(App, { logger: false });
    open.push(app);
    if (grpc) app.connectMicroservice<MicroserviceOptions>({ ...grpcOptions, transport: Transport.GRPC });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    return app;
  }

  const matrix = cells.flatMap((cell) => positions.map((position) => ({ cell, position })));

  it.each(matrix.map((each) => ({ ...each, title: `${each.cell.name}, the lock ${each.position}` })))(
    'holds the lock while the method of $title runs, and leaves guards and metadata alone',
    async ({ cell, position }) => {
      const app = await start(
        cell.metadata((inner) => stacked(position, inner)),
        { grpc: cell.name.includes('gRPC') },
      );
      expect(await other.keys('/locks/stage/')).toEqual([]);
      const called = cell.call(app);
      await until(() => stage.running === 1);
      expect(await other.keys('/locks/stage/')).not.toEqual([]);
      stage.open();
      expect(await called).toBe('played');
      expect(stage.tokens[0]).toBeGreaterThan(0n);
      if (cell.guarded) expect(seenRoles).toEqual(['admin']);
      expect(Reflect.getMetadata(ROLE, decorated as object)).toBe('admin');
      expect(Reflect.getMetadata(WITH_LOCK, decorated as object)).toEqual({ key: 'stage', ifHeld: 'wait' });
      expect((decorated as { name: string }).name).toMatch(/^(play|greet)$/);
    },
  );

  it.each(positions)(
    'goes together with a decorator that replaces the method, the lock %s',
    async (position) => {
      steps.length = 0;
      @Controller()
      class Web {
        @Get('play')
        @stacked(position, Transactional)
        @guard
        play(): Promise<string> {
          return stage.play();
        }
      }
      const app = await start({ controllers: [Web], providers: [RoleGuard] });
      const called = fetch(`${await app.getUrl()}/play`);
      await until(() => stage.running === 1);
      expect(await other.keys('/locks/stage/')).toHaveLength(1);
      stage.open();
      expect(await (await called).text()).toBe('played');
      expect(seenRoles).toEqual(['admin']);
      expect(stage.tokens[0]).toBeGreaterThan(0n);
      const locked = position === 'above';
      expect(steps).toEqual([`begin ${locked}`, `commit ${locked}`]);
      expect(Reflect.getMetadata(WITH_LOCK, decorated as object)).toMatchObject({ key: 'stage' });
    },
  );

  it('keeps the name, the length, and the metadata of decorators on either side', () => {
    class Service {
      @SetMetadata('above', 1)
      @WithLock((id: string) => id)
      @SetMetadata('below', 2)
      async work(id: string, more: number): Promise<string> {
        return Promise.resolve(id + more);
      }
    }
    const work = Object.getOwnPropertyDescriptor(Service.prototype, 'work')!.value as (
      ...args: unknown[]
    ) => unknown;
    expect([work.name, work.length]).toEqual(['work', 2]);
    expect(Reflect.getOwnMetadata('above', work)).toBe(1);
    expect(Reflect.getOwnMetadata('below', work)).toBe(2);
    expect(Reflect.getMetadata('design:paramtypes', Service.prototype, 'work')).toEqual([String, Number]);
  });

  class Orders {
    calls: string[] = [];
    @WithLock('order:{0.id}', { ifHeld: 'skip' })
    async skip(order: { id?: unknown }): Promise<string | undefined> {
      this.calls.push(`skip ${String(order.id)}`);
      return Promise.resolve('ran');
    }
    @WithLock((id: string) => `order:${id}`, { ifHeld: 'throw' })
    async refuse(id: string): Promise<string> {
      return Promise.resolve(`ran ${id}`);
    }
    @WithLock('hurry', { ifHeld: 'skip', timeout: 300 })
    async hurry(): Promise<string | undefined> {
      this.calls.push('hurry');
      return Promise.resolve('ran');
    }
    @WithLock((id: string, count: number) => [`a:${id}`, `b:${count}`])
    async both(id: string, count: number): Promise<readonly string[]> {
      return Promise.resolve([...(currentLock()?.keys ?? []), id, String(count)]);
    }
  }

  it('makes the key of the arguments, and refuses one with a part that is missing', async () => {
    const app = await start({ providers: [Orders] });
    const orders = app.get(Orders);
    expect(await orders.both('x', 2)).toEqual(['a:x', 'b:2', 'x', '2']);
    for (const id of [undefined, null, '', {}, []]) {
      await expect(orders.skip({ id })).rejects.toBeInstanceOf(ValidationError);
    }
    await expect(orders.refuse(undefined as unknown as string)).rejects.toBeInstanceOf(ValidationError);
    expect(orders.calls).toEqual([]);
  });

  it('skips or throws if held, as it was told', async () => {
    const app = await start({ providers: [Orders] });
    const orders = app.get(Orders);
    const held = await other.locks.acquire('order:7');
    expect(await orders.skip({ id: 7 })).toBeUndefined();
    await expect(orders.refuse('7')).rejects.toBeInstanceOf(LockHeldError);
    expect(orders.calls).toEqual([]);
    await held.release();
    expect(await orders.skip({ id: 7 })).toBe('ran');
    expect(await orders.refuse('7')).toBe('ran 7');
  });

  it('never runs the method without a lock service: fails closed', async () => {
    const outside = new Orders();
    await expect(outside.skip({ id: 1 })).rejects.toBeInstanceOf(CoordUnavailableError);
    const app = await start({ providers: [Orders] }, { coord: false });
    await expect(app.get(Orders).skip({ id: 1 })).rejects.toThrow();
    expect(outside.calls).toEqual([]);
    expect(app.get(Orders).calls).toEqual([]);
  });

  it.each(positions)(
    'uses the lock service of its own application, with two in one process, the lock %s',
    async (position) => {
      @Injectable()
      class Service {
        @stacked(position, SetMetadata(ROLE, 'admin'))
        play(): Promise<string> {
          return stage.play();
        }
      }
      const second = await startEtcdOf('embedded');
      const others = new LockRoom(second.endpoints);
      try {
        const apps = [
          await start({ providers: [Service] }),
          await start({ providers: [Service] }, { endpoints: second.endpoints }),
        ];
        const called = apps.map((app) => app.get(Service).play());
        await until(() => stage.running === 2);
        expect(await other.keys('/locks/stage/')).toHaveLength(1);
        expect(await others.keys('/locks/stage/')).toHaveLength(1);
        stage.open();
        expect(await Promise.all(called)).toEqual(['played', 'played']);
        await Promise.all(open.splice(0).map((app) => app.close()));
      } finally {
        await others.close();
        await second.stop();
      }
    },
  );

  it('rejects, and does not skip, when etcd is away', async () => {
    const passing = await startEtcdOf('embedded');
    const app = await start({ providers: [Orders] }, { endpoints: passing.endpoints });
    const orders = app.get(Orders);
    expect(await orders.hurry()).toBe('ran');
    await passing.stop();
    await expect(orders.hurry()).rejects.toSatisfy(
      (error) => error instanceof CoordUnavailableError || error instanceof LockTimeoutError,
    );
    expect(orders.calls).toEqual(['hurry']);
  });

  it('refuses what is no method, and options that are wrong, when the class is made', () => {
    expect(() =>
      WithLock('order:{id}')(Orders.prototype, 'skip', { value: async () => Promise.resolve() }),
    ).toThrow(ValidationError);
    expect(() => WithLock('order', { ttl: '1s' })).toThrow(/ttl/);
    expect(() => WithLock('order', { ifHeld: 'ignore' as 'skip' })).toThrow(/ifHeld/);
    expect(() => WithLock('order', null as unknown as object)).toThrow(ValidationError);
    expect(() => WithLock('order')(Orders.prototype, 'calls', {})).toThrow(/a method/);
  });
});
