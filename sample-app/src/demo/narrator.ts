import { styleText } from 'node:util';

/** Tells what happens, with the seconds since the start in front, and remembers whether all of it was as it should be. */
export class Narrator {
  readonly #started = performance.now();
  #failed = 0;

  get failed(): number {
    return this.#failed;
  }

  title(text: string): void {
    this.#print(`\n${this.#paint('bold', text)}\n`);
  }

  say(text: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(5);
    this.#print(`${this.#paint('dim', `${seconds} s`)}  ${text}\n`);
  }

  /** A claim and whether it held; one that did not makes the demo fail. */
  check(claim: string, holds: boolean): void {
    if (!holds) this.#failed++;
    this.say(
      holds ? `${this.#paint('green', 'ok')}     ${claim}` : `${this.#paint('red', 'FAILED')} ${claim}`,
    );
  }

  fail(reason: string): void {
    this.check(reason, false);
  }

  table(columns: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    const all = [columns, ...rows].map((row) => row.map(String));
    const widths = columns.map((_, index) => Math.max(...all.map((row) => row[index]?.length ?? 0)));
    const numeric = columns.map((_, index) => rows.every((row) => typeof row[index] === 'number'));
    for (const [line, row] of all.entries()) {
      const cells = row.map((cell, index) =>
        numeric[index] ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
      );
      this.#print(`         ${cells.join('   ').trimEnd()}\n`);
      if (line === 0) this.#print(`         ${widths.map((width) => '-'.repeat(width)).join('   ')}\n`);
    }
  }

  #paint(style: 'bold' | 'dim' | 'green' | 'red', text: string): string {
    return process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? styleText(style, text) : text;
  }

  #print(text: string): void {
    process.stdout.write(text);
  }
}
