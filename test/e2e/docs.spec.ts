import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ExampleFolder, examplesOf } from './example-folder.js';
import { repository } from './run-node.js';

const context = readFileSync(join(repository, 'test/e2e/docs-context.ts.txt'), 'utf8');

it('the fragments of docs/ that are not run compile in the application around them', async () => {
  const pages = readdirSync(join(repository, 'docs'));
  const examples = pages.flatMap((page) =>
    examplesOf(`docs/${page}`).unmarked.map((fragment, index) => ({
      name: `${page}-${index + 1}`,
      code: `/// <reference path="context.ts" />\n${fragment}\nexport {};\n`,
      output: undefined,
      typesOnly: true,
    })),
  );
  expect(examples.length).toBeGreaterThan(12);
  const folder = await ExampleFolder.open({
    examples,
    files: new Map([['context.ts', context]]),
    unmarked: [],
  });
  const problems = folder.compile();
  await folder.close();
  expect(problems).toEqual([]);
});
