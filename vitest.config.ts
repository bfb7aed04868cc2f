import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Specs share one process per worker (`isolate: false`): booting Nest once costs 2 s, per file it would cost 20 s. */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^im-infra\/testing$/, replacement: here('./lib/testing/index.ts') },
      { find: /^im-infra$/, replacement: here('./lib/index.ts') },
    ],
  },
  test: {
    reporters: ['default', './test/summary-reporter.ts'],
    isolate: false,
    coverage: {
      include: ['lib/**'],
      reporter: ['text-summary', 'html'],
      // Decorator metadata emits branches that nobody can reach, hence no threshold on branches.
      thresholds: { lines: 85, functions: 85 },
    },
    projects: [
      // A limit for what hangs, not a measure: unit specs take milliseconds, but not on a machine that is busy elsewhere.
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.spec.ts'], testTimeout: 30_000, hookTimeout: 30_000 },
      },
      {
        extends: true,
        test: {
          name: 'contract',
          include: ['test/contract/**/*.spec.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.spec.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.spec.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
