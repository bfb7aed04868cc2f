import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8');
const surface = read('api/im-infra.d.ts.txt');

/** The names in the first column of the table, whole: `clog.level`, `levels` are clog.level and clog.levels. */
const shown = read('../../../README.md')
  .split('\n')
  .flatMap((line) => {
    const names = [...(/^\| ([^|]*)\|/.exec(line)?.[1] ?? '').matchAll(/`([\w.]+)`/g)].map(
      ([, name]) => name!,
    );
    const group = names[0]?.split('.')[0];
    return names.map((name) => (name.includes('.') ? name : `${group}.${name}`));
  });

/** The fields of an exported interface. */
function fieldsOf(name: string): string[] {
  const body = new RegExp(`^export interface ${name} \\{\\n(.*?)^\\}`, 'ms').exec(surface)![1]!;
  return [...body.matchAll(/^ {4}readonly (\w+)/gm)].map(([, field]) => field!);
}

describe("the README's table of options", () => {
  it.each([
    ['service', 'ServiceOptions'],
    ['clog', 'ClogOptions'],
    ['coord', 'CoordOptions'],
    ['register', 'RegisterOptions'],
  ])('has every option of %s', (group, name) => {
    // `until` is for live options, docs/logging.md has it.
    const options = fieldsOf(name).filter((field) => field !== 'until');
    expect(options.length).toBeGreaterThan(0);
    expect(shown).toEqual(expect.arrayContaining(options.map((option) => `${group}.${option}`)));
  });
});
