import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromText, toText } from '../../../lib/coord/config/snapshot-content.js';
import {
  readSnapshot,
  removeDrafts,
  SnapshotUnreadable,
  writeSnapshot,
} from '../../../lib/coord/config/snapshot-file.js';

describe('a snapshot on disk', () => {
  let dir: string;
  let path: string;
  const key = Buffer.from('a key of enough length');

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'im-infra-snapshot-'));
    path = join(dir, 'deep', 'config.snap');
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('reads back what was written, and nothing where there is nothing', async () => {
    expect(await readSnapshot(path)).toBeUndefined();
    await writeSnapshot(path, 'größe\nzwei');
    await writeSnapshot(path, 'größe\ndrei');
    expect(await readSnapshot(path)).toBe('größe\ndrei');
  });

  it('is for its owner only, and leaves no drafts behind', async () => {
    await writeSnapshot(path, 'x');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'deep'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(dir, 'deep'))).toEqual(['config.snap']);
  });

  it('may be written by many at once, each to a draft of its own', async () => {
    const texts = Array.from({ length: 20 }, (_, n) => String(n).repeat(10_000));
    await Promise.all(texts.map((text) => writeSnapshot(path, text)));
    expect(texts).toContain(await readSnapshot(path));
    expect(await readdir(join(dir, 'deep'))).toEqual(['config.snap']);
  });

  it('loses the drafts of writers that were killed, and no others', async () => {
    await removeDrafts(path, Date.now());
    await writeSnapshot(path, 'x');
    for (const name of ['config.snap.1234.tmp', 'config.snap.young.tmp', 'other.snap.1234.tmp']) {
      await writeFile(join(dir, 'deep', name), 'half');
    }
    await utimes(join(dir, 'deep', 'config.snap.1234.tmp'), 1, 1);
    await utimes(join(dir, 'deep', 'other.snap.1234.tmp'), 1, 1);
    await removeDrafts(path, Date.now());
    const left = await readdir(join(dir, 'deep'));
    expect(left.sort()).toEqual(['config.snap', 'config.snap.young.tmp', 'other.snap.1234.tmp']);
  });

  it('is refused when a byte is wrong or missing', async () => {
    await writeSnapshot(path, '{"a":1}');
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      await expect(readSnapshot(path)).rejects.toBeInstanceOf(SnapshotUnreadable);
    }
    const changed = Buffer.from(whole);
    changed[whole.length - 1]! ^= 1;
    await writeFile(path, changed);
    await expect(readSnapshot(path)).rejects.toThrow('checksum');
  });

  it('shows nothing of its text when it is encrypted, and needs the same key', async () => {
    await writeSnapshot(path, 'hush-canary', key);
    expect((await readFile(path)).toString('latin1')).not.toContain('hush-canary');
    expect(await readSnapshot(path, key)).toBe('hush-canary');
    await expect(readSnapshot(path)).rejects.toThrow('no key');
    await expect(readSnapshot(path, Buffer.from('another key altogether'))).rejects.toThrow('another key');
  });

  it('carries keys, values of any bytes and revisions', () => {
    const entry = {
      key: '/k',
      value: Buffer.from([0, 255, 10]),
      createRevision: 1n,
      modRevision: 2n ** 60n,
      version: 3n,
      lease: 0n,
    };
    const state = {
      revision: 2n ** 61n,
      entries: new Map([['/k', entry]]),
      known: new Set(['/k', '/absent']),
    };
    const content = { prefix: '/', savedAt: 5, state };
    expect(fromText(toText(content))).toEqual(content);
  });
});
