import { describe, expect, it } from 'vitest';
import { publicSurface } from './public-surface.js';

const entries = [
  { entry: 'im-infra', file: 'lib/index.ts', load: () => import('../../../lib/index.js') },
  {
    entry: 'im-infra/testing',
    file: 'lib/testing/index.ts',
    load: () => import('../../../lib/testing/index.js'),
  },
];

/** A wanted change: `npx vitest run test/unit/architecture -u`, and the diff of the snapshot belongs to the review. */
describe('the public surface', { timeout: 60_000 }, () => {
  const surface = publicSurface(entries.map(({ file }) => file));

  it.each(entries)('of $entry is what the snapshot says', async ({ entry, file }) => {
    const text = (surface.get(file) ?? []).map(({ declaration }) => declaration).join('\n\n');
    await expect(`// The public surface of ${entry}.\n\n${text}\n`).toMatchFileSnapshot(
      `api/${entry.replace('/', '-')}.d.ts.txt`,
    );
  });

  it.each(entries)('of $entry holds at run time', async ({ file, load }) => {
    const promised = (surface.get(file) ?? []).filter(({ value }) => value).map(({ name }) => name);
    expect(Object.keys(await load()).sort()).toEqual(promised.sort());
  });
});
