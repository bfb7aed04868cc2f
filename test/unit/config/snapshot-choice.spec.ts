import { describe, expect, it, vi } from 'vitest';
import type { ConfigScope } from '../../../lib/coord/config/config-scope.js';
import { SecretPolicy } from '../../../lib/coord/config/secret-policy.js';
import { secret } from '../../../lib/coord/config/secret.js';
import { SnapshotChoice } from '../../../lib/coord/config/snapshot-choice.js';
import { UsedNames } from '../../../lib/coord/config/used-names.js';
import type { KeyValue } from '../../../lib/coord/etcd/kv.js';

const entry = (key: string, text: string): KeyValue => ({
  key,
  value: Buffer.from(text),
  createRevision: 1n,
  modRevision: 1n,
  version: 1n,
  lease: 0n,
});

function scopeOf(names: readonly string[], ...entries: readonly KeyValue[]): ConfigScope {
  const used = new UsedNames();
  for (const name of names) used.add(name);
  const state = { entries: new Map(entries.map((each) => [each.key, each])) };
  return { used, state } as unknown as ConfigScope;
}
const chosen = ({ entries, known }: ReturnType<SnapshotChoice['of']>) => ({
  entries: [...entries.values()].map(({ key, value }) => `${key}=${value.toString()}`),
  known: [...known].sort(),
});
const NONE = new Map<string, KeyValue>();
const NOBODY = new Set<string>();

describe('what goes to disk', () => {
  it('is what is in use; of a prefix with a gap only single keys are known', () => {
    const secrets = new SecretPolicy(['/a/vault']);
    const scope = scopeOf(
      ['/a/', '/b/', '/c', '/absent'],
      entry('/a/x', '1'),
      entry('/a/vault', '"v"'),
      entry('/b/y', '2'),
      entry('/c', '3'),
      entry('/unused', '4'),
    );
    expect(chosen(new SnapshotChoice(secrets).of(scope, NONE, NOBODY))).toEqual({
      entries: ['/a/x=1', '/b/y=2', '/c=3'],
      known: ['/a/x', '/absent', '/b/', '/b/y', '/c'],
    });
    const all = chosen(new SnapshotChoice(undefined).of(scope, NONE, NOBODY));
    expect(all.known).toContain('/a/');
    expect(all.entries).toContain('/a/vault="v"');
  });

  it('is the last good entry of a key that somebody refuses, a deleted one too', () => {
    const scope = scopeOf(['/bad', '/gone', '/new'], entry('/bad', '"x"'), entry('/new', '"y"'));
    const kept = new Map([entry('/bad', '1'), entry('/gone', '2')].map((each) => [each.key, each]));
    const choice = new SnapshotChoice(undefined).of(scope, kept, new Set(['/bad', '/gone', '/new']));
    expect(chosen(choice)).toEqual({ entries: ['/bad=1', '/gone=2'], known: ['/bad', '/gone'] });
  });

  it('is that of a key whose newest entry nobody could read, too, also when nobody tries any more', () => {
    const unread = [entry('/bad', '"x"'), entry('/new', '{"pass":"x')];
    const scope = scopeOf(['/bad', '/new', '/good'], ...unread, entry('/good', '3'));
    const kept = new Map([['/bad', entry('/bad', '1')]]);
    const choice = new SnapshotChoice(undefined, (each) => unread.includes(each)).of(scope, kept, NOBODY);
    expect(chosen(choice)).toEqual({ entries: ['/bad=1', '/good=3'], known: ['/bad', '/good'] });
  });

  it('has no value with a property that is called like a secret, in JSON or YAML, and none that was learned', () => {
    const secrets = new SecretPolicy();
    const scope = scopeOf(
      ['/'],
      entry('/json', '{"a":[{"apiKey":1}]}'),
      entry('/yaml', 'db:\n  password: x\n'),
      entry('/endless', 'a: &a\n  b: *a\n'),
      entry('/text', 'password'),
      entry('/learned', '{"n":1}'),
    );
    const choice = new SnapshotChoice(secrets);
    expect(chosen(choice.of(scope, NONE, NOBODY)).entries).toEqual(['/text=password', '/learned={"n":1}']);
    secrets.learn(['/learned'], { n: secret(1) }, { n: 1 });
    expect(chosen(choice.of(scope, NONE, NOBODY)).entries).toEqual(['/text=password']);
  });

  it('reads each value once, however often it is asked', () => {
    const entries = Array.from({ length: 100 }, (_, n) => entry(`/many/${n}`, '{"n":1}'));
    const read = entries.map(({ value }) => vi.spyOn(value, 'toString'));
    const choice = new SnapshotChoice(new SecretPolicy());
    const scope = scopeOf(['/many/'], ...entries);
    for (let turn = 0; turn < 5; turn++) choice.of(scope, NONE, NOBODY);
    expect(read.every((each) => each.mock.calls.length === 1)).toBe(true);
  });
});
