import { ValidationError } from '../errors/validation.error.js';
import { CHECKS, LIVE_CHECKS, checkOf, isRecord } from './clog.options.check.js';
import type { ClogOptions } from './clog.options.js';

/** What is wrong with one option: its path and what it takes, never its value. */
export interface LiveIssue {
  readonly path: string;
  readonly takes: string;
}

export interface LiveReading {
  /** The options that may change at run time. */
  readonly options: ClogOptions;
  /** Empty if the value is accepted. */
  readonly issues: readonly LiveIssue[];
  /** Names that have no effect: not an option, or one that only counts at the start. */
  readonly ignored: readonly string[];
}

/**
 * Reads a value of the configuration centre. One wrong option refuses the whole value; names without effect are
 * reported and left out, since services of other languages may share the key.
 */
export function readLiveOptions(value: unknown): LiveReading {
  if (!isRecord(value)) {
    return {
      options: {},
      issues: [{ path: 'clog', takes: 'a JSON object with options of logging' }],
      ignored: [],
    };
  }
  const issues: LiveIssue[] = [];
  const ignored: string[] = [];
  const options: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(value)) {
    const check = checkOf(LIVE_CHECKS, name);
    if (check === undefined) {
      if (!Object.hasOwn(CHECKS, name)) ignored.push(name);
      continue;
    }
    const issue = issueOf(check, `clog.${name}`, each);
    if (issue === undefined) options[name] = each;
    else issues.push(issue);
  }
  return { options, issues, ignored };
}

function issueOf(
  check: (path: string, value: unknown) => unknown,
  path: string,
  value: unknown,
): LiveIssue | undefined {
  try {
    check(path, value);
    return undefined;
  } catch (error) {
    return issueFrom(error, path);
  }
}

/** The issue in a refusal, without the value that its message ends with. */
export function issueFrom(error: unknown, path: string): LiveIssue {
  if (!(error instanceof ValidationError)) return { path, takes: 'another value' };
  const takes = error.message.replace(/^.*? takes /s, '').replace(/, got .*$/s, '');
  return { path: error.argument, takes };
}
