import { beforeEach, describe, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import type { Registrar } from '../../../lib/coord/registry/registrar.js';
import type { Registration } from '../../../lib/coord/registry/registration.js';
import { resolveRegister } from '../../../lib/coord/registry/register.options.js';
import { SelfRegistration } from '../../../lib/coord/registry/self-registration.js';
import { resolveService } from '../../../lib/options/service.js';
import { FakeClock } from '../../support/fake-clock.js';
import { collectLog } from '../../support/open-client.js';

const service = resolveService({ name: 'user-service', instanceId: 'user-1', version: '1.2.0' });

/** Lets every promise that can settle do so. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

describe('the registration of the own process', () => {
  let clock: FakeClock;
  let log: ReturnType<typeof collectLog>;
  let listens: boolean;
  let answers: boolean;
  let tellTaken: (port: number) => void;
  let failures: number;
  let done: string[];

  const registrar: Pick<Registrar, 'register'> = {
    register: (instance, options) => {
      done.push(`register ${instance.id}`);
      if (failures-- > 0) return Promise.reject(new Error('etcd is away'));
      const registration = {
        deregister: () => Promise.resolve(void done.push('deregister')),
        leave: () => Promise.resolve(void done.push(`leave after ${options?.drainDelay}`)),
      };
      return Promise.resolve(registration as unknown as Registration);
    },
  };

  const create = (drainDelay?: number): SelfRegistration =>
    new SelfRegistration(
      { port: 50051, address: '10.0.0.1', ...(drainDelay !== undefined && { drainDelay }) },
      service,
      registrar,
      {
        logger: log,
        clock,
        servers: {
          listenOn: (port) => listens && port === 50051,
          onTaken: (tell) => {
            tellTaken = tell;
            return () => (tellTaken = () => undefined);
          },
        },
        probe: () => Promise.resolve(answers),
      },
    );

  beforeEach(() => {
    clock = new FakeClock();
    log = collectLog();
    listens = true;
    answers = false;
    failures = 0;
    done = [];
  });

  const pass = async (ms: number): Promise<void> => {
    for (let time = 0; time < ms; time += 50) {
      await settle();
      clock.advance(50);
    }
    await settle();
  };

  it('registers only once the own port answers', async () => {
    const self = create();
    self.start();
    await pass(300);
    expect(done).toEqual([]);
    answers = true;
    await pass(100);
    expect(done).toEqual(['register user-1']);
    expect(self.registration).toBeDefined();
  });

  it('does not take what another process answers on the port for its own', async () => {
    answers = true;
    listens = false;
    const self = create();
    self.start();
    await pass(300);
    expect(done).toEqual([]);
    listens = true;
    await pass(100);
    expect(done).toEqual(['register user-1']);
  });

  it('takes a port for a mapped one that answers for long without a server of its own', async () => {
    answers = true;
    listens = false;
    create().start();
    await pass(4_900);
    expect(done).toEqual([]);
    await pass(300);
    expect(done).toEqual(['register user-1']);
    expect(log.lines.map(({ level }) => level)).toEqual(['info']);
  });

  it.each([2_000, 20_000])(
    'publishes no port, or takes it back, when its server cannot have it (after %i ms)',
    async (ms) => {
      answers = true;
      listens = false;
      const self = create();
      self.start();
      await pass(ms);
      tellTaken(50051);
      await pass(20_000);
      expect(done).toEqual(ms < 5_000 ? [] : ['register user-1', 'deregister']);
      await self.stop();
    },
  );

  it('warns at once, and once, when its server cannot have the port', async () => {
    listens = false;
    const self = create();
    self.start();
    await pass(100);
    for (const port of [50050, 50051, 50051]) tellTaken(port);
    expect(log.lines.map(({ message, fields }) => [message, fields])).toEqual([
      [expect.stringContaining('register.port is in use'), { port: 50051 }],
    ]);
    await self.stop();
  });

  it('leaves with its own drain delay', async () => {
    answers = true;
    const self = create(700);
    self.start();
    await pass(50);
    await self.stop();
    await self.stop();
    expect(done).toEqual(['register user-1', 'leave after 700']);
  });

  it('warns about a port that never opens, more and more seldom, and does not hold up a stop', async () => {
    const self = create();
    self.start();
    await pass(50_000);
    const warnings = log.lines.filter(({ message }) => message.includes('no server of its own serves'));
    expect(warnings.map(({ fields }) => fields?.['waited'])).toEqual([10_000, 20_000, 40_000]);
    expect(warnings[0]?.fields).toMatchObject({ address: '10.0.0.1', port: 50051 });
    await self.stop();
    expect(done).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('tries again while etcd is away, and says so once', async () => {
    answers = true;
    failures = 3;
    create().start();
    await pass(20_000);
    expect(done).toHaveLength(4);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('publishes address, version, weight and zone', () => {
    const { instance, drainDelay, ttl } = resolveRegister(
      {
        port: 1,
        address: '10.0.0.1',
        weight: 3,
        zone: 'a',
        ttl: '20s',
        drainDelay: '1s',
        metadata: { team: 'x' },
      },
      service,
    );
    expect(instance).toEqual({
      id: 'user-1',
      name: 'user-service',
      address: '10.0.0.1',
      port: 1,
      metadata: { version: '1.2.0', team: 'x', weight: '3', zone: 'a' },
    });
    expect([drainDelay, ttl]).toEqual([1_000, 20_000]);
    expect(resolveRegister({ port: 1 }, service).instance.address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  });

  it.each([
    [undefined, 'register'],
    [{}, 'register.port'],
    [{ port: 0 }, 'register.port'],
    [{ port: 1, address: 'a b' }, 'register.address'],
    [{ port: 1, weight: -1 }, 'register.weight'],
    [{ port: 1, zone: '' }, 'register.zone'],
    [{ port: 1, ttl: '1s' }, 'register.ttl'],
    [{ port: 1, drainDelay: 'soon' }, 'register.drainDelay'],
    [{ port: 1, metadata: { a: 1 } }, 'register.metadata.a'],
  ])('refuses %j by naming %s', (options, argument) => {
    const error = ((): unknown => {
      try {
        return resolveRegister(options as never, service);
      } catch (reason) {
        return reason;
      }
    })();
    expect(error).toBeInstanceOf(ValidationError);
    expect((error as ValidationError).argument).toBe(argument);
  });
});
