import type { LiveOutcome } from './clog-core.js';

/** What a report needs of a logger. */
interface Reporter {
  info(message: string, fields: Record<string, unknown>): void;
  warn(message: string, fields: Record<string, unknown>): void;
}

/** Tells of a change of the live options: names and what they take, never a value. */
export function reportOutcome(clog: Reporter, outcome: LiveOutcome): void {
  if (outcome.kind === 'same') return;
  if (outcome.kind === 'refused') {
    clog.warn('configuration of logging refused, the last good one stays', { issues: outcome.issues });
    return;
  }
  const { options, ignored } = outcome;
  clog.info('configuration of logging applied', { options });
  if (ignored.length > 0) clog.warn('configuration of logging names options that do not exist', { ignored });
}
