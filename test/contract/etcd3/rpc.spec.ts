import { Server, ServerCredentials, type ServiceError, type UntypedHandleCall } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CALL, CallControl } from '../../../lib/coord/etcd/call-control.js';
import { Rpc } from '../../../lib/coord/etcd/rpc.js';
import { RpcFailure } from '../../../lib/coord/etcd/rpc-failure.js';
import { etcdService } from '../../../lib/testing/embedded/proto.js';

let server: Server;
let rpc: Rpc;
let received = 0;
/** The status that the next call ends with. */
let code: number;
beforeAll(async () => {
  server = new Server();
  const range: UntypedHandleCall = (_: unknown, answer: (error: Partial<ServiceError>) => void) => {
    received++;
    answer({ code, details: 'the spec says so' });
  };
  server.addService(etcdService('KV'), { Range: range });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  rpc = await Rpc.create({ hosts: `http://127.0.0.1:${port}` });
});
afterAll(() => {
  rpc.close();
  server.forceShutdown();
});

const failure = (options = {}): Promise<RpcFailure> =>
  rpc.range({ key: 'a' }, options).then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => new RpcFailure(error),
  );

it('takes a status that gRPC does not know for UNKNOWN: the call may have run', async () => {
  code = 17;
  expect(await failure()).toMatchObject({ code: 2, fate: 'unknown', reason: 'the spec says so' });
  code = 5;
  expect(await failure()).toMatchObject({ code: 5, fate: 'refused' });
});

it('does not send a call that was cancelled before', async () => {
  const control = new CallControl();
  control.cancel('nobody waits');
  const before = received;
  expect(await failure({ [CALL]: control })).toMatchObject({ code: 1, reason: 'nobody waits' });
  await failure();
  expect(received).toBe(before + 1);
});
