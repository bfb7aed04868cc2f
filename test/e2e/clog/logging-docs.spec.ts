import { afterAll, beforeAll, expect, it } from 'vitest';
import { ExampleFolder, examplesOf } from '../example-folder.js';
import { matches } from '../readme-examples.js';

const page = examplesOf('docs/logging.md');
let folder: ExampleFolder;

beforeAll(async () => {
  folder = await ExampleFolder.open(page);
});

afterAll(() => folder.close());

it('compiles, all of it, under strict', () => {
  expect(page.unmarked).toEqual([]);
  expect(folder.compile()).toEqual([]);
});

it.each(page.examples)('runs: $name', async ({ name, output }) => {
  const { code, output: printed } = await folder.run(name);
  expect(code, printed).toBe(0);
  expect(matches(output ?? '', printed), printed).toBe(true);
});
