import { type Client, type ServiceError, credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { connection } from '../../../lib/coord/grpc/client-options.js';
import { coordGrpc } from '../../../lib/coord/grpc/coord-grpc.js';
import { EchoClient, EchoServer, say } from '../../support/grpc/echo-server.js';
import { FakeRegistry } from '../../support/grpc/fake-registry.js';

describe('a caller who asks for what is not there', () => {
  let registry: FakeRegistry;
  let clients: Client[];

  beforeEach(() => {
    registry = new FakeRegistry();
    clients = [];
  });

  afterEach(() => {
    for (const client of clients) client.close();
    registry.close();
  });

  const call = (target: string, channelOptions: object): Promise<ServiceError> => {
    const client = new EchoClient(target, credentials.createInsecure(), channelOptions);
    clients.push(client);
    return say(client).then(
      (server) => Promise.reject(new Error(`${server} answered`)),
      (error: unknown) => error as ServiceError,
    );
  };

  it('is told that a service has no instance', async () => {
    const { target, channelOptions } = connection('echo', {}, {}, [], registry);
    expect(await call(target, channelOptions)).toMatchObject({
      code: status.UNAVAILABLE,
      details: 'no instance of echo is registered in etcd (fake)',
    });
  });

  it('is told that all instances refuse connections, and with which error', async () => {
    for (const id of ['a', 'b']) {
      const server = await EchoServer.start(id);
      server.kill();
      registry.add(id, server.port);
    }
    const { target, channelOptions } = connection('echo', {}, {}, [], registry);
    const { code, details } = await call(target, channelOptions);
    expect(code).toBe(status.UNAVAILABLE);
    expect(details).toContain('none of the 2 instances of echo could be reached');
    expect(details).toContain('ECONNREFUSED');
  });

  it.each(['coordd:///echo', 'etcd:///echo', 'coordd:echo', 'http://echo:50051'])(
    'is told that nobody knows the scheme of the target %s, before anything is sent',
    (target) => {
      const { channelOptions } = connection('echo', {}, {}, [], registry);
      const make = (): unknown => new EchoClient(target, credentials.createInsecure(), channelOptions);
      expect(make).toThrow(ValidationError);
      expect(make).toThrow(
        `target takes coord:///<service>, or another scheme that grpc-js knows, got '${target}'`,
      );
    },
  );

  it('is told so by grpc-js itself, at the first call, where our options are not used', async () => {
    const { details } = await call('etcd:///echo', {});
    expect(details).toBe('Failed to parse DNS address dns:etcd:///echo');
  });

  it.each(['coord://echo', 'coord:///a/echo', 'coord:////'])(
    'is told that the target %s does not name a service, before anything is sent',
    (target) => {
      const { channelOptions } = connection('echo', {}, {}, [], registry);
      const make = (): unknown => new EchoClient(target, credentials.createInsecure(), channelOptions);
      expect(make).toThrow(ValidationError);
      expect(make).toThrow(`target takes coord:///<service>, got '${target}'`);
    },
  );

  it.each([
    '127.0.0.1:1',
    'localhost:1',
    '[::1]:1',
    '::1',
    'fe80::1',
    'ipv4:127.0.0.1:1',
    'dns:///localhost:1',
  ])('may use the options with the address %s too', (target) => {
    const { channelOptions } = connection('echo', {}, {}, [], registry);
    clients.push(new EchoClient(target, credentials.createInsecure(), channelOptions));
  });

  it.each([
    'http://echo',
    'http://echo:50051/v1',
    'coord://echo',
    'coord:///echo',
    'coord://host/echo',
    'coord:echo',
    'coordd:///echo',
    'dns://echo:50051/',
  ])('is told that %s is a name with a scheme, before anything is sent', (name) => {
    const make = (): unknown => connection(name, {}, {}, [], registry);
    expect(make).toThrow(ValidationError);
    expect(make).toThrow("the name of a service alone, without a scheme: 'echo'");
  });

  it('is told that the process has no registry, and how to get one', async () => {
    registry.close();
    const { options } = coordGrpc('echo', { package: 'echo', protoPath: '', resolveTimeout: '50ms' });
    const { code, details } = await call(options.url!, options.channelOptions!);
    expect(code).toBe(status.UNAVAILABLE);
    expect(details).toContain('this process has no registry: import ImInfraModule');
  });

  it('is told that no registry has the name it asks for', async () => {
    const { options } = coordGrpc('echo', {
      package: 'echo',
      protoPath: '',
      resolveTimeout: '50ms',
      registry: 'bank',
    });
    const { details } = await call(options.url!, options.channelOptions!);
    expect(details).toContain("no registry of this process is called 'bank'");
  });

  it('finds the registry that comes after the first call began', async () => {
    registry.close();
    const server = await EchoServer.start('late');
    const { options } = coordGrpc('echo', { package: 'echo', protoPath: '' });
    const client = new EchoClient(options.url!, credentials.createInsecure(), options.channelOptions);
    clients.push(client);
    const answer = say(client);
    registry = new FakeRegistry();
    registry.add('late', server.port);
    expect(await answer).toBe('late');
    server.kill();
  });
});
