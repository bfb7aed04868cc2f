import { beforeEach, describe, expect, it } from 'vitest';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { SessionLostError } from '../../../lib/errors/session-lost.error.js';
import { FakeClock } from '../../support/fake-clock.js';

const TTL = 6_000;

describe('a session', () => {
  let clock: FakeClock;
  let session: Session;
  beforeEach(() => {
    clock = new FakeClock();
    session = new Session(0xabcn, instant(clock), TTL, clock);
  });

  it('is alive until its deadline and aborts its signal then', () => {
    clock.advance(TTL - 301);
    expect(session.isAlive()).toBe(true);
    clock.advance(1);
    expect(session.signal.aborted).toBe(true);
    expect(session.signal.reason).toBeInstanceOf(SessionLostError);
  });

  it('knows of its loss right after a pause, before any timer ran', () => {
    clock.freeze(TTL);
    expect(session.isAlive()).toBe(false);
    expect(() => session.assertAlive()).toThrow(SessionLostError);
    expect(session.signal.aborted).toBe(true);
  });

  it('aborts its signal within a second after the machine was suspended, although its timers stood still', () => {
    let aborted = false;
    session.signal.addEventListener('abort', () => (aborted = true));
    clock.setWall(3_600_000);
    clock.advance(1_000);
    expect(aborted).toBe(true);
  });

  it('lives on with a renewal', () => {
    clock.advance(4_000);
    session.extend(instant(clock), TTL);
    clock.advance(4_000);
    expect(session.isAlive()).toBe(true);
    expect(session.remaining()).toBe(TTL - 300 - 4_000);
  });

  it('stays lost when the answer to a renewal comes after the deadline', () => {
    const sent = instant(clock);
    clock.freeze(TTL);
    session.extend(sent, TTL);
    session.extend(instant(clock), TTL);
    expect(session.isAlive()).toBe(false);
  });

  it('names the lease and the reason in its error', () => {
    session.lose('its lease was revoked');
    session.lose('something else');
    expect(() => session.assertAlive()).toThrow('the session on lease abc is lost: its lease was revoked');
  });

  it('leaves no timer behind once it is lost', () => {
    session.lose('it was closed');
    expect(clock.pending).toBe(0);
    expect(session.remaining()).toBe(0);
  });

  it('is retained for as long as anybody retains it', () => {
    const [one, other] = [session.retain(), session.retain()];
    one();
    one();
    expect(session.isRetained).toBe(true);
    other();
    expect(session.isRetained).toBe(false);
  });
});
