import { describe, expect, it } from 'vitest';
import type { KeyValue } from '../../../lib/coord/etcd/kv.js';
import type { Change } from '../../../lib/coord/etcd/snapshot-map.js';
import { type Admission, EXCLUSIVE, permits, SHARED } from '../../../lib/coord/lock/admission.js';
import { type Member, QueueOrder } from '../../../lib/coord/lock/queue-order.js';

const kv = (key: string, revision: number): KeyValue => ({
  key,
  value: Buffer.alloc(0),
  createRevision: BigInt(revision),
  modRevision: BigInt(revision),
  version: 1n,
  lease: 1n,
});
const put = (key: string, revision: number): Change => ({
  key,
  previous: undefined,
  current: kv(key, revision),
});
const gone = (key: string, revision: number): Change => ({
  key,
  previous: kv(key, revision),
  current: undefined,
});

describe('a queue in memory', () => {
  const setUp = () => {
    const order = new QueueOrder();
    const told: string[] = [];
    const join = (
      key: string,
      revision: number,
      admission: Admission = EXCLUSIVE,
      admitted = false,
    ): Member => {
      const member: Member = {
        key,
        revision: BigInt(revision),
        admission,
        admitted: () => told.push(`${key} admitted`),
        gone: () => told.push(`${key} gone`),
      };
      order.join(member, admitted);
      return member;
    };
    return { order, told, join };
  };

  it('admits nobody before it has seen them', () => {
    const { order, told, join } = setUp();
    join('q/a', 5);
    expect(told).toEqual([]);
    order.apply([put('q/a', 5)]);
    expect(told).toEqual(['q/a admitted']);
  });

  it('admits by create revision, whatever the order of the keys', () => {
    const { order, told, join } = setUp();
    order.apply([put('q/a', 9), put('q/z', 3), put('q/m', 6)]);
    join('q/a', 9);
    join('q/m', 6);
    expect(told).toEqual([]);
    order.apply([gone('q/z', 3)]);
    expect(told).toEqual(['q/m admitted']);
    order.apply([gone('q/m', 6)]);
    expect(told).toEqual(['q/m admitted', 'q/m gone', 'q/a admitted']);
  });

  it('does not take a later key of the same name for its member', () => {
    const { order, told, join } = setUp();
    order.apply([put('q/a', 3)]);
    const member = join('q/a', 7);
    expect(order.has(member)).toBe(false);
    expect(told).toEqual([]);
    order.apply([{ key: 'q/a', previous: kv('q/a', 3), current: kv('q/a', 7) }]);
    expect(told).toEqual(['q/a admitted']);
  });

  it('takes a renewed value of a key for what it is: the same place', () => {
    const { order, told, join } = setUp();
    order.apply([put('q/a', 3)]);
    join('q/a', 3);
    order.apply([{ key: 'q/a', previous: kv('q/a', 3), current: { ...kv('q/a', 3), modRevision: 9n } }]);
    expect(told).toEqual(['q/a admitted']);
  });

  it('hands on at a release that etcd confirmed, and ignores its event afterwards', () => {
    const { order, told, join } = setUp();
    order.apply([put('q/a', 1), put('q/b', 2)]);
    join('q/b', 2);
    order.remove('q/a', 1n);
    expect(told).toEqual(['q/b admitted']);
    order.apply([put('q/a', 4)]);
    order.apply([gone('q/a', 1)]);
    const member = join('q/a', 4);
    expect(order.has(member)).toBe(true);
  });

  it('admits so many as there are permits', () => {
    const { order, told, join } = setUp();
    order.apply([put('q/a', 1), put('q/b', 2), put('q/c', 3), put('q/d', 4)]);
    for (const [index, key] of ['q/a', 'q/b', 'q/c', 'q/d'].entries()) join(key, index + 1, permits(2));
    expect(told).toEqual(['q/a admitted', 'q/b admitted']);
    order.apply([gone('q/b', 2)]);
    expect(told.slice(2)).toEqual(['q/b gone', 'q/c admitted']);
  });

  it('admits readers together, never past a writer, and the writer when they are gone', () => {
    const { order, told, join } = setUp();
    order.apply([put('q/1-r0', 1), put('q/2-r0', 2), put('q/w', 3), put('q/3-r0', 4)]);
    join('q/1-r0', 1, SHARED);
    join('q/2-r0', 2, SHARED);
    join('q/w', 3);
    join('q/3-r0', 4, SHARED);
    expect(told).toEqual(['q/1-r0 admitted', 'q/2-r0 admitted']);
    order.apply([gone('q/1-r0', 1), gone('q/2-r0', 2)]);
    expect(told.slice(2)).toEqual(['q/1-r0 gone', 'q/2-r0 gone', 'q/w admitted']);
    order.apply([gone('q/w', 3)]);
    expect(told.slice(5)).toEqual(['q/w gone', 'q/3-r0 admitted']);
  });

  it('tells a holder of its loss, and one that left of nothing', () => {
    const { order, told, join } = setUp();
    order.apply([put('q/a', 1), put('q/b', 2)]);
    join('q/a', 1, EXCLUSIVE, true);
    const left = join('q/b', 2);
    order.leave(left);
    order.apply([gone('q/a', 1)]);
    order.apply([gone('q/b', 2)]);
    expect(told).toEqual(['q/a gone']);
  });
});
