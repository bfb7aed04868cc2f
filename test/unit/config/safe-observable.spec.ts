import { filter, map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Feed } from '../../../lib/coord/config/feed.js';

describe('a feed', () => {
  const setUp = (): { feed: Feed<number>; thrown: unknown[] } => {
    const thrown: unknown[] = [];
    return { feed: new Feed<number>((error) => thrown.push(error)), thrown };
  };

  it('gives a new subscriber the latest value, once there is one', () => {
    const { feed } = setUp();
    const seen: number[][] = [[], []];
    feed.observable.subscribe((value) => seen[0]!.push(value));
    feed.next(1);
    feed.observable.subscribe((value) => seen[1]!.push(value));
    feed.next(2);
    expect(seen).toEqual([
      [1, 2],
      [1, 2],
    ]);
    feed.forget();
    const late: number[] = [];
    feed.observable.subscribe((value) => late.push(value));
    expect(late).toEqual([]);
  });

  it('goes on for a subscriber that throws and for all others, and reports it, through operators too', () => {
    const { feed, thrown } = setUp();
    const seen: number[] = [];
    feed.observable
      .pipe(
        map((value) => value * 10),
        filter(Boolean),
      )
      .subscribe({
        next: (value) => {
          seen.push(value);
          throw new Error('subscriber');
        },
      });
    feed.observable.subscribe((value) => seen.push(value));
    feed.next(1);
    feed.next(2);
    expect(seen).toEqual([10, 1, 20, 2]);
    expect(thrown).toHaveLength(2);
  });

  it('reports what an operator throws, to the subscriber if it takes errors, and goes on for all others', () => {
    const { feed, thrown } = setUp();
    const broken = feed.observable.pipe(
      map(() => {
        throw new Error('operator');
      }),
    );
    const seen: unknown[] = [];
    broken.subscribe();
    broken.subscribe({ error: (error: Error) => seen.push(error.message) });
    feed.observable.subscribe((value) => seen.push(value));
    feed.next(1);
    feed.next(2);
    expect(thrown).toEqual([new Error('operator')]);
    expect(seen).toEqual(['operator', 1, 2]);
  });

  it('stops for a subscriber that leaves while it is told', () => {
    const { feed } = setUp();
    const seen: number[] = [];
    const subscription = feed.observable.subscribe((value) => {
      seen.push(value);
      subscription.unsubscribe();
    });
    feed.next(1);
    feed.next(2);
    expect(seen).toEqual([1]);
  });

  it('completes at close, for later subscribers after the last value', () => {
    const { feed } = setUp();
    const seen: unknown[] = [];
    feed.next(1);
    feed.close();
    feed.observable.subscribe({ next: (value) => seen.push(value), complete: () => seen.push('complete') });
    expect(seen).toEqual([1, 'complete']);
  });
});
