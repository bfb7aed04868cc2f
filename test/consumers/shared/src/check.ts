/** Says what holds; throws at what does not. */
export function check(what: string, holds: boolean): void {
  if (!holds) throw new Error(`does not hold: ${what}`);
  process.stdout.write(`  ok ${what}\n`);
}
