import { describe, expect, it } from 'vitest';
import { engineAddress, localEtcdImage } from '../../../lib/testing/container-engine.js';

describe('engineAddress', () => {
  it.each([
    ['unix:///run/podman/x.sock', { socketPath: '/run/podman/x.sock' }],
    ['tcp://10.0.0.1:2376', { host: '10.0.0.1', port: '2376' }],
    ['tcp://engine', { host: 'engine', port: '2375' }],
    ['ssh://engine', undefined],
    ['not an address', undefined],
  ])('reads DOCKER_HOST=%s', (host, address) => {
    expect(engineAddress({ DOCKER_HOST: host })).toEqual(address);
  });
});

describe('localEtcdImage', () => {
  it('is none without an engine, and with one that does not answer', async () => {
    expect(await localEtcdImage(undefined)).toBeUndefined();
    expect(await localEtcdImage({ socketPath: '/nonexistent/engine.sock' })).toBeUndefined();
  });
});
