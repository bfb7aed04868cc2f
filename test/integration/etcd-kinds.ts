import { EmbeddedEtcd, EtcdProcess } from '../../lib/testing/index.js';
import { onPath } from '../../lib/testing/on-path.js';

export type TestedEtcd = 'embedded' | 'binary';

/** A fresh etcd for one spec file, of a kind that the spec chose. */
export interface EtcdUnderTest {
  readonly kind: TestedEtcd;
  readonly endpoints: string[];
  /** The process, to be paused, killed and restarted; only of kind `binary`. */
  readonly process?: EtcdProcess;
  /** The embedded server, with its faults; only of kind `embedded`. */
  readonly embedded?: EmbeddedEtcd;
  stop(): Promise<void>;
}

/** The kinds that this machine has: specs run over each, `describe.each(await etcdKinds())`. */
export function etcdKinds(): Promise<TestedEtcd[]> {
  return Promise.resolve(onPath('etcd') === undefined ? ['embedded'] : ['embedded', 'binary']);
}

/** @param args further arguments for the program, where the kind is `binary`. */
export async function startEtcdOf(kind: TestedEtcd, args: readonly string[] = []): Promise<EtcdUnderTest> {
  if (kind === 'embedded') {
    const embedded = await EmbeddedEtcd.start();
    return { kind, endpoints: [embedded.endpoint], embedded, stop: () => embedded.stop() };
  }
  const process = await EtcdProcess.start({ args });
  return { kind, endpoints: [process.endpoint], process, stop: () => process.stop() };
}
