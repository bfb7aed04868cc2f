import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { IsInt } from 'class-validator';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineConfig } from '../../../lib/coord/config/config.definition.js';
import type { ConfigOptions } from '../../../lib/coord/config/config.options.js';
import { fromClass } from '../../../lib/coord/config/from-class.js';
import { secret } from '../../../lib/coord/config/secret.js';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { ConfigRoom, until } from './config-room.js';

const schema = z.object({ n: z.number(), pin: z.string().transform(secret).optional() });

describe('a secret by its schema', () => {
  let etcd: EmbeddedEtcd;
  let room: ConfigRoom;
  let dir: string;
  let turn = 0;

  beforeAll(async () => {
    etcd = await EmbeddedEtcd.start();
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'im-infra-secrets-'));
    open();
  });
  afterEach(async () => {
    await room.close();
    await rm(dir, { recursive: true });
  });

  const open = (config?: ConfigOptions): void => {
    room = new ConfigRoom([etcd.endpoint], {
      env: `t${++turn}`,
      snapshot: { dir },
      ...(config && { config }),
    });
  };
  const own = (key: string): string => `/config/t${turn}/orders/${key}`;
  const onDisk = async (): Promise<string> => {
    const files = await Promise.all((await readdir(dir)).map((name) => readFile(join(dir, name), 'utf8')));
    return files
      .flatMap((text) => text.split('"').map((part) => Buffer.from(part, 'base64').toString('latin1')))
      .join('\n');
  };

  it.each<[string, () => Promise<unknown>]>([
    ['live', () => room.config.live('login', { schema })],
    ['get', () => room.config.get('login', { schema })],
    ['getWithVersion', () => room.config.getWithVersion('login', { schema })],
    ['set', () => room.config.set<unknown>('login', { n: 2, pin: 'hush-canary-2' }, { schema })],
    ['watch', async () => room.config.watch('login', { schema }).subscribe()],
    ['watchPrefix', async () => room.config.watchPrefix('', { schema }).subscribe()],
  ])('is learned by %s: no event and no snapshot shows it', async (_, learn) => {
    await room.config.set('login', { n: 1, pin: 'hush-canary-1' });
    await room.config.set('open', { n: 1 });
    await room.config.get('open');
    await learn();
    const events: unknown[] = [];
    room.config.events('login').subscribe((event) => events.push(event));
    await room.put(own('login'), JSON.stringify({ n: 3, pin: 'hush-canary-3' }));
    await until(() => events.length === 1);
    expect(events).toMatchObject([{ value: { n: 3, pin: '[secret]' } }]);
    await room.close();
    const text = await onDisk();
    expect(text).toContain('{"n":1}');
    expect(text).not.toContain('hush-canary');
  });

  it('is not shown by an event of a bad value that is the first to have it', async () => {
    await room.config.set('login', { n: 1 });
    const live = await room.config.live('login', { schema });
    const events: unknown[] = [];
    room.config.events('login').subscribe((event) => events.push(event));
    await room.put(own('login'), JSON.stringify({ n: 'x', pin: 'hush-canary' }));
    await until(() => events.length === 1);
    expect(live.rejected).toBeDefined();
    expect(events).toMatchObject([{ type: 'PUT', value: '[secret]' }]);
    await room.put(own('login'), JSON.stringify({ n: 2 }));
    await until(() => events.length === 2);
    expect(events[1]).toMatchObject({ value: { n: 2 } });
  });

  it('is not shown by an event of a value that is still being judged', async () => {
    class Login {
      @IsInt() readonly n!: number;
    }
    await room.config.set('login', { n: 1 });
    await room.config.live('login', { schema: fromClass(Login) });
    const events: unknown[] = [];
    room.config.events('login').subscribe((event) => events.push(event));
    await room.put(own('login'), JSON.stringify({ n: 1, pin: 'hush-canary' }));
    await until(() => events.length === 1);
    expect(events).toMatchObject([{ value: '[secret]' }]);
  });

  it('by the key is one too in a definition and in all of its layers', async () => {
    await room.close();
    open({ secrets: ['/config/*/global/vault'], env: { CODE: 'hush-canary-env' } });
    await room.config.set(`/config/t${turn}/global/vault`, { code: 'hush-canary' });
    await room.config.set('vault', { n: 1 });
    const Vault = z.object({ code: z.string(), n: z.number() });
    const plain = await room.config.live(defineConfig('vault', { schema: Vault }));
    const mapped = await room.config.live(defineConfig('vault', { schema: Vault, env: { code: 'CODE' } }));
    expect(mapped.value.code).toBe('hush-canary-env');
    const shown = [inspect(plain), JSON.stringify(plain), inspect(plain.explain('code'))];
    shown.push(inspect(mapped.explain('code')), inspect(mapped.explain('')));
    expect(shown.join('\n')).not.toContain('hush-canary');
  });

  it('is in no error of a rollback, which writes back what it finds', async () => {
    await room.close();
    open({ history: true });
    const version = await room.config.set('motd', 'hush-canary', { codec: 'text' });
    await room.config.set('motd', 'other', { codec: 'text' });
    await room.config.live('motd', { schema: z.string(), default: 'none' });
    const error = (await room.config.rollback('motd', version).catch((reason: unknown) => reason)) as Error;
    expect(error.message).toContain('is not JSON');
    expect(error.message).not.toContain('hush-canary');
    await room.config.rollback('motd', version, { validate: false });
    expect(await room.config.get('motd', { codec: 'text' })).toBe('hush-canary');
  });
});
