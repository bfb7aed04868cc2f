import { describe, expect, it } from 'vitest';
import { combineLayers, explainPath, type Layer, newest } from '../../../lib/coord/config/layers.js';
import { mergeLayer } from '../../../lib/coord/config/merge-layers.js';

describe('laying one layer on another', () => {
  it.each([
    ['merges plain objects', { a: { x: 1, y: 1 } }, { a: { y: 2 } }, { a: { x: 1, y: 2 } }],
    ['replaces arrays', { a: [1, 2, 3] }, { a: [4] }, { a: [4] }],
    ['deletes by null', { a: 1, b: { c: 1, d: 1 } }, { a: null, b: { c: null } }, { b: { d: 1 } }],
    ['strips nulls that delete nothing', {}, { a: { b: null } }, { a: {} }],
    [
      'replaces an object by a scalar and back',
      { a: { b: 1 }, c: 1 },
      { a: 1, c: { d: 1 } },
      { a: 1, c: { d: 1 } },
    ],
    ['replaces the whole by what is not an object', { a: 1 }, 7, 7],
    ['leaves everything where there is nothing above', { a: 1 }, undefined, { a: 1 }],
  ])('%s', (_, under, over, merged) => {
    expect(mergeLayer(under, over)).toEqual(merged);
  });

  it('changes neither of them', () => {
    const under = Object.freeze({ a: Object.freeze({ b: 1 }) });
    const over = Object.freeze({ a: Object.freeze({ c: 1 }) });
    expect(mergeLayer(under, over)).toEqual({ a: { b: 1, c: 1 } });
  });

  it('lets no value change a prototype', () => {
    const evil = JSON.parse('{"__proto__":{"admin":true},"constructor":{"x":1}}') as unknown;
    const merged = mergeLayer({ a: 1 }, evil) as Record<string, unknown>;
    expect(merged['admin']).toBeUndefined();
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('layers together', () => {
  const layers: Layer[] = [
    {
      name: 'default',
      revision: 0n,
      value: { url: 'd', pool: { min: 1, max: 2 }, proxy: 'p', tags: ['a', 'b'] },
    },
    { name: 'global', key: '/g', revision: 7n, value: { url: 'g', proxy: null, tags: ['c'] } },
    { name: 'service', key: '/s', revision: 5n, value: { pool: { max: 9 } } },
  ];

  it('are merged from the lowest up, or the highest alone', () => {
    expect(combineLayers('merge', layers)).toEqual({ url: 'g', pool: { min: 1, max: 9 }, tags: ['c'] });
    expect(combineLayers('nearest', layers)).toEqual({ pool: { max: 9 } });
    expect(combineLayers('merge', [])).toBeUndefined();
  });

  it('have the version of the newest of them', () => {
    expect(newest(layers)).toEqual({ key: '/g', revision: 7n });
    expect(newest(layers.slice(0, 1))).toBeUndefined();
  });

  it.each([
    ['url', { name: 'global', value: 'g', deleted: false }],
    ['pool.max', { name: 'service', value: 9, deleted: false }],
    ['pool.min', { name: 'default', value: 1, deleted: false }],
    ['proxy', { name: 'global', value: undefined, deleted: true }],
    ['proxy.host', { name: 'global', value: undefined, deleted: true }],
    ['tags.0', { name: 'global', value: 'c', deleted: false }],
    ['tags.1', { name: 'global', value: undefined, deleted: true }],
  ])('say which of them decides %s', (path, expected) => {
    expect(explainPath('merge', layers, path)).toMatchObject(expected);
  });

  it('say nothing of a path that none has', () => {
    expect(explainPath('merge', layers, 'nothing.at.all')).toBeUndefined();
    expect(explainPath('nearest', layers, 'url')).toBeUndefined();
  });
});
