import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExampleFolder, examplesOf } from './example-folder.js';
import { matches, ownLines, readExamples } from './readme-examples.js';

const page = examplesOf('README.md');
const { examples } = page;

describe('the code of the README', () => {
  let folder: ExampleFolder;

  beforeAll(async () => {
    folder = await ExampleFolder.open(page);
  });

  afterAll(() => folder.close());

  it('is marked, all of it, to be compiled here', () => {
    expect(page.unmarked).toEqual([]);
    expect(examples.length).toBeGreaterThan(5);
  });

  it('begins with a quick start of at most 12 lines', () => {
    const quickStart = examples.find(({ name }) => name === 'quick-start');
    expect(ownLines(quickStart?.code ?? '').length).toBeLessThanOrEqual(12);
    expect(quickStart?.output).toBeDefined();
  });

  it('compiles under strict', () => {
    expect(folder.compile()).toEqual([]);
  });

  it.each(examples.filter(({ typesOnly }) => !typesOnly))('runs: $name', async ({ name, output }) => {
    const ended = await folder.run(name);
    expect(ended.code, ended.output).toBe(0);
    if (output !== undefined) expect(matches(folder.real(output), ended.output), ended.output).toBe(true);
  });
});

describe('the reader of examples', () => {
  it('tells examples, their output, files and unmarked code apart', () => {
    const text = [
      '<!-- example: one -->\n\n```ts\na();\n```\n\n```text\n1\n```',
      '<!-- file: x/y.proto -->\n\n```proto\nsyntax\n```',
      '<!-- example: two types-only -->\n\n```ts\nb();\n```',
      '```ts\nc();\n```',
      '```sh\nls\n```',
    ].join('\n\n');
    expect(readExamples(text)).toEqual({
      examples: [
        { name: 'one', code: 'a();\n', output: '1\n', typesOnly: false },
        { name: 'two', code: 'b();\n', output: undefined, typesOnly: true },
      ],
      files: new Map([['x/y.proto', 'syntax\n']]),
      unmarked: ['c();\n'],
    });
  });

  it('takes … for anything and nothing else for anything', () => {
    expect(matches('a … c\n', 'a b c\n')).toBe(true);
    expect(matches('a.c', 'abc')).toBe(false);
    expect(matches('a', 'a\nb')).toBe(false);
  });
});
