import { prettyFactory } from 'pino-pretty';
import type { LineFormat } from './sink.js';

/** Control characters, other than the line break, and what terminals and people take for one. */
const CONTROL = /[^\P{Cc}\n]|[\u2028\u2029]/gu;

/**
 * Text for people: time, level, namespace or context, message, the fields as JSON on the same line; errors below it.
 * The formatter of pino-pretty, in this process: no worker, nothing to flush.
 */
export function consoleFormat(colorize: boolean): LineFormat {
  const pretty = prettyFactory({
    colorize,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'service,service_version,namespace,context,pid,hostname',
    messageFormat: (record, messageKey) => {
      const from = record['context'] ?? record['namespace'];
      return `[${shown(from)}] ${shown(record[messageKey] ?? '')}`;
    },
  });
  return (line) => pretty(line) ?? line;
}

/**
 * Text that cannot pass itself off as a line of its own, nor move the cursor: control characters are shown as such, a
 * line break indents what follows it.
 */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text
    .replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replaceAll('\n', '\n    ');
}
