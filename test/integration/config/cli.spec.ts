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
    await room.put('/config/dev/orders/db', '{"password":"p","pool":5}');
    await room.put('/config/dev/orders/deep/motd', 'no json');
    await room.put('/config/prod/orders/db', '1');
    await room.put('/config/dev/../../escape', '1');
    expect(await run(['pull', dir, '--env', 'dev'])).toMatchObject({ code: 2 });
    await room.remove('/config/dev/../../escape');
    expect((await run(['pull', dir, '--env', 'dev'])).out).toBe('2 files\n');
    expect(await readFile(join(dir, 'dev/orders/db.json'), 'utf8')).toBe(
      '{\n  "password": "p",\n  "pool": 5\n}\n',
    );
    expect(await readFile(join(dir, 'dev/orders/deep/motd.txt'), 'utf8')).toBe('no json');
    expect((await stat(join(dir, 'dev/orders/db.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(dir)).toEqual(['dev']);
    expect((await run(['diff', dir, '--delete'])).out).toBe('nothing differs\n');
  });

  it('shows secrets nowhere unless it is told to', async () => {
    await run(['set', 'dev/orders/db', '{"host":"h","password":"canary-1"}', '--history']);
    await run(['set', 'dev/orders/token', '"canary-2"', '--history']);
    await file('dev/orders/db.json', '{"host":"h","password":"canary-3"}');
    await file('dev/orders/broken.json', '{"password":"canary-4"');
    const abort = new AbortController();
    const watching = run(['watch', '', '--json'], { signal: abort.signal });
    const all = [
      await run(['get', 'dev/orders/db']),
      await run(['get', 'dev/orders/token', '--json']),
      await run(['diff', dir]),
    ];
    await rm(join(dir, 'dev/orders/broken.json'));
    all.push(await run(['diff', dir]), await run(['push', dir, '--yes', '--json', '--history']));
    all.push(await run(['history', 'dev/orders/db']), await run(['history', 'dev/orders/token', '--json']));
    await new Promise((resolve) => setTimeout(resolve, 100));
    abort.abort();
    all.push(await watching);
    const text = all.map(({ out, err }) => out + err).join('\n');
    expect(text).toContain('[secret]');
    expect(text).toContain('password: "[secret]" → "[secret]"');
    expect(text).not.toContain('canary');
    expect((await run(['get', 'dev/orders/db', '--reveal'])).out).toContain('canary-3');
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
