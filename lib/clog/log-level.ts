import { checkOneOf } from '../options/check.js';

/** From the most talkative to none at all; a level lets through its own lines and those of all that follow it. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** pino's numbers. */
export const LEVEL_VALUES: Readonly<Record<LogLevel, number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: Infinity,
};

/** Throws a ValidationError that names `argument` and the levels there are. */
export function checkLevel(argument: string, value: unknown): LogLevel {
  return checkOneOf(argument, value, LOG_LEVELS);
}

/** The numbers of the levels that lines have. */
export type LineLevel = 10 | 20 | 30 | 40 | 50 | 60;

export const LEVEL_NAMES: Readonly<Record<LineLevel, Exclude<LogLevel, 'silent'>>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};
