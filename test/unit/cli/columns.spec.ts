import { expect, it } from 'vitest';
import { columns } from '../../../lib/cli/columns.js';

it('makes each column as wide as its widest cell and leaves no space at the end', () => {
  expect(
    columns(
      ['A', 'LONG', 'B'],
      [
        ['xyz', '1', ''],
        ['', '2', 'b'],
      ],
    ),
  ).toBe('A     LONG   B\nxyz   1\n      2      b\n');
});
