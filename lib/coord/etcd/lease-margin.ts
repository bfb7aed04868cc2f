/** Timers fire late and clocks drift: 5 % of the TTL, and never less than a busy event loop may need. In ms, like `ttl`. */
export function marginOf(ttl: number): number {
  return Math.max(250, ttl / 20);
}
