import { LEVEL_VALUES, type LogLevel } from './log-level.js';

const OF_NEST: Readonly<Record<string, LogLevel>> = {
  verbose: 'trace',
  debug: 'debug',
  log: 'info',
  warn: 'warn',
  error: 'error',
  fatal: 'fatal',
};

/** Nest lists the levels it wants to see; the most talkative of them is ours. An empty list means none. */
export function leastNestLevel(levels: readonly string[]): LogLevel {
  let least: LogLevel = 'silent';
  for (const name of levels) {
    const level = OF_NEST[name];
    if (level !== undefined && LEVEL_VALUES[level] < LEVEL_VALUES[least]) least = level;
  }
  return least;
}
