import { describe } from 'vitest';
import { engineAddress, engineAnswers, localEtcdImage } from '../../lib/testing/container-engine.js';

const REGISTRY_IMAGE = 'quay.io/coreos/etcd:v3.6.5';

const address = engineAddress();
const present = await engineAnswers(address);
if (!present) {
  process.stdout.write(
    'containers: skipped, no container engine answers (eval "$(scripts/container-engine.sh)" sets one up on Debian)\n',
  );
}

/** The etcd image to run: the one named, one that the engine has, or one from a registry. */
export const etcdImage = process.env['IM_ETCD_IMAGE'] ?? (await localEtcdImage(address)) ?? REGISTRY_IMAGE;

/** `describe` where a container engine answers; elsewhere its specs count as skipped. */
export const describeOnContainers = describe.runIf(present);
