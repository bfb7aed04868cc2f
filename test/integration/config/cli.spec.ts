import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../lib/cli/command-line.js';
import { recordedIo } from '../../unit/cli/recorded-io.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { ConfigRoom, until } from './config-room.js';

describe.each(await etcdKinds())('im-infra config on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let room: ConfigRoom;
  let dir: string;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    room = new ConfigRoom(etcd.endpoints, { env: 'dev' });
  });
  afterAll(async () => {
    await room.close();
    await etcd.stop();
  });
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'im-infra-cli-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
    await room.client.commit(
      { success: [{ delete: { key: '/config', end: '/confih' } }] },
      { idempotent: true },
    );
  });

  const run = async (args: readonly string[], given: Partial<ReturnType<typeof recordedIo>> = {}) => {
    const env = { ETCD_ENDPOINTS: etcd.endpoints.join(','), USER: 'ann' };
    const io = { ...recordedIo(env), ...given };
    const recorded = { out: '', err: '' };
    io.stdout = (text) => void (recorded.out += text);
    io.stderr = (text) => void (recorded.err += text);
    return { code: await runCommandLine(['config', ...args], io), ...recorded };
  };
  const file = async (name: string, text: string): Promise<void> => {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  };
  const stored = async (key: string): Promise<string | undefined> =>
    (await room.client.range({ key: `/config/${key}` })).kvs[0]?.value.toString();

  it('sets, gets, lists and deletes, by the long key and by the short', async () => {
    const set = await run(['set', 'dev/orders/db', '{"pool":5}', '--json']);
    const { version } = JSON.parse(set.out) as { version: string };
    expect(await stored('dev/orders/db')).toBe('{"pool":5}');
    expect((await run(['get', '/config/dev/orders/db'])).out).toBe('{\n  "pool": 5\n}\n');
    const get = await run(['get', 'dev/orders/db', '--json']);
    expect(JSON.parse(get.out)).toEqual({ key: '/config/dev/orders/db', version, value: { pool: 5 } });
    await run(['set', 'dev/orders/n', '-5']);
    expect(await stored('dev/orders/n')).toBe('-5');
    expect((await run(['ls', 'dev'])).out).toMatch(
      /^KEY +VERSION\n\/config\/dev\/orders\/db +\d+\n\/config\/dev\/orders\/n +\d+\n$/,
    );
    expect((await run(['delete', 'dev/orders/db'])).out).toBe('/config/dev/orders/db is deleted\n');
    expect((await run(['delete', 'dev/orders/db', '--json'])).out).toBe(
      '{"key":"/config/dev/orders/db","deleted":false}\n',
    );
    expect(await run(['get', 'dev/orders/db'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('does not exist') as string,
    });
  });

  it('takes text and standard input', async () => {
    await run(['set', 'dev/orders/motd', 'hello you', '--text']);
    expect((await run(['get', 'dev/orders/motd', '--text'])).out).toBe('hello you\n');
    const stdin = {
      async *[Symbol.asyncIterator]() {
        yield '{"a":';
        yield Promise.resolve(Buffer.from('1}\n'));
      },
    };
    await run(['set', 'dev/orders/in', '-'], { stdin });
    expect(await stored('dev/orders/in')).toBe('{"a":1}');
  });

  it('writes under a version only', async () => {
    expect((await run(['set', 'dev/orders/n', '1', '--if-version', '0'])).code).toBe(0);
    const late = await run(['set', 'dev/orders/n', '2', '--if-version', '0']);
    expect(late).toMatchObject({ code: 1, err: expect.stringContaining('expected 0') as string });
  });

  it.each([
    [['nonsense']],
    [[]],
    [['get']],
    [['get', 'a', 'b']],
    [['set', 'dev/x/y', 'not json']],
    [['set', 'dev/x/y', '1', '--if-version', 'x']],
    [['get', 'dev//y']],
    [['get', '../y']],
    [['get', 'x', '--nonsense']],
    [['push', '/nowhere/at/all']],
  ])('says how it is used when called with %j', async (args) => {
    const { code, out, err } = await run(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).not.toBe('');
  });

  it('fails when no etcd answers, naming where it asked', async () => {
    const { code, err } = await run(['get', 'dev/a/b', '--endpoints', '127.0.0.1:1']);
    expect(code).toBe(1);
    expect(err).toContain('127.0.0.1:1');
  }, 15_000);

  it('pushes files, shows what changes, and asks first', async () => {
    await run(['set', 'dev/orders/db', '{"pool":{"max":5},"old":1}']);
    await run(['set', 'dev/orders/gone', '1']);
    await run(['set', 'dev/other/untouched', '1']);
    await file('dev/orders/db.json', '{"pool":{"max":9},"new":true}');
    await file('dev/orders/deep/rules.yaml', 'limits:\n  - 1\n');
    await file('dev/users/motd.txt', 'hello');
    await file('dev/users/README.md', 'no configuration');
    const plain = await run(['push', dir, '--dry-run', '--delete']);
    expect(plain).toMatchObject({ code: 0 });
    expect(plain.out).toBe(
      '~ /config/dev/orders/db\n    pool.max: 5 → 9\n    - old: 1\n    + new: true\n' +
        '+ /config/dev/orders/deep/rules  {"limits":[1]}\n- /config/dev/orders/gone  1\n+ /config/dev/users/motd  "hello"\n',
    );
    const coloured = await run(['diff', dir], { isTTY: true });
    expect(coloured.out).toContain('\u001b[31m5\u001b[0m → \u001b[32m9\u001b[0m');
    expect(await run(['push', dir])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--yes') as string,
    });
    const no = await run(['push', dir], { isTTY: true, stdin: answer('n') });
    expect(no.err).toContain('nothing was written');
    expect(await stored('dev/orders/db')).toContain('old');
    const yes = await run(['push', dir, '--delete'], { isTTY: true, stdin: answer('y') });
    expect(yes.err).toContain('1/2 dev/orders: 3 written at revision');
    expect(await stored('dev/orders/db')).toBe('{"pool":{"max":9},"new":true}');
    expect(await stored('dev/orders/deep/rules')).toBe('{"limits":[1]}');
    expect(await stored('dev/users/motd')).toBe('hello');
    expect(await stored('dev/orders/gone')).toBeUndefined();
    expect(await stored('dev/other/untouched')).toBe('1');
    expect((await run(['diff', dir, '--delete'])).out).toBe('nothing differs\n');
  });

  it('writes each service in one revision', async () => {
    await file('dev/orders/a.json', '1');
    await file('dev/orders/b.json', '2');
    const { out } = await run(['push', dir, '--yes', '--json', '--env', 'dev', '--service', 'orders']);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.slice(0, 2).map(({ change }) => change)).toEqual(['create', 'create']);
    const { kvs } = await room.client.range({ key: '/config/dev/orders/', end: '/config/dev/orders0' });
    expect(kvs.map(({ modRevision }) => modRevision.toString())).toEqual([
      lines[2]!['revision'],
      lines[2]!['revision'],
    ]);
  });

  it('pulls what it would push', async () => {
    await room.put('/config/dev/orders/db', '{"password":"hush-canary-0","pool":5}');
    await room.put('/config/dev/orders/deep/motd', 'no json');
    await room.put('/config/prod/orders/db', '1');
    expect((await run(['pull', dir, '--env', 'dev'])).out).toBe('2 files\n');
    expect(await readFile(join(dir, 'dev/orders/db.json'), 'utf8')).toBe(
      '{\n  "password": "hush-canary-0",\n  "pool": 5\n}\n',
    );
    expect(await readFile(join(dir, 'dev/orders/deep/motd.txt'), 'utf8')).toBe('no json');
    expect((await stat(join(dir, 'dev/orders/db.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(dir)).toEqual(['dev']);
    expect((await run(['diff', dir, '--delete'])).out).toBe('nothing differs\n');
  });

  it('pulls all but what is no key, says so, and lets nothing out of the folder', async () => {
    await room.put('/config/dev/orders/db', '1');
    await room.put('/config/dev/../../escape', '1');
    const pulled = await run(['pull', join(dir, 'deep'), '--env', 'dev']);
    expect(pulled).toMatchObject({ code: 1, out: '1 files\n' });
    expect(pulled.err).toContain('"/config/dev/../../escape" is passed over: it is no key');
    expect(await readdir(dir)).toEqual(['deep']);
    expect((await run(['push', join(dir, 'deep'), '--delete', '--yes'])).code).toBe(0);
    expect((await room.client.range({ key: '/config/dev/../../escape' })).kvs).toHaveLength(1);
  });

  it('changes no number on its way', async () => {
    const text = '{"id":12345678901234567890,"rate":1.0}';
    await room.put('/config/dev/orders/big', text);
    await run(['pull', dir]);
    expect(await readFile(join(dir, 'dev/orders/big.json'), 'utf8')).toBe(
      '{\n  "id": 12345678901234567890,\n  "rate": 1.0\n}\n',
    );
    expect((await run(['diff', dir])).out).toBe('nothing differs\n');
    await file('dev/orders/big.json', text.replace('890,', '891,'));
    expect((await run(['push', dir, '--yes'])).out).toBe(
      '~ /config/dev/orders/big\n    id: 12345678901234567890 → 12345678901234567891\n',
    );
    expect(await stored('dev/orders/big')).toBe(text.replace('890,', '891,'));
    expect((await run(['get', 'dev/orders/big', '--json'])).out).toContain('"id":12345678901234567891');
    await run(['set', 'dev/orders/big', '98765432109876543210']);
    expect(await stored('dev/orders/big')).toBe('98765432109876543210');
  });

  it('takes texts by their bytes, and pulls into the file that is there', async () => {
    await file('dev/orders/port.txt', '8080');
    await file('dev/orders/rules.yaml', '# by hand\nlimits: [1]\n');
    await run(['push', dir, '--yes']);
    expect(await stored('dev/orders/port')).toBe('8080');
    expect((await run(['push', dir, '--yes'])).out).toBe('nothing differs\n');
    expect((await run(['pull', dir])).out).toBe('2 files\n');
    expect((await readdir(join(dir, 'dev/orders'))).sort()).toEqual(['port.txt', 'rules.yaml']);
    expect(await readFile(join(dir, 'dev/orders/rules.yaml'), 'utf8')).toContain('# by hand');
    await room.put('/config/dev/orders/port', '9090');
    await room.put('/config/dev/orders/rules', '{"limits":[2,12345678901234567890]}');
    await run(['pull', dir]);
    expect(await readFile(join(dir, 'dev/orders/port.txt'), 'utf8')).toBe('9090');
    expect(await readFile(join(dir, 'dev/orders/rules.yaml'), 'utf8')).toContain('- 12345678901234567890');
    expect((await run(['diff', dir])).out).toBe('nothing differs\n');
    await room.put('/config/dev/orders/rules', 'no json');
    await run(['pull', dir]);
    expect((await readdir(join(dir, 'dev/orders'))).sort()).toEqual(['port.txt', 'rules.txt']);
  });

  it('says which service is too large for one transaction before it writes any', async () => {
    await file('dev/a/one.json', '1');
    for (let n = 0; n < 129; n++) await file(`dev/many/k${n}.json`, '1');
    const plain = await run(['push', dir, '--yes']);
    expect(plain).toMatchObject({ code: 1 });
    expect(plain.err).toContain('dev/many: 129 keys are more than one transaction takes: 128 operations');
    expect(await stored('dev/a/one')).toBeUndefined();
    await rm(join(dir, 'dev/many/k128.json'));
    expect((await run(['push', dir, '--yes'])).code).toBe(0);
    // With a history they need more: each its record, and at first what was there before.
    for (let n = 0; n < 128; n++) await file(`dev/many/k${n}.json`, '2');
    expect((await run(['push', dir, '--yes', '--history'])).err).toContain('two or three with --history');
    for (let n = 60; n < 128; n++) await rm(join(dir, `dev/many/k${n}.json`));
    const borderline = await run(['push', dir, '--yes', '--history']);
    expect(borderline.err).toContain('dev/many: 60 keys are more than one transaction takes');
    expect(await stored('dev/many/k0')).toBe('1');
    for (let n = 40; n < 60; n++) await rm(join(dir, `dev/many/k${n}.json`));
    expect((await run(['push', dir, '--yes', '--history'])).code).toBe(0);
    expect(await stored('dev/many/k0')).toBe('2');
  });

  it('deletes nothing of a service that has no file, and says so', async () => {
    await run(['set', 'dev/other/x', '1']);
    await file('dev/orders/db.json', '1');
    const { code, err } = await run(['push', dir, '--delete', '--yes']);
    expect(code).toBe(0);
    expect(err).toContain('dev/other has no file: its keys are not deleted\n');
    expect(await stored('dev/other/x')).toBe('1');
  });

  it('fails when it is stopped before it is done, be it at the prompt, amid services or reading', async () => {
    for (const service of ['a', 'b', 'c']) await file(`dev/${service}/x.json`, '1');
    const stop = new AbortController();
    const env = { ETCD_ENDPOINTS: etcd.endpoints.join(',') };
    const io = { ...recordedIo(env), signal: stop.signal, stdout: () => undefined, err: '' };
    io.stderr = (text) => {
      io.err += text;
      if (text.startsWith('1/3')) stop.abort();
    };
    expect(await runCommandLine(['config', 'push', dir, '--yes'], io)).toBe(1);
    expect(io.err).toContain('1/3 dev/a: 1 written');
    expect(io.err).toContain('stopped before it was done');
    expect(await stored('dev/c/x')).toBeUndefined();

    const nobody = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    for (const args of [
      ['push', dir],
      ['set', 'dev/orders/x', '-'],
    ]) {
      const waiting = new AbortController();
      const asked = run(args, { isTTY: true, stdin: nobody, signal: waiting.signal });
      await new Promise((resolve) => setTimeout(resolve, 20));
      waiting.abort();
      expect(await asked).toMatchObject({
        code: 1,
        err: expect.stringContaining('stopped before') as string,
      });
    }
  });

  it('hides the keys that --secret or IM_INFRA_SECRETS names', async () => {
    await run(['set', 'dev/orders/vault/pin', '"hush-canary-1"', '--history']);
    await run(['set', 'dev/orders/open', '"visible"']);
    await file('dev/orders/vault/pin.json', '"hush-canary-2"');
    const pattern = '/config/*/vault/*';
    const all = [
      await run(['get', 'dev/orders/vault/pin', '--secret', pattern]),
      await run(['diff', dir, '--secret', '/config/none', '--secret', pattern]),
      await run(['history', 'dev/orders/vault/pin', '--secret', pattern]),
      await run(['get', 'dev/orders/vault/pin'], {
        env: { ETCD_ENDPOINTS: etcd.endpoints.join(','), IM_INFRA_SECRETS: `/config/none, ${pattern}` },
      }),
    ];
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(all.every(({ out }) => out.includes('[secret]'))).toBe(true);
    expect(all.map(({ out, err }) => out + err).join()).not.toContain('hush-canary');
    expect((await run(['get', 'dev/orders/open', '--secret', pattern])).out).toBe('"visible"\n');
  });

  it('shows secrets nowhere unless it is told to', async () => {
    await run(['set', 'dev/orders/db', '{"host":"h","password":"hush-canary-1"}', '--history']);
    await run(['set', 'dev/orders/token', '"hush-canary-2"', '--history']);
    await file('dev/orders/db.json', '{"host":"h","password":"hush-canary-3"}');
    await file('dev/orders/broken.json', '{"password":"hush-canary-4"');
    const abort = new AbortController();
    let watched = '';
    const watching = runCommandLine(['config', 'watch', '', '--json'], {
      ...recordedIo({ ETCD_ENDPOINTS: etcd.endpoints.join(',') }),
      signal: abort.signal,
      stdout: (text) => void (watched += text),
    });
    const all = [
      await run(['get', 'dev/orders/db']),
      await run(['get', 'dev/orders/token', '--json']),
      await run(['diff', dir]),
    ];
    await rm(join(dir, 'dev/orders/broken.json'));
    all.push(await run(['diff', dir]), await run(['push', dir, '--yes', '--json', '--history']));
    all.push(await run(['history', 'dev/orders/db']), await run(['history', 'dev/orders/token', '--json']));
    // Both keys, whichever of the writes it began with.
    await until(() => watched.includes('/db') && watched.includes('/token') && watched.includes('[secret]'));
    abort.abort();
    expect(await watching).toBe(0);
    const text = `${watched}\n${all.map(({ out, err }) => out + err).join('\n')}`;
    expect(text).toContain('[secret]');
    expect(text).toContain('password: "[secret]" → "[secret]"');
    expect(text).not.toContain('hush-canary');
    expect((await run(['get', 'dev/orders/db', '--reveal'])).out).toContain('hush-canary-3');
  });

  it('keeps a history and rolls back', async () => {
    await run(['set', 'dev/orders/n', '1', '--history', '--reason', 'first']);
    await run(['set', 'dev/orders/n', '2', '--history', '--author', 'bob']);
    const { out } = await run(['history', 'dev/orders/n', '--json']);
    const [second, first] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).toMatchObject({ author: 'ann', reason: 'first', value: 1 });
    expect(second).toMatchObject({ author: 'bob', value: 2 });
    await run(['rollback', 'dev/orders/n', String(first!['version'])]);
    expect(await stored('dev/orders/n')).toBe('1');
    expect((await run(['history', 'dev/orders/n'])).out).toContain(
      `rollback to ${String(first!['version'])}`,
    );
    expect((await run(['history', 'dev/orders/none'])).out).toContain('nothing was kept');
  });

  it('watches a key or a folder until it is stopped', async () => {
    await room.put('/config/dev/orders/a', '"x"');
    const abort = new AbortController();
    let seen = '';
    const io = recordedIo({ ETCD_ENDPOINTS: etcd.endpoints.join(',') });
    const watching = runCommandLine(['config', 'watch', 'dev/orders/a'], {
      ...io,
      signal: abort.signal,
      stdout: (text) => void (seen += text),
    });
    await until(() => seen.includes('x'));
    await room.put('/config/dev/orders/a2', '7');
    await room.put('/config/dev/orders/a/deep', '{"x":2}');
    await room.remove('/config/dev/orders/a');
    await until(() => seen.includes('DELETE'));
    abort.abort();
    expect(await watching).toBe(0);
    expect(seen.replaceAll(/ +\d+( |\n)/g, ' N$1')).toBe(
      'PUT     /config/dev/orders/a N  "x"\nPUT     /config/dev/orders/a/deep N  {"x":2}\nDELETE  /config/dev/orders/a N\n',
    );
  });

  it('explains itself', async () => {
    expect(await run(['--help'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('push <dir>') as string,
    });
  });
});

function answer(text: string): AsyncIterable<string> {
  return {
    async *[Symbol.asyncIterator]() {
      yield Promise.resolve(`${text}\n`);
    },
  };
}
