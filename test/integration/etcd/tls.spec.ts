import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CoordOptions } from '../../../lib/coord/coord.options.js';
import { EtcdProcess } from '../../../lib/testing/index.js';
import { freePorts } from '../../../lib/testing/free-port.js';
import { onPath } from '../../../lib/testing/on-path.js';
import { Authority, type Certificate } from '../../support/certificates.js';
import { openClient } from '../../support/open-client.js';

const possible = onPath('etcd') !== undefined && onPath('openssl') !== undefined;

describe.skipIf(!possible)('TLS to etcd (needs etcd and openssl on PATH)', () => {
  let authority: Authority;
  let stranger: Authority;
  let client: Certificate;
  const servers: EtcdProcess[] = [];
  beforeAll(() => {
    authority = new Authority();
    stranger = new Authority();
    client = authority.issue('DNS:client');
  }, 60_000);
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    authority?.remove();
    stranger?.remove();
  });

  async function serve({ cert, key }: Certificate, ...args: string[]): Promise<string> {
    const [port] = await freePorts(1);
    const url = `https://127.0.0.1:${port}`;
    const listen = [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`];
    const server = await EtcdProcess.start({
      args: [...listen, `--cert-file=${cert}`, `--key-file=${key}`, ...args],
    });
    servers.push(server);
    return url;
  }

  async function connect(endpoint: string, tls?: CoordOptions['tls']): Promise<string> {
    const opened = openClient([endpoint], { dialTimeout: 3_000, ...(tls && { tls }) });
    try {
      await opened.ready();
      return (await opened.commit({ success: [{ put: { key: 'tls', value: '' } }] })).succeeded
        ? 'connected'
        : '';
    } catch (error) {
      return (error as Error).message;
    } finally {
      await opened.close();
    }
  }

  it('connects with the authority that signed the server’s certificate', async () => {
    const endpoint = await serve(authority.issue('IP:127.0.0.1'));
    expect(await connect(endpoint, { ca: authority.ca })).toBe('connected');
    expect(await connect(endpoint.replace('https://', ''), { ca: authority.ca })).toBe('connected');
    expect(await connect(endpoint, { ca: stranger.ca })).toMatch(
      /not signed by a trusted authority \(check coord\.tls\.ca\)/,
    );
    expect(await connect(endpoint)).toMatch(/not signed by a trusted authority/);
  });

  it('says that a certificate is made for another host, or has expired', async () => {
    const wrongHost = await serve(authority.issue('DNS:etcd.example'));
    expect(await connect(wrongHost, { ca: authority.ca })).toMatch(/made for another host name/);
    const expired = await serve(authority.issue('IP:127.0.0.1', -1));
    expect(await connect(expired, { ca: authority.ca })).toMatch(/has expired/);
  });

  it('shows its own certificate where the server asks for one, and says when that is refused', async () => {
    const endpoint = await serve(
      authority.issue('IP:127.0.0.1'),
      '--client-cert-auth',
      `--trusted-ca-file=${authority.ca}`,
    );
    expect(await connect(endpoint, { ca: authority.ca, ...client })).toBe('connected');
    expect(await connect(endpoint, { ca: authority.ca })).toMatch(
      /the server refused the client certificate \(check coord\.tls\.cert/,
    );
    expect(await connect(endpoint, { ca: authority.ca, ...stranger.issue('DNS:client') })).toMatch(
      /the server refused the client certificate \(check coord\.tls\.cert/,
    );
  });

  it('says at once that a key is not that of the certificate, or none that it can read', () => {
    const open = (tls: CoordOptions['tls']) => () => openClient(['127.0.0.1:1'], { tls });
    const other = stranger.issue('DNS:client');
    expect(open({ cert: client.cert, key: other.key })).toThrow(
      /^coord\.tls\.key takes a private key .*not the key of the certificate/,
    );
    expect(open({ cert: client.cert, key: client.cert })).toThrow(/^coord\.tls\.key takes a private key/);
  });

  it('says that a server does not speak TLS', async () => {
    const plain = await EtcdProcess.start();
    servers.push(plain);
    expect(await connect(`https://${plain.endpoint}`, { ca: authority.ca })).toMatch(/does it speak TLS/);
  });
});
