import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../lib/cli/command-line.js';
import { freePorts } from '../../../lib/testing/free-port.js';
import { EtcdProcess } from '../../../lib/testing/index.js';
import { onPath } from '../../../lib/testing/on-path.js';
import { Authority } from '../../support/certificates.js';
import { recordedIo } from '../../unit/cli/recorded-io.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { WireClient } from '../testing/wire-client.js';

const commands = [
  ['services', 'ls'],
  ['locks', 'ls'],
  ['config', 'ls'],
];

async function run(args: string[], env: Record<string, string> = {}) {
  const io = recordedIo(env);
  return { code: await runCommandLine(args, io), err: io.err };
}

describe.each(await etcdKinds())('the commands on an etcd that wants a user (%s)', (kind) => {
  let etcd: EtcdUnderTest;
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    const root = new WireClient(etcd.endpoints[0]!);
    await root.call('Auth', 'UserAdd', { name: 'root', password: 'secret' });
    await root.call('Auth', 'UserGrantRole', { user: 'root', role: 'root' });
    await root.call('Auth', 'AuthEnable', {});
    root.close();
  });
  afterAll(() => etcd.stop());

  it.each(commands)('%s %s: --user, and its password from the environment', async (...words) => {
    const at = [...words, '--endpoints', etcd.endpoints.join(',')];
    expect(await run([...at, '--user', 'root'], { ETCD_PASSWORD: 'secret' })).toEqual({ code: 0, err: '' });
    expect(await run(at, { ETCD_USER: 'root', ETCD_PASSWORD: 'secret' })).toEqual({ code: 0, err: '' });
    const wrong = await run([...at, '--user', 'root'], { ETCD_PASSWORD: 'guessed' });
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain('etcd refused the user or the password');
    expect(wrong.err).not.toContain('guessed');
  });
});

const possible = onPath('etcd') !== undefined && onPath('openssl') !== undefined;

describe.skipIf(!possible)('the commands on an etcd that wants certificates', () => {
  it('--cacert, --cert and --key are those of the client', async () => {
    const authority = new Authority();
    const [server, client] = [authority.issue('IP:127.0.0.1'), authority.issue('DNS:client')];
    const [port] = await freePorts(1);
    const url = `https://127.0.0.1:${port}`;
    const etcd = await EtcdProcess.start({
      args: [
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--cert-file=${server.cert}`,
        `--key-file=${server.key}`,
        '--client-cert-auth',
        `--trusted-ca-file=${authority.ca}`,
      ],
    });
    const tls = ['--cacert', authority.ca, '--cert', client.cert, '--key', client.key];
    for (const words of commands) {
      expect(await run([...words, '--endpoints', url, ...tls])).toEqual({ code: 0, err: '' });
    }
    expect((await run(['services', 'ls', '--endpoints', url])).code).toBe(1);
    await etcd.stop();
    authority.remove();
  });
});
