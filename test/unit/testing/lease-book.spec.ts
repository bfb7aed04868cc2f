import { describe, expect, it } from 'vitest';
import { LeaseBook } from '../../../lib/testing/embedded/lease-book.js';

function book() {
  const clock = { now: 0 };
  const ended: bigint[] = [];
  const leases = new LeaseBook(
    ({ id }) => ended.push(id),
    () => clock.now,
  );
  return { clock, ended, leases };
}

describe('LeaseBook', () => {
  it('ends a lease when its time is over, not before, and only once', () => {
    const { clock, ended, leases } = book();
    leases.grant(1n, 5);
    clock.now = 4_999;
    leases.expireDue();
    expect(ended).toEqual([]);
    clock.now = 5_000;
    leases.expireDue();
    leases.expireDue();
    expect(ended).toEqual([1n]);
    expect(leases.has(1n)).toBe(false);
    leases.close();
  });

  it('gives a renewed lease its whole time again, and nothing to one that is over', () => {
    const { clock, leases } = book();
    leases.grant(1n, 5);
    clock.now = 4_000;
    expect(leases.renew(1n)).toBe(5);
    clock.now = 8_999;
    expect(leases.remaining(leases.find(1n)!)).toBe(0);
    expect(leases.renew(1n)).toBe(5);
    clock.now = 13_999;
    expect(leases.renew(1n)).toBe(0);
    leases.close();
  });

  it('grants two seconds at least, refuses an id that is taken and a time without sense', () => {
    const { leases } = book();
    expect(leases.grant(1n, 0).ttl).toBe(2);
    expect(() => leases.grant(1n, 5)).toThrow('etcdserver: lease already exists');
    expect(() => leases.grant(2n, 9_000_000_001)).toThrow('etcdserver: too large lease TTL');
    expect(leases.grant(0n, 5).id).toBeGreaterThan(0n);
    leases.close();
  });

  it('knows the keys that hang on a lease', () => {
    const { leases } = book();
    leases.grant(1n, 5);
    leases.attach(1n, 'a');
    leases.attach(1n, 'b');
    leases.detach(1n, 'a');
    expect([...leases.find(1n)!.keys]).toEqual(['b']);
    leases.close();
  });

  it('lets nothing expire while frozen, and starts every lease anew when thawed', () => {
    const { clock, ended, leases } = book();
    leases.grant(1n, 5);
    leases.freeze();
    clock.now = 60_000;
    leases.expireDue();
    expect(ended).toEqual([]);
    leases.thaw();
    expect(leases.remaining(leases.find(1n)!)).toBe(5);
    leases.close();
  });
});
