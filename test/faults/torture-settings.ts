import { SeededRandom } from '../../lib/testing/index.js';

/** How long a torture runs, and with which luck: `IM_TORTURE_SECONDS=600 IM_TORTURE_SEED=42 npx vitest run torture`. */
export const torture = {
  seconds: Number(process.env['IM_TORTURE_SECONDS'] ?? 30),
  seed: Number(process.env['IM_TORTURE_SEED'] ?? new SeededRandom().seed),
};
