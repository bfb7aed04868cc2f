import { EtcdProcess, startEtcd } from 'im-infra/testing';
import { EtcdChild } from './etcd-child.js';
import { Relay } from './relay.js';

/** The etcd of the demo, with the one thing that an etcd should not do: go away. */
export interface DemoEtcd {
  readonly endpoints: readonly string[];
  /** What has happened after {@link goAway}, for people. */
  readonly lossOf: string;
  goAway(): Promise<void>;
  /** On the same endpoints. */
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

/** Takes the realest etcd there is, by `startEtcd()`; a process of its own in each case, so that it can be killed. */
export async function startDemoEtcd(): Promise<DemoEtcd> {
  const etcd = await startEtcd();
  if (etcd.kind === 'external' || etcd.kind === 'container') {
    // Not ours to kill, or slow to start again: the line to it is cut instead, for the whole fleet at once.
    const relays = await Promise.all(etcd.endpoints.map((endpoint) => Relay.to(endpoint)));
    return {
      endpoints: relays.map(({ endpoint }) => endpoint),
      lossOf: `the line to etcd (${etcd.kind}) was cut`,
      goAway: async () => void (await Promise.all(relays.map((relay) => relay.cut()))),
      comeBack: async () => void (await Promise.all(relays.map((relay) => relay.listen()))),
      stop: async () => {
        await Promise.all(relays.map((relay) => relay.cut()));
        await etcd.stop();
      },
    };
  }
  // One that can be killed takes the place of the one that was found, on the endpoint that was told.
  const port = Number(etcd.endpoints[0]!.split(':')[1]);
  await etcd.stop();
  if (etcd.kind === 'binary') {
    const own = await EtcdProcess.start({ port });
    return {
      endpoints: [own.endpoint],
      lossOf: `etcd (process ${own.pid}) was killed with SIGKILL`,
      goAway: () => own.kill(),
      comeBack: () => own.start(),
      stop: () => own.stop(),
    };
  }
  const child = await EtcdChild.start(port);
  return {
    endpoints: [child.endpoint],
    lossOf: `EmbeddedEtcd (process ${child.pid}) was killed with SIGKILL and has forgotten everything`,
    goAway: () => child.kill(),
    comeBack: () => child.start(),
    stop: () => child.kill(),
  };
}
