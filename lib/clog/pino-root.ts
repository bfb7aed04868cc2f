import { pino, type Logger, type LoggerOptions } from 'pino';
import { ValidationError } from '../errors/validation.error.js';
import { isError } from './error-record.js';
import type { ResolvedClogOptions } from './resolve-clog-options.js';
import type { Sink } from './sink.js';
import { tame } from './tame.js';

/**
 * The pino root of one application. Level names instead of numbers: they are cached by pino, so they cost nothing,
 * and every log store reads them. The root lets everything through; levels are set on the namespaces below it.
 *
 * @throws ValidationError if pino refuses `redact` or the options in `pino`.
 */
export function createPinoRoot(service: string, options: ResolvedClogOptions, sink: Sink): Logger {
  const { level: _level, ...own } = options.pino;
  const settings: LoggerOptions = {
    ...own,
    base: { ...own.base, service },
    level: 'trace',
    formatters: { level: (label) => ({ level: label }), ...own.formatters },
    serializers: { err: serializeError, ...own.serializers },
    ...(options.redact.length > 0 && { redact: { paths: [...options.redact], censor: '[Redacted]' } }),
  };
  try {
    return pino(settings, sink);
  } catch (error) {
    const argument = options.redact.length > 0 ? 'clog.redact' : 'clog.pino';
    throw new ValidationError(
      argument,
      `what pino takes: ${error instanceof Error ? error.message : String(error)}`,
      options.redact.length > 0 ? options.redact : options.pino,
    );
  }
}

/** The `err` field. pino-http hands on an error that it has serialized already; the original is in `raw`. */
export function serializeError(error: unknown): unknown {
  if (isError(error)) return tame(error);
  const raw = typeof error === 'object' && error !== null && 'raw' in error ? error.raw : undefined;
  return isError(raw) ? tame(raw) : error;
}
