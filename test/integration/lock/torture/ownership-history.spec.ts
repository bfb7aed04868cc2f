import { describe, expect, it } from 'vitest';
import {
  type Departure,
  type Disturbance,
  earlyClaims,
  falseClaims,
  nameOf,
  type Ownership,
  overlaps,
} from './ownership-history.js';

const ms = (at: number): bigint => BigInt(at) * 1_000_000n;

const owner = (token: number, ...claims: number[]): Ownership => ({
  key: 'a',
  worker: token,
  token: BigInt(token),
  invoked: 0n,
  returned: 0n,
  claims: claims.map(ms),
});

function gone(...departures: [token: number, at: number, taken?: 'taken'][]): Map<string, Departure> {
  return new Map(
    departures.map(([token, at, taken]) => {
      const departure = { key: 'a', token: BigInt(token), at: ms(at), taken: taken !== undefined };
      return [nameOf(departure), departure];
    }),
  );
}

const grace = { notice: 100, session: 1_000 };

describe('the judgement of what owners claimed', () => {
  it('lets claims pass that lie inside of the true ownership', () => {
    const owned = [owner(1, 10, 50), owner(2, 60, 90)];
    const departures = gone([1, 55], [2, 95]);
    expect(falseClaims(owned, departures, [], grace)).toEqual([]);
    expect(earlyClaims(owned, departures, [], 0)).toEqual([]);
    expect(overlaps(owned, departures)).toEqual([]);
  });

  it('finds one after the key went, by as little as a millisecond', () => {
    expect(falseClaims([owner(1, 10, 56)], gone([1, 55]), [], grace)).toEqual([
      'token 1 was claimed 1 times after its key went, up to 1 ms',
    ]);
  });

  it('gives who was robbed the time to notice, and no more', () => {
    const robbed = gone([1, 55, 'taken']);
    expect(falseClaims([owner(1, 155)], robbed, [], grace)).toEqual([]);
    expect(falseClaims([owner(1, 156)], robbed, [], grace)).toHaveLength(1);
    const cutOff: Disturbance = { worker: 1, etcd: false, from: ms(40), to: ms(60) };
    expect(falseClaims([owner(1, 156)], robbed, [cutOff], grace)).toEqual([]);
  });

  it('finds one before those ahead had gone: owners, robbed or not, and those who only waited', () => {
    expect(earlyClaims([owner(1, 10), owner(2, 50)], gone([1, 55]), [], 0)).toHaveLength(1);
    expect(earlyClaims([owner(2, 50)], gone([1, 55, 'taken']), [], 0)).toHaveLength(1);
    expect(earlyClaims([owner(3, 50)], gone([1, 40], [2, 60], [4, 90]), [], 0)).toEqual([
      'token 3 (worker 3) was claimed 10 ms before token 2, ahead of it, went',
    ]);
    expect(earlyClaims([owner(3, 50)], gone([2, 60]), [], 10)).toEqual([]);
  });

  it('does not judge by a watch that etcd itself had left', () => {
    const etcdAway: Disturbance = { worker: undefined, etcd: true, from: ms(45), to: ms(58) };
    expect(earlyClaims([owner(2, 50)], gone([1, 60]), [etcdAway], 0)).toEqual([]);
  });
});
