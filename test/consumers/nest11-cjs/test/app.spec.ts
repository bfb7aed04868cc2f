import { smoke } from '../src/app';

test('a CommonJS application under jest logs, locks, finds and calls', async () => {
  await expect(smoke()).resolves.toBeUndefined();
});
