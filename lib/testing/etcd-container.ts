import { type StartedEtcd } from './started-etcd.js';

const CLIENT_PORT = 2379;
const START_TIMEOUT = 60_000;

/** One etcd in a container, by Testcontainers: an optional dependency, loaded only here. */
export async function startEtcdContainer(image: string): Promise<StartedEtcd> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = await new GenericContainer(image)
    .withCommand([
      'etcd',
      '--unsafe-no-fsync',
      `--listen-client-urls=http://0.0.0.0:${CLIENT_PORT}`,
      `--advertise-client-urls=http://127.0.0.1:${CLIENT_PORT}`,
    ])
    .withExposedPorts(CLIENT_PORT)
    .withWaitStrategy(Wait.forHttp('/health', CLIENT_PORT))
    .withStartupTimeout(START_TIMEOUT)
    .start();
  const stop = async (): Promise<void> => {
    await container.stop();
  };
  const endpoints = [`${container.getHost()}:${container.getMappedPort(CLIENT_PORT)}`];
  return { kind: 'container', endpoints, detail: image, stop, [Symbol.asyncDispose]: stop };
}
