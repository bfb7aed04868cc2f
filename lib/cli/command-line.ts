import type { CliIo } from './cli-io.js';
import { runConfig } from './config.js';
import { runDev } from './dev.js';
import { runLocks } from './locks.js';
import { ValidationError } from '../errors/validation.error.js';
import { InterruptedError } from './interruption.js';
import { runServices } from './services.js';
import { UsageError } from './usage.error.js';

const usage = `usage: im-infra <command> [...]

  config     get, set, push, pull, …: configuration
  services   ls, watch: what is registered
  locks      ls, watch, break: who holds and who waits
  dev        an etcd in memory, for development

\`im-infra <command> --help\` says more. Exit code 0: done, 1: failed, 2: wrong usage.
`;

const commands: Readonly<Record<string, (args: readonly string[], io: CliIo) => Promise<number>>> = {
  config: runConfig,
  services: runServices,
  locks: runLocks,
  dev: runDev,
};

/** Runs one command and returns its exit code: 0 done, 1 failed, 2 wrong usage. Never rejects. */
export async function runCommandLine(args: readonly string[], io: CliIo): Promise<number> {
  const [name = '--help', ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') {
    io.stdout(usage);
    return args.length === 0 ? 2 : 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    io.stderr(`im-infra: there is no command "${name}"\n\n${usage}`);
    return 2;
  }
  try {
    return await command(rest, io);
  } catch (error) {
    // Those that run until they are stopped (watch, dev) return by themselves; what else was stopped is not done.
    const stopped = io.signal.aborted && error === io.signal.reason;
    io.stderr(`im-infra ${name}: ${messageOf(stopped ? new InterruptedError() : error)}\n`);
    return error instanceof UsageError || error instanceof ValidationError ? 2 : 1;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
