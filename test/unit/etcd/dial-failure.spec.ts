import { describe, expect, it } from 'vitest';
import { explainDial } from '../../../lib/coord/etcd/dial-failure.js';
import { RpcFailure } from '../../../lib/coord/etcd/rpc-failure.js';

const explain = (reason: string) => explainDial(new RpcFailure(new Error(`14 UNAVAILABLE: ${reason}`)));
const dropped = (error: string) => `No connection established. Last error: ${error}. Resolution note: `;

describe('a failed dial says', () => {
  it.each([
    [
      'etcdserver: authentication failed, invalid user ID or password',
      /check coord\.username and coord\.password/,
    ],
    [dropped('unable to verify the first certificate'), /trusted authority \(check coord\.tls\.ca\)/],
    [dropped('self-signed certificate in certificate chain'), /trusted authority/],
    [dropped('certificate has expired'), /has expired/],
    [dropped("Hostname/IP does not match certificate's altnames: IP: 127.0.0.1"), /another host name/],
    [dropped('ssl/tls alert bad certificate'), /check coord\.tls\.cert and coord\.tls\.key/],
    [dropped('wrong version number'), /use http:\/\//],
  ])('what to change: %s', (reason, text) => {
    expect(explain(reason)).toMatchObject({ permanent: true, text: expect.stringMatching(text) });
  });

  it('that the server may not speak TLS, which a cut connection looks like too', () => {
    const said = dropped('Client network socket disconnected before secure TLS connection was established');
    expect(explain(said)).toMatchObject({
      permanent: false,
      text: expect.stringMatching(/does it speak TLS/),
    });
  });

  it('only what the socket said when waiting may help', () => {
    expect(explain(dropped('connect ECONNREFUSED 127.0.0.1:2379'))).toEqual({
      permanent: false,
      clusterWide: false,
      text: 'connect ECONNREFUSED 127.0.0.1:2379',
    });
  });
});
