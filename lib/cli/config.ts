import type { CliIo } from './cli-io.js';
import { CONFIG_USAGE, readConfigFlags } from './config-flags.js';
import { KEY_VERBS } from './config-keys.js';
import { ConfigStore } from './config-store.js';
import { SYNC_VERBS } from './config-sync.js';
import { UsageError } from './usage.error.js';

const verbs = { ...KEY_VERBS, ...SYNC_VERBS };

/** `im-infra config`: values by key, and folders of files to keys and back. */
export async function runConfig(args: readonly string[], io: CliIo): Promise<number> {
  const flags = readConfigFlags(args, io.env);
  if (flags.help) {
    io.stdout(CONFIG_USAGE);
    return 0;
  }
  const [name = '', ...words] = flags.words;
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (!verb) throw new UsageError(CONFIG_USAGE);
  const [least, most] = verb.words;
  if (words.length < least || words.length > most) throw new UsageError(CONFIG_USAGE);
  await using store = await ConfigStore.open(flags, io);
  await verb.run(store, words, flags, io);
  return 0;
}
