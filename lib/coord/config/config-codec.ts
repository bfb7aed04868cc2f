import { parse, stringify } from 'yaml';
import { ValidationError } from '../../errors/validation.error.js';
import { isSchema, revealAll } from './secret.js';

/** How a value is written in etcd. Both functions may throw; what they throw never reaches a log, it may hold the value. */
export interface ConfigCodec {
  /** Shown in messages: 'is not JSON'. */
  readonly name: string;
  encode(value: unknown): string | Buffer;
  decode(bytes: Buffer): unknown;
}

export type ConfigCodecOption = 'json' | 'text' | 'yaml' | ConfigCodec;

const strict = new TextDecoder('utf-8', { fatal: true });

const json: ConfigCodec = {
  name: 'JSON',
  encode: (value) => {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError('JSON has no undefined, function or symbol');
    return text;
  },
  decode: (bytes) => JSON.parse(strict.decode(bytes)) as unknown,
};

const text: ConfigCodec = {
  name: 'text',
  encode: (value) => {
    if (typeof value !== 'string') throw new TypeError('the text codec takes a string');
    return value;
  },
  decode: (bytes) => strict.decode(bytes),
};

const yaml: ConfigCodec = {
  name: 'YAML',
  encode: (value) => stringify(value),
  decode: (bytes) => {
    const source = strict.decode(bytes);
    // maxAliasCount bounds what "a billion laughs" can grow to.
    const value = parse(source, { maxAliasCount: 100, logLevel: 'error' }) as unknown;
    // An alias inside of its own anchor makes a value without an end; this throws then.
    if (source.includes('*')) JSON.stringify(value);
    return value;
  },
};

/** What says why without a value: of anything else one cannot know. */
const SAFE =
  /^(JSON has no undefined, function or symbol|the text codec takes a string|Converting circular structure to JSON|Do not know how to serialize a BigInt)$/;

const BUILT_IN = { json, text, yaml } as const;

/** The codec that an option means. @default JSON */
export function resolveCodec(option: ConfigCodecOption | undefined, argument = 'codec'): ConfigCodec {
  if (option === undefined) return json;
  if (typeof option === 'string' && Object.hasOwn(BUILT_IN, option)) return BUILT_IN[option];
  if (
    typeof option === 'object' &&
    typeof (option as Partial<ConfigCodec> | null)?.encode === 'function' &&
    typeof option.decode === 'function'
  ) {
    return option;
  }
  throw new ValidationError(argument, "'json', 'text', 'yaml' or { name, encode, decode }", option);
}

/** The bytes to write. Throws a {@link ValidationError} without the value: it may be a secret. */
export function encodeValue(codec: ConfigCodec, value: unknown): string | Buffer {
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol' || isSchema(value)) {
    throw new ValidationError('value', `what ${codec.name} can express; to remove a key, delete it`);
  }
  try {
    return codec.encode(revealAll(value));
  } catch (error) {
    if (error instanceof ValidationError) throw error;
    const said = error instanceof Error ? error.message.split('\n')[0]! : '';
    throw new ValidationError(
      'value',
      `what ${codec.name} can express${SAFE.test(said) ? ` (${said})` : ''}`,
    );
  }
}
