import { describe, expect, it } from 'vitest';
import type { ConfigScope } from '../../../lib/coord/config/config-scope.js';
import { ScopedKeys } from '../../../lib/coord/config/key-source.js';
import type { KeyValue } from '../../../lib/coord/etcd/kv.js';

const scopeOf = (revision: bigint, ...keys: string[]) =>
  ({
    state: {
      revision,
      entries: new Map(keys.map((key) => [key, { key, modRevision: revision } as KeyValue])),
    },
    covers: () => true,
  }) as unknown as ConfigScope;

describe('keys in several scopes', () => {
  it('are looked up where they are observed, also where a wider scope has them', () => {
    const wide = scopeOf(7n, 'global', 'own');
    const narrow = scopeOf(9n, 'own');
    const source = new ScopedKeys(
      { keys: ['global', 'own'] },
      new Map([
        [wide, ['global']],
        [narrow, ['own']],
      ]),
      () => undefined,
    );
    expect(source.lookup('own')?.modRevision).toBe(9n);
    expect(source.revisionOf('own')).toBe(9n);
    expect(source.lookup('global')?.modRevision).toBe(7n);
    (narrow.state.entries as Map<string, KeyValue>).delete('own');
    expect(source.lookup('own')).toBeUndefined();
  });
});
