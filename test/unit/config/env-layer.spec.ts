import { describe, expect, it } from 'vitest';
import { readEnv } from '../../../lib/coord/config/env-layer.js';

describe('the layer of environment variables', () => {
  it('is none where no variable is set', () => {
    expect(readEnv(undefined, { A: '1' })).toBeUndefined();
    expect(readEnv({ a: 'A', b: 'B' }, { A: '' })).toBeUndefined();
  });

  it('puts each variable at its path, read as JSON where it is JSON', () => {
    const mapping = { 'pool.max': 'MAX', 'pool.on': 'ON', host: 'HOST', tags: 'TAGS' };
    expect(readEnv(mapping, { MAX: '20', ON: 'true', HOST: 'db.local', TAGS: '["a"]' })).toEqual({
      pool: { max: 20, on: true },
      host: 'db.local',
      tags: ['a'],
    });
  });

  it('takes text as text where it is told to, and refuses broken JSON without showing it', () => {
    expect(readEnv({ pass: { variable: 'P', as: 'text' } }, { P: '0815' })).toEqual({ pass: '0815' });
    const broken = (): unknown => readEnv({ list: { variable: 'L', as: 'json' } }, { L: 'hush-canary' });
    expect(broken).toThrow(/environment variable L takes JSON$/);
  });

  it('lays a path within another on it, and says so where that is no object', () => {
    const mapping = { 'pool.max': 'MAX', pool: 'POOL' };
    expect(readEnv(mapping, { MAX: '20', POOL: '{"min":1,"max":2}' })).toEqual({ pool: { min: 1, max: 20 } });
    expect(() => readEnv(mapping, { MAX: '20', POOL: '5' })).toThrow(
      /^env takes an object where pool\.max lies within pool$/,
    );
  });

  it('refuses a path that would change a prototype', () => {
    expect(() => readEnv({ '__proto__.x': 'A' }, { A: '1' })).toThrow(/paths such as/);
  });
});
