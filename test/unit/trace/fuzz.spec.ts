import { expect, it } from 'vitest';
import { extractTrace, injectTrace } from '../../../lib/trace/carrier.js';

/** Mulberry32: a small generator with a seed, so that a failure can be seen again. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const VALID = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const STATE = 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE';
const ALPHABET = '0123456789abcdefABCDEFg-=,;@ \t\r\n\0"\\{}é\u2028\u{1f600}';

/** A valid header, or one with some characters changed, cut, doubled or inserted; or noise; or very much of it. */
function mutate(base: string, random: () => number): string {
  const kind = random();
  if (kind > 0.7) return base;
  if (kind < 0.02) return ALPHABET.repeat(Math.floor(random() * 200));
  let text = base;
  for (let left = Math.floor(random() * 4); left >= 0; left--) {
    const at = Math.floor(random() * (text.length + 1));
    const character = ALPHABET[Math.floor(random() * ALPHABET.length)] ?? '';
    const cut = at + Math.floor(random() * 3);
    text = text.slice(0, at) + character + text.slice(cut);
  }
  return text;
}

it(
  'takes a million hostile headers without a throw, and gives only ids that are safe in a line and a header',
  { timeout: 60_000 },
  () => {
    const random = generator(20_261_122);
    let unsafe = 0;
    let taken = 0;
    for (let round = 0; round < 334_000; round++) {
      const headers: Record<string, string> = {
        traceparent: mutate(VALID, random),
        tracestate: mutate(STATE, random),
        'x-trace-id': mutate('job-42', random),
      };
      const trace = extractTrace((name) => headers[name]);
      if (trace.tracestate !== undefined) taken++;
      injectTrace(trace, (_name, value) => {
        if (!/^[\x20-\x7e]{1,8192}$/.test(value)) unsafe++;
      });
      if (!/^[A-Za-z0-9][A-Za-z0-9._:@/=+-]{0,127}$/.test(trace.traceId)) unsafe++;
    }
    expect(unsafe).toBe(0);
    expect(taken).toBeGreaterThan(1000);
  },
);
