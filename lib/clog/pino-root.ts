import { pino, type Logger, type LoggerOptions } from 'pino';
import { ValidationError } from '../errors/validation.error.js';
import { isError } from './error-record.js';
import type { ResolvedService } from '../options/service.js';
import type { ResolvedClogOptions } from './resolve-clog-options.js';
import type { Sink } from './sink.js';
import { tame } from './tame.js';

/**
 * The pino root of one application. Level names instead of numbers: they are cached by pino, so they cost nothing,
 * and every log store reads them. The root lets everything through; levels are set on the namespaces below it.
 *
 * @throws ValidationError if pino refuses `redact` or the options in `pino`.
 */
export function createPinoRoot(
  { name, version }: Pick<ResolvedService, 'name' | 'version'>,
  { pino: own, redact }: ResolvedClogOptions,
  sink: Sink,
): Logger {
  const settings: LoggerOptions = {
    ...own,
    // Not `version`, which is what half of all records call something else.
    base: { ...own.base, service: name, ...(version !== undefined && { service_version: version }) },
    level: 'trace',
    formatters: { level: (label) => ({ level: label }), ...own.formatters },
    serializers: { err: serializeError, ...own.serializers },
    ...(redact.length > 0 && { redact: redactBoth(redact, own.redact) }),
  };
  try {
    return pino(settings, sink);
  } catch (error) {
    throw new ValidationError(
      redact.length > 0 ? 'clog.redact' : 'clog.pino',
      `what pino takes: ${error instanceof Error ? error.message : String(error)}`,
      redact.length > 0 ? redact : own,
    );
  }
}

/** The paths of `clog.redact` and of `clog.pino.redact`, with what the latter says of their values. */
function redactBoth(paths: readonly string[], own: LoggerOptions['redact'] = []): LoggerOptions['redact'] {
  if (Array.isArray(own)) return { paths: [...own, ...paths], censor: '[Redacted]' };
  return { censor: '[Redacted]', ...own, paths: [...own.paths, ...paths] };
}

/** The `err` field. pino-http hands on an error that it has serialized already; the original is in `raw`. */
export function serializeError(error: unknown): unknown {
  if (isError(error)) return tame(error);
  const raw = typeof error === 'object' && error !== null && 'raw' in error ? error.raw : undefined;
  return isError(raw) ? tame(raw) : error;
}
