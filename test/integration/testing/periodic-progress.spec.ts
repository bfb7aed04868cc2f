import { describe, expect, it } from 'vitest';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { until } from '../../support/until.js';
import { collect, WireClient } from './wire-client.js';

describe('the periodic progress of EmbeddedEtcd', () => {
  it('tells a quiet watch that asked for it the newest revision, and no other', async () => {
    const etcd = await EmbeddedEtcd.start({ progressInterval: 20 });
    const client = new WireClient(etcd.endpoint);
    const { stream: asked, responses } = collect(client.watch(), { key: 'a', progressNotify: true });
    const { stream: other, responses: none } = collect(client.watch(), { key: 'a' });
    await until(() => responses.length > 0 && none.length === 1);
    const { header } = await client.put({ key: 'elsewhere', value: '' });
    await until(() => responses.some((each) => each.header.revision === header.revision));
    expect(responses[0]).toMatchObject({ created: true });
    expect(responses.at(-1)).toMatchObject({ watchId: '0', created: false, canceled: false, events: [] });

    // One who was told an event needs no progress in the same interval; the next is about the event's revision.
    const told = await client.put({ key: 'a', value: '' });
    await until(() => responses.at(-1)?.header.revision === told.header.revision);
    await until(() => responses.at(-1)?.events.length === 0);
    expect(none.filter(({ events, created }) => events.length === 0 && !created)).toEqual([]);
    for (const stream of [asked, other]) stream.cancel();
    client.close();
    await etcd.stop();
  });

  it('takes an interval that a timer can wait', async () => {
    await expect(EmbeddedEtcd.start({ progressInterval: 0 })).rejects.toThrow(/^progressInterval takes/);
  });
});
