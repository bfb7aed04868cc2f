import { describe, expect, it } from 'vitest';
import type { WorkedLock } from '../../../lib/coord/lock/hold.js';
import {
  currentHoldings,
  currentLock,
  type Holding,
  runUnder,
} from '../../../lib/coord/lock/lock-context.js';

function holding(name: string): Holding & { held: boolean } {
  const holding = {
    held: true,
    lock: { key: name, isHeld: () => holding.held } as unknown as WorkedLock,
    service: {},
    queues: [name],
    shared: false,
  };
  return holding;
}

const names = (): string[] => [...currentHoldings()].map(({ lock }) => lock.key);

describe('the locks that code runs under', () => {
  it('are the innermost first', () => {
    runUnder(holding('a'), () =>
      runUnder(holding('b'), () => {
        expect(currentLock()?.key).toBe('b');
        expect(names()).toEqual(['b', 'a']);
      }),
    );
    expect(currentLock()).toBeUndefined();
  });

  it('leave those out that are over when another is taken: a job that schedules itself carries nothing along', () => {
    const [a, b, c] = [holding('a'), holding('b'), holding('c')];
    runUnder(a, () =>
      runUnder(b, () =>
        runUnder(c, () => {
          b.held = false;
          runUnder(holding('d'), () => expect(names()).toEqual(['d', 'c', 'a']));
          a.held = false;
          c.held = false;
          runUnder(holding('e'), () => expect(names()).toEqual(['e']));
        }),
      ),
    );
  });
});
