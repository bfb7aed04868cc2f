import { randomFillSync } from 'node:crypto';

/** 4 KiB of randomness at a time: one system call for 256 trace ids instead of one each. */
const POOL = Buffer.allocUnsafe(4096);
let used = POOL.length;

function randomHex(bytes: number): string {
  if (used + bytes > POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  const hex = POOL.toString('hex', used, used + bytes);
  used += bytes;
  return hex;
}

/** A new W3C trace id: 32 hex digits, never all zero. */
export function createTraceId(): string {
  const id = randomHex(16);
  return isW3cTraceId(id) ? id : createTraceId();
}

/** A new W3C span id: 16 hex digits, never all zero. */
export function createSpanId(): string {
  const id = randomHex(8);
  return isW3cSpanId(id) ? id : createSpanId();
}

export function isW3cTraceId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id) && id !== '00000000000000000000000000000000';
}

export function isW3cSpanId(id: string): boolean {
  return /^[0-9a-f]{16}$/.test(id) && id !== '0000000000000000';
}

/**
 * Whether an id that is not W3C's may be taken over, from `x-trace-id` or from a script: 1 to 128 letters, digits and
 * `. _ : @ / = + -`, nothing that could break a line, a header or a shell.
 */
export function isPlainTraceId(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._:@/=+-]{0,127}$/.test(id);
}
