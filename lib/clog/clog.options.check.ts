import { ValidationError } from '../errors/validation.error.js';
import { checkOneOf, checkString } from '../options/check.js';
import { checkLevel } from './log-level.js';
import { patternPrefix } from './namespace.js';
import { checkUntil } from './until.js';

type Check = (path: string, value: unknown) => unknown;

const bool: Check = (path, value) => {
  if (typeof value !== 'boolean') throw new ValidationError(path, 'true or false', value);
};

const within =
  (least: number, most: number, what: string): Check =>
  (path, value) => {
    if (typeof value === 'number' && value >= least && value <= most) return;
    throw new ValidationError(path, what, value);
  };

const whole: Check = (path, value) => {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 1e6) return;
  throw new ValidationError(path, 'an integer from 0 to 1000000; 0 keeps all', value);
};

type Checks = Readonly<Record<string, Check>>;

/** The check of an option; `constructor` and the like are not options. */
export function checkOf(checks: Checks, name: string): Check | undefined {
  return Object.hasOwn(checks, name) ? checks[name] : undefined;
}

const ROTATION: Checks = {
  // 1 KiB is less than some lines: each would get a file of its own, which is silly but works.
  maxSize: within(1 / 1024, 1024 * 1024, 'a size in MB, from 0.001 (1 KiB) to 1048576 (1 TiB)'),
  maxBackups: whole,
  maxAge: within(0, 36_500, 'an age in days, from 0 (kept for ever) to 36500'),
  compress: bool,
};

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function record(path: string, value: unknown, takes: string): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new ValidationError(path, takes, value);
}

/** The options that may change at run time, each with what it takes. */
export const LIVE_CHECKS: Checks = {
  level: checkLevel,
  levels(path, value) {
    for (const [pattern, level] of Object.entries(record(path, value, 'an object of levels by namespace'))) {
      patternPrefix(path, pattern);
      checkLevel(`${path}[${JSON.stringify(pattern)}]`, level);
    }
  },
  until: checkUntil,
  format: (path, value) => checkOneOf(path, value, ['json', 'console']),
  output(path, value) {
    if (checkString(path, value).includes('\0')) {
      throw new ValidationError(path, "'stdout', 'stderr' or the path of a file", value);
    }
  },
  addSource: bool,
  enableColor: bool,
  rootPath: checkString,
  rotation(path, value) {
    if (value === null) return;
    for (const [name, each] of Object.entries(
      record(path, value, 'an object, { maxSize, maxBackups, … }, or null'),
    )) {
      const check = checkOf(ROTATION, name);
      if (check === undefined) throw unknown(`${path}.${name}`, ROTATION);
      if (each !== undefined) check(`${path}.${name}`, each);
    }
  },
};

/** All options, each with what it takes. */
export const CHECKS: Checks = {
  ...LIVE_CHECKS,
  redact(path, value) {
    if (!Array.isArray(value)) throw new ValidationError(path, 'a list of paths', value);
    for (const [at, each] of value.entries()) checkString(`${path}[${at}]`, each);
  },
  watch: bool,
  pino(path, value) {
    const { transport, level } = record(path, value, 'an object with options of pino');
    if (transport !== undefined) {
      throw new ValidationError(`${path}.transport`, 'nothing: the lines go to clog.output', transport);
    }
    if (level !== undefined) {
      throw new ValidationError(`${path}.level`, 'nothing: the level is that of clog.level', level);
    }
  },
  pinoHttp(path, value) {
    if (value !== false) record(path, value, 'an object with options of pino-http, or false');
  },
};

/** The refusal of a name that no option has. */
export function unknown(path: string, known: Checks): ValidationError {
  return new ValidationError(path, `nothing; the options there are: ${Object.keys(known).join(', ')}`);
}
