import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startEtcd } from '../../../lib/testing/index.js';
import { etcdKinds } from '../etcd-kinds.js';
import { WireClient } from './wire-client.js';

const kinds = await etcdKinds();
const VARIABLES = ['ETCD_ENDPOINTS', 'IM_ETCD', 'IM_ETCD_IMAGE', 'DOCKER_HOST', 'PATH'] as const;

describe('startEtcd', () => {
  const before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  beforeEach(() => {
    lines.length = 0;
    for (const name of VARIABLES.slice(0, 4)) delete process.env[name];
    process.env['DOCKER_HOST'] = 'unix:///nonexistent/engine.sock';
  });

  afterEach(() => {
    for (const name of VARIABLES) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });

  it.each(kinds)('starts the rung %s when told to, serves there, and says so', async (kind) => {
    await using etcd = await startEtcd({ kind, log });
    expect(etcd.kind).toBe(kind);
    const client = new WireClient(etcd.endpoints[0]!);
    await client.put({ key: 'a', value: '1' });
    client.close();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^etcd: ${kind}( \\(\\S+\\))? at 127\\.0\\.0\\.1:\\d+$`));
  });

  it('takes the rung that IM_ETCD names', async () => {
    process.env['IM_ETCD'] = 'embedded';
    await using etcd = await startEtcd({ log });
    expect(etcd.kind).toBe('embedded');
  });

  it('takes the endpoints that are given before all else, and leaves them alone', async () => {
    process.env['ETCD_ENDPOINTS'] = 'http://a:1, http://b:2';
    const etcd = await startEtcd({ log });
    expect(etcd).toMatchObject({ kind: 'external', endpoints: ['http://a:1', 'http://b:2'] });
    await etcd.stop();
  });

  it('falls down to the embedded one where there is nothing else', async () => {
    process.env['PATH'] = '';
    await using etcd = await startEtcd({ log });
    expect(etcd.kind).toBe('embedded');
    expect(lines).toEqual([
      `etcd: embedded at ${etcd.endpoints[0]}; no container: no engine answers; no binary: no etcd on PATH`,
    ]);
  });

  it('says why a container that was asked for was passed over', async () => {
    process.env['IM_ETCD_IMAGE'] = 'nobody/etcd:0';
    await using etcd = await startEtcd({ log });
    expect(lines[0]).toMatch(/^etcd: (binary|embedded).* at 127\.0\.0\.1:\d+; no container: \S/);
    expect(etcd.endpoints).toHaveLength(1);
  });

  it('says what is missing for the rung asked for', async () => {
    process.env['PATH'] = '';
    await expect(startEtcd({ kind: 'binary', log })).rejects.toThrow('there is no program etcd on PATH');
    await expect(startEtcd({ kind: 'external', log })).rejects.toThrow(/^ETCD_ENDPOINTS takes/);
    await expect(startEtcd({ kind: 'container', image: 'x', log })).rejects.toThrow(
      /^no etcd in a container/,
    );
    process.env['IM_ETCD'] = 'docker';
    await expect(startEtcd({ log })).rejects.toThrow(
      "IM_ETCD takes one of 'external', 'container', 'binary', 'embedded', got 'docker'",
    );
    expect(lines).toEqual([]);
  });

  it('says nothing if told so', async () => {
    await using etcd = await startEtcd({ kind: 'embedded', log: false });
    expect(etcd.endpoints).toHaveLength(1);
  });
});
