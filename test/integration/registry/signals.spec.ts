import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { ECHO_PROTO } from '../../support/grpc/echo-server.js';
import { RegistryRoom } from './registry-room.js';

describe('a wait of the registry that its caller gives up', () => {
  let etcd: EmbeddedEtcd;
  let room: RegistryRoom;

  beforeAll(async () => {
    etcd = await EmbeddedEtcd.start();
    room = new RegistryRoom([etcd.endpoint], { requestTimeout: '1m' });
    await room.registry.register({ name: 'ours', id: 'ours-1', address: '127.0.0.1', port: 1 });
    // From here on everything waits.
    etcd.faults.stall();
  });

  afterAll(async () => {
    etcd.faults.resume();
    await room.close();
    await etcd.stop();
  });

  it.each([
    ['discover', (signal: AbortSignal) => room.registry.discover('others', { signal })],
    ['pick', (signal: AbortSignal) => room.registry.pick('others', { signal })],
    ['explain', (signal: AbortSignal) => room.registry.explain('others', {}, { signal })],
    ['register', register],
    ['deregister', (signal: AbortSignal) => room.registry.deregister('ours-1', { signal })],
    ['warmup', warmup],
  ])('%s ends with the reason of the signal', async (_, wait) => {
    const caller = new AbortController();
    const waiting = wait(caller.signal);
    caller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  function register(signal: AbortSignal): Promise<unknown> {
    return room.registry.register({ name: 'ours', address: '127.0.0.1', port: 2 }, { signal });
  }

  function warmup(signal: AbortSignal): Promise<void> {
    const options = { package: 'echo', protoPath: ECHO_PROTO };
    return room.registry.warmup(room.registry.clientProxy('others', options), { signal, timeout: '1m' });
  }
});
