import { BehaviorSubject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { StartPatience } from '../../../lib/coord/config/start-patience.js';
import type { CoordStatus } from '../../../lib/coord/etcd/etcd.options.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('the patience of a start', () => {
  it('runs once for all, from the moment at which etcd was away', () => {
    const clock = new FakeClock();
    const status$ = new BehaviorSubject<CoordStatus>('connecting');
    const patience = new StartPatience({ status$ }, 1_000, clock);
    expect(patience.left()).toBe(1_000);
    clock.advance(700);
    status$.next('degraded');
    expect(patience.left()).toBe(300);
    clock.advance(700);
    expect(patience.left()).toBe(0);
    status$.next('ready');
    clock.advance(10_000);
    expect(patience.left()).toBe(1_000);
    status$.next('degraded');
    clock.advance(400);
    expect(patience.left()).toBe(600);
    patience.close();
    expect(status$.observed).toBe(false);
  });
});
