import { afterEach, describe, expect, it, vi } from 'vitest';
import { askVeto } from '../../../lib/coord/config/veto.js';

describe('a veto', () => {
  afterEach(() => vi.useRealTimers());

  it('is false, a rejection or a throw; anything else lets the value pass', async () => {
    expect(await askVeto(() => undefined, 1, 2)).toBeUndefined();
    expect(await askVeto(() => true, 1, 2)).toBeUndefined();
    expect(await askVeto(() => false, 1, 2)).toBe('refused by onBeforeApply');
    expect(await askVeto(() => Promise.reject(new TypeError('hush-canary')), 1, 2)).toBe(
      'onBeforeApply threw TypeError',
    );
  });

  it('is also silence for five seconds', async () => {
    vi.useFakeTimers();
    const asked = askVeto(() => new Promise(() => undefined), 1, 2);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await asked).toBe('onBeforeApply did not answer within 5000 ms');
  });
});
