import { describe, expect, it } from 'vitest';
import { CallerAborted, type CallerLeft, TimeIsUp } from '../../../lib/coord/lock/caller-left.js';
import { Deadline } from '../../../lib/coord/lock/deadline.js';
import { FakeClock } from '../../support/fake-clock.js';

const DAY = 86_400_000;

describe('the deadline of a caller', () => {
  it('is told once, after its time and not before', () => {
    const clock = new FakeClock();
    const left: CallerLeft[] = [];
    new Deadline(1_000, undefined, clock).whenLeft((why) => left.push(why));
    clock.advance(999);
    expect(left).toEqual([]);
    clock.advance(1);
    expect(left).toEqual([expect.any(TimeIsUp)]);
    expect(clock.pending).toBe(0);
  });

  it('may be further away than a timer can wait', () => {
    const clock = new FakeClock();
    const left: CallerLeft[] = [];
    const deadline = new Deadline(60 * DAY, undefined, clock);
    deadline.whenLeft((why) => left.push(why));
    clock.advance(59 * DAY);
    expect(left).toEqual([]);
    deadline.check();
    clock.advance(DAY);
    expect(left).toEqual([expect.any(TimeIsUp)]);
  });

  it('that is never over needs no timer', () => {
    const clock = new FakeClock();
    const deadline = new Deadline(Infinity, undefined, clock);
    deadline.whenLeft(() => expect.unreachable());
    expect(clock.pending).toBe(0);
    clock.advance(1_000 * DAY);
    deadline.check();
  });

  it('ends with the signal, whose reason it wraps', () => {
    const clock = new FakeClock();
    const caller = new AbortController();
    const deadline = new Deadline(1_000, caller.signal, clock);
    const left: CallerLeft[] = [];
    deadline.whenLeft((why) => left.push(why));
    caller.abort('enough');
    deadline.whenLeft((why) => left.push(why));
    expect(left.map((why) => (why as CallerAborted).reason)).toEqual(['enough', 'enough']);
    expect(() => deadline.check()).toThrow(CallerAborted);
    expect(clock.pending).toBe(0);
  });

  it('does not end a work that it no longer waits for, but tells it', async () => {
    const clock = new FakeClock();
    let left: AbortSignal | undefined;
    const waiting = new Deadline(1_000, undefined, clock).wait(2_000, (signal) => {
      left = signal;
      return new Promise(() => undefined);
    });
    clock.advance(1_000);
    await expect(waiting).rejects.toBeInstanceOf(TimeIsUp);
    expect(left!.reason).toBeInstanceOf(TimeIsUp);
  });
});
