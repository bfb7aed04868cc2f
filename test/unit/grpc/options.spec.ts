import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { BALANCER_NAME } from '../../../lib/coord/grpc/balancer-config.js';
import { coordGrpc } from '../../../lib/coord/grpc/coord-grpc.js';
import type { CoordGrpcClientOptions } from '../../../lib/coord/grpc/client-options.js';
import { PRIVATE_OPTION } from '../../../lib/coord/grpc/grpc-experimental.js';
import type { ClientBinding } from '../../../lib/coord/grpc/coord-resolver.js';

const PROTO = { package: 'demo', protoPath: 'demo.proto' };

const make = (options: Partial<CoordGrpcClientOptions>, name = 'user-service') =>
  coordGrpc(name, { ...PROTO, ...options });

const channelOptionsOf = (options: Partial<CoordGrpcClientOptions>): Record<string, unknown> =>
  make(options).options.channelOptions as Record<string, unknown>;

const serviceConfigOf = (options: Partial<CoordGrpcClientOptions>) =>
  (channelOptionsOf(options)[PRIVATE_OPTION] as ClientBinding).plan.serviceConfig;

const refusal = (options: unknown, name = 'user-service'): ValidationError => {
  try {
    coordGrpc(name, options as CoordGrpcClientOptions);
  } catch (error) {
    if (error instanceof ValidationError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('the options of a gRPC client', () => {
  it('name the target and keep what is for Nest', () => {
    const { transport, options } = make({
      maxReceiveMessageLength: 7,
      loadBalancing: 'pick_first',
      zone: 'a',
    });
    expect(transport).toBe(4);
    expect(options).toMatchObject({
      url: 'coord:///user-service',
      package: 'demo',
      maxReceiveMessageLength: 7,
    });
    expect(Object.keys(options).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'channelOptions',
      'maxReceiveMessageLength',
      'package',
      'protoPath',
      'url',
    ]);
  });

  it('are not changed by making a client of them', () => {
    const given = Object.freeze({ ...PROTO, channelOptions: Object.freeze({ 'grpc.max_metadata_size': 1 }) });
    coordGrpc('user-service', given);
    const { options } = coordGrpc('user-service', given);
    expect(options.channelOptions).toMatchObject({
      'grpc.max_metadata_size': 1,
      'grpc.enable_http_proxy': 0,
    });
  });

  it('let the application override defaults of the channel', () => {
    expect(
      channelOptionsOf({ channelOptions: { 'grpc.keepalive_time_ms': 60_000 } })['grpc.keepalive_time_ms'],
    ).toBe(60_000);
  });

  it('can be written as JSON, as grpc-js does when it traces', () => {
    expect(JSON.stringify(channelOptionsOf({}))).toContain('"service":"user-service"');
  });

  it('ask for our balancer, never for a policy by a name that grpc-js ignores', () => {
    expect(serviceConfigOf({}).loadBalancingConfig).toEqual([{ [BALANCER_NAME]: { policy: 'round_robin' } }]);
  });

  it('write a retry policy for the methods named, completed with the package', () => {
    const { methodConfig } = serviceConfigOf({
      retry: { methods: ['UserService/FindOne', 'other.Service'], initialBackoff: '50ms', maxAttempts: 3 },
    });
    expect(methodConfig).toEqual([
      {
        name: [{ service: 'demo.UserService', method: 'FindOne' }, { service: 'other.Service' }],
        retryPolicy: {
          maxAttempts: 3,
          initialBackoff: '0.050s',
          maxBackoff: '0.500s',
          backoffMultiplier: 2,
          retryableStatusCodes: ['UNAVAILABLE'],
        },
      },
    ]);
    expect(serviceConfigOf({ retry: {} }).methodConfig[0]?.name).toEqual([{}]);
    expect(serviceConfigOf({ retry: false }).methodConfig).toEqual([]);
  });

  it("take over an application's own service config, with durations that grpc-js reads right", () => {
    const written = {
      methodConfig: [{ name: [{ service: 'demo.UserService' }], timeout: '0.5s' }],
      loadBalancingConfig: [{ round_robin: {} }],
    };
    const config = serviceConfigOf({
      channelOptions: { 'grpc.service_config': JSON.stringify(written) },
    });
    expect(config.methodConfig[0]?.timeout).toEqual({ seconds: 0, nanos: 500_000_000 });
    expect(config.loadBalancingConfig).toEqual([{ round_robin: {} }]);
  });

  it.each([
    ['loadBalancing', { ...PROTO, loadBalancing: 'fastest' }],
    ['filter', { ...PROTO, filter: 'all' }],
    ['zone', { ...PROTO, zone: '' }],
    ['subsetSize', { ...PROTO, subsetSize: 0 }],
    ['hashHeader', { ...PROTO, loadBalancing: 'consistent_hash' }],
    ['hashHeader', { ...PROTO, loadBalancing: 'consistent_hash', hashHeader: 'key-bin' }],
    ['versionHeader', { ...PROTO, versionHeader: 'a b' }],
    ['canary', { ...PROTO, canary: '2.0' }],
    ['canary.version', { ...PROTO, canary: { share: 0.1 } }],
    ['canary.share', { ...PROTO, canary: { version: '2.0', share: 5 } }],
    ['slowStart', { ...PROTO, slowStart: -1 }],
    ['ejection', { ...PROTO, ejection: 'yes' }],
    ['healthCheck', { ...PROTO, healthCheck: 1 }],
    ['timeout', { ...PROTO, timeout: 'soon' }],
    ['resolveTimeout', { ...PROTO, resolveTimeout: 0 }],
    ['registry', { ...PROTO, registry: 'a b' }],
    ['retry', { ...PROTO, retry: true }],
    ['retry.methods', { ...PROTO, retry: { methods: [] } }],
    ['retry.methods[0]', { ...PROTO, retry: { methods: ['a b'] } }],
    ['retry.maxAttempts', { ...PROTO, retry: { maxAttempts: 9 } }],
    ['retry.initialBackoff', { ...PROTO, retry: { initialBackoff: 'x' } }],
    ['retry.backoffMultiplier', { ...PROTO, retry: { backoffMultiplier: 0 } }],
    ['retry.retryableStatusCodes[0]', { ...PROTO, retry: { retryableStatusCodes: ['BROKEN'] } }],
    ['options', undefined],
  ])('refuse a wrong %s when they are written', (argument, options) => {
    expect(refusal(options).argument).toBe(argument);
  });

  it('name the policies there are when they refuse one', () => {
    expect(refusal({ ...PROTO, loadBalancing: 'fastest' }).message).toBe(
      "loadBalancing takes one of 'round_robin', 'pick_first', 'least_request', 'consistent_hash', got 'fastest'",
    );
  });

  it('refuse a name that is no service', () => {
    expect(refusal(PROTO, 'user/service').argument).toBe('name');
    expect(refusal(PROTO, '').argument).toBe('name');
  });

  it.each([
    ['not JSON', '{'],
    ['the ignored loadBalancingPolicy', JSON.stringify({ loadBalancingPolicy: 'round_robin' })],
    ['a policy that grpc-js does not know', JSON.stringify({ loadBalancingConfig: [{ fastest: {} }] })],
    ['an unreadable timeout', JSON.stringify({ methodConfig: [{ name: [{}], timeout: 'x' }] })],
    ['a method without a name', JSON.stringify({ methodConfig: [{}] })],
  ])('refuse a service config with %s', (_what, text) => {
    const options = { ...PROTO, channelOptions: { 'grpc.service_config': text } };
    expect(refusal(options).argument).toContain("channelOptions['grpc.service_config']");
  });

  it("keep the retry, hedging and throttling of an application's own service config, in units that grpc-js reads", () => {
    const written = {
      methodConfig: [
        {
          name: [{ service: 'demo.UserService', method: '' }],
          waitForReady: false,
          retryPolicy: {
            maxAttempts: 3,
            initialBackoff: '0.1s',
            maxBackoff: '1s',
            backoffMultiplier: 1.5,
            retryableStatusCodes: ['UNAVAILABLE', 8],
          },
        },
        { name: [{}], hedgingPolicy: { maxAttempts: 2, hedgingDelay: '50ms' } },
      ],
      retryThrottling: { maxTokens: 100, tokenRatio: 0.1 },
    };
    const config = serviceConfigOf({ channelOptions: { 'grpc.service_config': JSON.stringify(written) } });
    expect(config.methodConfig).toEqual([
      {
        name: [{ service: 'demo.UserService' }],
        retryPolicy: {
          maxAttempts: 3,
          initialBackoff: '0.100s',
          maxBackoff: '1.000s',
          backoffMultiplier: 1.5,
          retryableStatusCodes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'],
        },
      },
      { name: [{}], hedgingPolicy: { maxAttempts: 2, hedgingDelay: '0.050s' } },
    ]);
    expect(config.retryThrottling).toEqual({ maxTokens: 100, tokenRatio: 0.1 });
  });

  const retryPolicy = {
    maxAttempts: 3,
    initialBackoff: '0.1s',
    maxBackoff: '1s',
    backoffMultiplier: 2,
    retryableStatusCodes: ['UNAVAILABLE'],
  };

  it.each([
    ['name', { name: [] }],
    ['name[0]', { name: ['demo.UserService'] }],
    ['name[0].service', { name: [{ service: 5 }] }],
    ['name[0].service', { name: [{ method: 'FindOne' }] }],
    ['', { name: [{}], waitForReady: true }],
    ['', { name: [{}], maxRequestBytes: 1 }],
    ['', { name: [{}], retryPolicy, hedgingPolicy: { maxAttempts: 2 } }],
    ['retryPolicy', { name: [{}], retryPolicy: 3 }],
    ['retryPolicy.maxAttempts', { name: [{}], retryPolicy: { ...retryPolicy, maxAttempts: 'many' } }],
    ['retryPolicy.initialBackoff', { name: [{}], retryPolicy: { ...retryPolicy, initialBackoff: 'x' } }],
    ['retryPolicy.maxBackoff', { name: [{}], retryPolicy: { ...retryPolicy, maxBackoff: undefined } }],
    ['retryPolicy.backoffMultiplier', { name: [{}], retryPolicy: { ...retryPolicy, backoffMultiplier: -1 } }],
    [
      'retryPolicy.retryableStatusCodes[0]',
      { name: [{}], retryPolicy: { ...retryPolicy, retryableStatusCodes: ['NOPE'] } },
    ],
    ['hedgingPolicy', { name: [{}], hedgingPolicy: 3 }],
    ['hedgingPolicy.maxAttempts', { name: [{}], hedgingPolicy: {} }],
    ['hedgingPolicy.hedgingDelay', { name: [{}], hedgingPolicy: { maxAttempts: 2, hedgingDelay: 'x' } }],
  ])('refuse a service config by naming methodConfig[0] %s', (where, method) => {
    const text = JSON.stringify({ methodConfig: [method] });
    const { argument } = refusal({ ...PROTO, channelOptions: { 'grpc.service_config': text } });
    const entry = "channelOptions['grpc.service_config'].methodConfig[0]";
    expect(argument).toBe(where === '' ? entry : `${entry}.${where}`);
  });

  it.each(['x', { maxTokens: 0, tokenRatio: 0.1 }, { maxTokens: 10 }])(
    'refuse a service config with the retryThrottling %j',
    (retryThrottling) => {
      const text = JSON.stringify({ retryThrottling });
      const { argument } = refusal({ ...PROTO, channelOptions: { 'grpc.service_config': text } });
      expect(argument).toContain('.retryThrottling');
    },
  );

  it('refuse a service config that names a policy next to the option loadBalancing', () => {
    const text = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });
    const options = {
      ...PROTO,
      loadBalancing: 'pick_first',
      channelOptions: { 'grpc.service_config': text },
    };
    expect(refusal(options).message).toContain(
      'no loadBalancingConfig where the option loadBalancing is given',
    );
  });
});
