import { parseArgs } from 'node:util';
import type { CliIo } from './cli-io.js';
import { COMMON_FLAGS_HELP, CONNECTION_FLAGS, type ConnectionFlags, readConnection } from './flags.js';
import { UsageError } from './usage.error.js';

export const CONFIG_USAGE = `usage: im-infra config get <key>                 a value
       im-infra config set <key> <value>         write JSON; "-" reads it from stdin
       im-infra config delete <key>
       im-infra config ls [prefix]               keys and versions
       im-infra config watch [key or prefix]     what there is, then every change until Ctrl-C
       im-infra config history <key>             the last values of a key that is written with --history
       im-infra config rollback <key> <version>  one of them again
       im-infra config diff <dir>                what push would change
       im-infra config push <dir>                files {env}/{service}/{component}.json to keys
       im-infra config pull <dir>                keys to files

Keys are '/config/dev/orders/db' or, shorter, 'dev/orders/db'. Files may be .json, .yaml, .yml (stored as JSON) or .txt
(stored as it is). push writes each service in one transaction, and only if nobody else wrote it meanwhile. etcd takes 128
operations in one, a key being one of them, or three with --history.

What stands under a telling name ('password', 'token', 'apiKey') is not shown; nor is what --secret names. Which fields a
schema makes secrets only the service knows: name their keys.

  --env <env>                   push, pull, diff: only this environment
  --service <name>              push, pull, diff: only this service
  --delete                      push, diff: delete keys that have no file, of services that have one
  --dry-run                     push: only show what would change
  --yes                         push: do not ask
  --if-version <version>        set: only if the key has this version (0: does not exist)
  --text                        get, set: the value is a text, not JSON
  --secret <pattern>            keys whose values are not shown, such as '/config/*/vault/*'; may be given several times
                                (default: the variable IM_INFRA_SECRETS, patterns with commas between them)
  --reveal                      get, diff, push, watch: show secrets
  --history                     set, delete, push: keep the values before (a ring of 20)
  --author <name>               whose write it is  (default: the variable USER)
  --reason <text>               why
  --prefix <path>               where the configuration lives  (default: /config)
${COMMON_FLAGS_HELP}`;

/** Put before a negative number on its way through parseArgs, which would take it for a flag. */
const NEGATIVE = '\u0000';

export interface ConfigFlags {
  readonly words: readonly string[];
  readonly connection: ConnectionFlags;
  readonly prefix: string;
  readonly env?: string;
  readonly service?: string;
  readonly ifVersion?: bigint;
  readonly author?: string;
  readonly reason?: string;
  /** Patterns of the keys whose values are secrets. */
  readonly secrets: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
  readonly delete: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly text: boolean;
  readonly reveal: boolean;
  readonly history: boolean;
}

/** @throws UsageError */
export function readConfigFlags(args: readonly string[], env: CliIo['env']): ConfigFlags {
  const { values, positionals } = parse(args);
  const author = values.author ?? env['USER'];
  return {
    words: positionals.map((each) => each.replace(NEGATIVE, '')),
    connection: readConnection(values, env),
    prefix: values.prefix ?? '/config',
    ...(values.env !== undefined && { env: values.env }),
    ...(values.service !== undefined && { service: values.service }),
    ...(values['if-version'] !== undefined && { ifVersion: toVersion(values['if-version']) }),
    ...(author !== undefined && { author }),
    ...(values.reason !== undefined && { reason: values.reason }),
    secrets: values.secret ?? split(env['IM_INFRA_SECRETS'] ?? ''),
    json: values.json ?? false,
    help: values.help ?? false,
    delete: values.delete ?? false,
    dryRun: values['dry-run'] ?? false,
    yes: values.yes ?? false,
    text: values.text ?? false,
    reveal: values.reveal ?? false,
    history: values.history ?? false,
  };
}

function split(list: string): string[] {
  return list
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** A version as people write it. @throws UsageError */
export function toVersion(text: string): bigint {
  if (/^\d{1,19}$/.test(text)) return BigInt(text);
  throw new UsageError(`a version is a number such as 42, got "${text}"`);
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: args.map((each) => (/^-\d/.test(each) ? `${NEGATIVE}${each}` : each)),
      allowPositionals: true,
      options: {
        ...CONNECTION_FLAGS,
        prefix: text,
        env: text,
        service: text,
        'if-version': text,
        author: text,
        reason: text,
        json: flag,
        help: { ...flag, short: 'h' },
        delete: flag,
        'dry-run': flag,
        yes: { ...flag, short: 'y' },
        text: flag,
        secret: { ...text, multiple: true },
        reveal: flag,
        history: flag,
      },
    });
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n\n${CONFIG_USAGE}`, { cause });
  }
}
