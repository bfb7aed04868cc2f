import { beforeEach, describe, expect, it } from 'vitest';
import { EndpointFailures } from '../../../lib/coord/etcd/endpoint-failures.js';
import { RpcFailure } from '../../../lib/coord/etcd/rpc-failure.js';

const [a, b] = ['a:2379', 'b:2379'].map((address) => ({ address, secure: false }));
const REFUSED = '14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED b:2379';
const WRONG_PASSWORD = '3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password';
const EXPIRED = '14 UNAVAILABLE: No connection established. Last error: certificate has expired';

describe('the failures of endpoints', () => {
  let failures: EndpointFailures;
  beforeEach(() => {
    failures = new EndpointFailures([a!, b!]);
  });
  const note = (endpoint: typeof a, message: string) =>
    failures.note(endpoint!, new RpcFailure(new Error(message)));

  it('are hopeless once one member refuses the password, whatever the others do', () => {
    note(a, WRONG_PASSWORD);
    expect(failures.hopeless()?.message).toMatch(/a:2379 \(etcd refused the user or the password/);
    note(b, REFUSED);
    expect(failures.hopeless()?.message).toMatch(/ECONNREFUSED/);
    failures.clear();
    expect(failures.hopeless()).toBeUndefined();
  });

  it('of one member alone are hopeless only when all have such', () => {
    note(a, EXPIRED);
    expect(failures.hopeless()).toBeUndefined();
    note(b, REFUSED);
    expect(failures.hopeless()).toBeUndefined();
    note(b, EXPIRED);
    expect(failures.hopeless()).toBeDefined();
  });
});
