import { isatty } from 'node:tty';
import { ValidationError } from '../errors/validation.error.js';
import { CHECKS, checkOf, isRecord, unknown } from './clog.options.check.js';
import type { ClogOptions, LogFormat, PinoHttpOptions, PinoOptions } from './clog.options.js';
import type { LevelEntry, LevelLayer } from './level-table.js';
import { patternPrefix } from './namespace.js';
import { checkUntil } from './until.js';

export interface ResolvedRotation {
  readonly maxSize: number;
  readonly maxBackups: number;
  readonly maxAge: number;
  readonly compress: boolean;
}

/** {@link ClogOptions}, checked and complete. */
export interface ResolvedClogOptions {
  readonly levels: LevelLayer;
  readonly format: LogFormat;
  readonly output: string;
  readonly addSource: boolean;
  readonly enableColor: boolean;
  readonly rootPath: string;
  readonly redact: readonly string[];
  readonly rotation: ResolvedRotation | undefined;
  readonly watch: boolean;
  readonly pino: PinoOptions;
  readonly pinoHttp: PinoHttpOptions | false;
}

/**
 * Checks and fills the options of logging.
 *
 * @throws ValidationError that names the option (`clog.level`), what it takes and what it got.
 */
export function resolveClogOptions(options: ClogOptions = {}, argument = 'clog'): ResolvedClogOptions {
  checkClogOptions(options, argument);
  const output = options.output ?? 'stdout';
  const terminal = isTerminal(output);
  const { rotation } = options;
  return {
    levels: new Map([['', { level: 'info' }], ...levelLayer(options)]),
    format: options.format ?? (terminal ? 'console' : 'json'),
    output,
    addSource: options.addSource ?? false,
    enableColor: options.enableColor ?? terminal,
    rootPath: options.rootPath ?? process.cwd(),
    redact: options.redact ?? [],
    rotation: rotation
      ? {
          maxSize: rotation.maxSize ?? 100,
          maxBackups: rotation.maxBackups ?? 10,
          maxAge: rotation.maxAge ?? 30,
          compress: rotation.compress ?? true,
        }
      : undefined,
    watch: options.watch ?? true,
    pino: options.pino ?? {},
    pinoHttp: options.pinoHttp ?? {},
  };
}

function checkClogOptions(options: unknown, argument: string): void {
  if (!isRecord(options))
    throw new ValidationError(argument, 'an object with the options of logging', options);
  for (const [name, value] of Object.entries(options)) {
    const check = checkOf(CHECKS, name);
    if (check === undefined) throw unknown(`${argument}.${name}`, CHECKS);
    if (value !== undefined) check(`${argument}.${name}`, value);
  }
}

/** The levels that checked options name, by prefix. */
export function levelLayer({ level, levels = {}, until }: ClogOptions): LevelLayer {
  const time = checkUntil('until', until);
  const end = time === undefined ? {} : { until: time };
  const layer = new Map<string, LevelEntry>();
  if (level !== undefined) layer.set('', { level, ...end });
  for (const [pattern, each] of Object.entries(levels)) {
    layer.set(patternPrefix('levels', pattern), { level: each, ...end });
  }
  return layer;
}

function isTerminal(output: string): boolean {
  return (output === 'stdout' && isatty(1)) || (output === 'stderr' && isatty(2));
}
