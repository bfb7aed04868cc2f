import { connect, constants, createServer, type Http2Server, type Http2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { OutcomeUnknownError } from '../../../lib/errors/outcome-unknown.error.js';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { openClient } from '../../support/open-client.js';

let etcd: EmbeddedEtcd;
let hop: Http2Server;
let upstream: Http2Session;
const sessions = new Set<Http2Session>();
/** How many transactions are still to be run and answered with GOAWAY ENHANCE_YOUR_CALM. */
let strikes = 0;

/** A proxy that hands every call to etcd. */
beforeAll(async () => {
  etcd = await EmbeddedEtcd.start();
  const client = connect(`http://${etcd.endpoint}`);
  upstream = client;
  hop = createServer();
  hop.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
  });
  hop.on('stream', (stream, headers) => {
    const call = client.request(headers);
    for (const each of [stream, call]) each.on('error', () => undefined);
    stream.pipe(call);
    if (strikes > 0 && headers[':path']!.endsWith('/Txn')) {
      strikes--;
      call.resume();
      call.on('end', () => stream.session!.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM));
      return;
    }
    let trailers = {};
    call.on('trailers', (received) => (trailers = { ...received }));
    call.on('response', ({ ':status': status, 'content-type': type }) => {
      stream.respond({ ':status': status, 'content-type': type }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      call.pipe(stream);
    });
  });
  await new Promise<void>((resolve) => hop.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  for (const session of sessions) session.destroy();
  upstream.destroy();
  hop.close();
  await etcd.stop();
});

it('takes being told to calm down for a lost answer, not for a refusal, and repeats nothing', async () => {
  const client = openClient([`127.0.0.1:${(hop.address() as AddressInfo).port}`]);
  const direct = openClient([etcd.endpoint]);
  await Promise.all([client.ready(), direct.ready()]);
  strikes = 1;
  const writes = ['calm/a', 'calm/b'].map((key) => client.commit({ success: [{ put: { key, value: '' } }] }));
  for (const outcome of await Promise.allSettled(writes)) {
    expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(OutcomeUnknownError);
  }
  for (const key of ['calm/a', 'calm/b']) {
    expect((await direct.range({ key })).kvs[0]).toMatchObject({ key, version: 1n });
  }
  await Promise.all([client.close(), direct.close()]);
});
