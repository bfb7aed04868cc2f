import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../lib/cli/command-line.js';
import { recordedIo } from './recorded-io.js';

describe('the command line', () => {
  it('says what there is when it is asked for help, with 0', async () => {
    const io = recordedIo();
    expect(await runCommandLine(['--help'], io)).toBe(0);
    expect(io.out).toContain('usage: im-infra <command>');
  });

  it('says the same without any command, with 2', async () => {
    const io = recordedIo();
    expect(await runCommandLine([], io)).toBe(2);
    expect(io.out).toContain('usage: im-infra <command>');
  });

  it.each(['frobnicate', 'toString', '__proto__'])('refuses the unknown command %s with 2', async (name) => {
    const io = recordedIo();
    expect(await runCommandLine([name], io)).toBe(2);
    expect(io.err).toContain(`there is no command "${name}"`);
    expect(io.out).toBe('');
  });

  it.each(['config', 'dev', 'locks', 'services'])('%s explains itself with 0', async (name) => {
    const io = recordedIo();
    expect(await runCommandLine([name, '--help'], io)).toBe(0);
    expect(io.out).toContain(`im-infra ${name}`);
    expect(io.out).toContain('--json');
    expect(io.out).toContain('--endpoints');
  });

  it.each([
    [['services'], 'usage: im-infra services'],
    [['services', 'rm'], 'usage: im-infra services'],
    [['services', 'ls', '--colour'], "Unknown option '--colour'"],
    [['services', 'ls', 'a/b'], 'name takes a name'],
    [['services', 'ls', '--endpoints', 'nowhere:port'], 'coord.endpoints'],
    [['services', 'ls', '--cacert', '/no/such/file'], 'coord.tls.ca'],
    [['locks', 'ls', '--cert', '/no/such/file'], 'coord.tls takes `cert` and `key` together'],
    [['config', 'ls', '--cacert', '/no/such/file'], 'coord.tls.ca'],
    [['dev', '--port', 'http'], '--port takes a port'],
    [['dev', '--endpoints', '10.0.0.1:2379'], '--endpoints takes one address of this machine'],
    [['dev', '--endpoints', 'localhost:99999'], '--endpoints takes a port'],
    [['dev', '--endpoints', 'localhost:2379', '--port', '2379'], 'not both'],
  ])('%j is wrong usage: 2, and says why', async (args, why) => {
    const io = recordedIo();
    expect(await runCommandLine(args, io)).toBe(2);
    expect(io.err).toContain(why);
  });
});
