import { type Client, type ServiceError, credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connection } from '../../../lib/coord/grpc/client-options.js';
import type { CoordGrpcOptions } from '../../../lib/coord/grpc/coord-grpc.options.js';
import { BrokenServer } from '../../support/grpc/broken-server.js';
import { EchoClient, EchoServer, say } from '../../support/grpc/echo-server.js';
import { FakeRegistry } from '../../support/grpc/fake-registry.js';
import { until } from '../../support/until.js';

describe('a call whose answer had begun when the connection went', () => {
  let registry: FakeRegistry;
  let broken: BrokenServer;
  let whole: EchoServer;
  let client: Client;

  beforeEach(async () => {
    registry = new FakeRegistry();
    broken = await BrokenServer.start();
    whole = await EchoServer.start('whole');
  });

  afterEach(() => {
    client.close();
    broken.kill();
    whole.kill();
    registry.close();
  });

  function open(options: CoordGrpcOptions): void {
    const { target, channelOptions } = connection('echo', options, {}, ['echo'], registry);
    client = new EchoClient(target, credentials.createInsecure(), channelOptions);
  }

  /** The outcome of the next call that the broken server gets. */
  async function nextBroken(): Promise<string | ServiceError> {
    const before = broken.calls;
    let outcome: string | ServiceError = '';
    await until(async () => {
      outcome = await say(client, { text: 'x' }).catch((error: unknown) => error as ServiceError);
      return broken.calls > before;
    });
    return outcome;
  }

  it('fails where nobody said that the method is idempotent', async () => {
    open({});
    registry.add('broken', broken.port);
    registry.add('whole', whole.port);
    expect(await nextBroken()).toMatchObject({ code: status.UNAVAILABLE });
    expect(broken.calls).toBe(1);
  });

  it('is repeated on another instance for a method with a retry policy', async () => {
    open({ retry: { methods: ['Echo/Say'] } });
    registry.add('broken', broken.port);
    registry.add('whole', whole.port);
    expect(await nextBroken()).toBe('whole');
    expect(broken.calls).toBe(1);
  });

  it('is repeated once, not for ever', async () => {
    open({ retry: { methods: ['Echo/Say'] }, timeout: '5s' });
    registry.add('broken', broken.port);
    expect(await nextBroken()).toMatchObject({ code: status.UNAVAILABLE });
    expect(broken.calls).toBe(2);
  });

  it('is not repeated for another method than those with a policy', async () => {
    open({ retry: { methods: ['Echo/Count'] } });
    registry.add('broken', broken.port);
    expect(await nextBroken()).toMatchObject({ code: status.UNAVAILABLE });
    expect(broken.calls).toBe(1);
  });

  it('leaves headers, answer and status of other calls as they are', async () => {
    open({ retry: {} });
    registry.add('whole', whole.port);
    expect(await say(client, { text: 'x' })).toBe('whole');
    whole.failWith = status.NOT_FOUND;
    await expect(say(client)).rejects.toMatchObject({ code: status.NOT_FOUND, details: 'whole fails' });
  });
});
