import { channel } from 'node:diagnostics_channel';
import { type Logger, pino } from 'pino';
import { type Fields, isOwnName } from './line-fields.js';
import type { LineLevel } from './log-level.js';
import type { ResolvedClogOptions } from './resolve-clog-options.js';
import type { Sink } from './sink.js';

const { symbols } = pino;
/** What a pino logger keeps ready for its lines; the contract tests and {@link writesFlatLines} hold it to that. */
const LEVELS: typeof symbols.lsCacheSym = symbols.lsCacheSym;
const BINDINGS: typeof symbols.chindingsSym = symbols.chindingsSym;
const TIME: typeof symbols.timeSym = symbols.timeSym;
const AS_JSON: typeof symbols.asJsonSym = symbols.asJsonSym;
const MIXIN: typeof symbols.mixinSym = symbols.mixinSym;
const STREAM: typeof symbols.streamSym = symbols.streamSym;

interface PinoState {
  readonly [LEVELS]: Readonly<Record<LineLevel, string>>;
  readonly [BINDINGS]: string;
  [TIME](): string;
  [AS_JSON](fields: Fields, message: string, level: LineLevel, time: string): string;
  readonly [MIXIN]: unknown;
  readonly [STREAM]: unknown;
}
const stateOf = (logger: Logger): PinoState => logger as unknown as PinoState;

/** Where pino shows its lines to who traces the process, who may want to change them. */
const serializing = channel('tracing:pino_asJson:start');

/**
 * The line that pino would write, if all fields are strings, numbers and booleans: most lines. To look at every field
 * before pino does so again costs a tenth of a line; done in one pass, the line costs less than pino's.
 *
 * @returns `undefined` if a field needs care or pino itself.
 */
export function flatLine(
  logger: Logger,
  level: LineLevel,
  message: string,
  fields: Fields | undefined,
): string | undefined {
  const state = stateOf(logger);
  const line = state[LEVELS][level] + state[TIME]() + state[BINDINGS];
  const shown = fields === undefined ? '' : flatFields(fields);
  return shown === undefined || serializing.hasSubscribers
    ? undefined
    : `${line}${shown},"msg":${quoted(message)}}\n`;
}

function flatFields(fields: Fields): string | undefined {
  if (Object.getPrototypeOf(fields) !== Object.prototype) return undefined;
  let text = '';
  for (const key in fields) {
    if (isOwnName(key)) return undefined;
    const value = fields[key];
    if (typeof value === 'string') text += `,${quoted(key)}:${quoted(value)}`;
    else if (typeof value === 'number') text += `,${quoted(key)}:${Number.isFinite(value) ? value : 'null'}`;
    else if (typeof value === 'boolean') text += `,${quoted(key)}:${value}`;
    else return undefined;
  }
  return text;
}

/** Up to here looking at each character is faster than asking JSON. */
const SHORT = 100;

function quoted(text: string): string {
  const { length } = text;
  if (length > SHORT) return JSON.stringify(text);
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    // Control characters, `"`, `\` and what may be half of a character.
    if (code < 32 || code === 34 || code === 92 || code >= 0xd800) return JSON.stringify(text);
  }
  return `"${text}"`;
}

/** The options of pino that do not change what a flat line is made of. */
const HARMLESS = new Set(['base', 'timestamp']);
const PROBE = { text: 'a "b"\n\u00e9', number: -1.5, none: NaN, flag: true };

/**
 * Whether lines of this root may be made by {@link flatLine}: not if the application, or an instrumentation, asked pino
 * for more, nor if this pino writes other lines than we would.
 */
export function writesFlatLines(
  root: Logger,
  { pino: own, redact }: ResolvedClogOptions,
  sink: Sink,
): boolean {
  const state = stateOf(root);
  if (redact.length > 0 || Object.keys(own).some((name) => !HARMLESS.has(name))) return false;
  if (state[MIXIN] !== undefined || state[STREAM] !== sink) return false;
  try {
    const frozen = Object.assign(Object.create(root) as Logger, { [TIME]: () => ',"time":0' });
    const line = state[AS_JSON](PROBE, 'm', 30, ',"time":0');
    return flatLine(frozen, 30, 'm', PROBE) === line;
  } catch {
    return false;
  }
}
