import { defineConfig } from 'vitest/config';

/** Specs on real containers, `npm run test:e2e`; apart from `npm test`, because they need a container engine. */
export default defineConfig({
  test: {
    name: 'containers',
    include: ['test/containers/**/*.spec.ts'],
    reporters: ['default', './test/summary-reporter.ts'],
    fileParallelism: false,
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
