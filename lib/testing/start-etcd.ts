import { ValidationError } from '../errors/validation.error.js';
import { checkOneOf } from '../options/check.js';
import { engineAddress, engineAnswers, localEtcdImage } from './container-engine.js';
import { EmbeddedEtcd } from './embedded-etcd.js';
import { startEtcdContainer } from './etcd-container.js';
import { EtcdNotAvailableError } from './etcd-not-available.error.js';
import { EtcdProcess } from './etcd-process.js';
import { onPath } from './on-path.js';
import { type EtcdKind, type StartedEtcd } from './started-etcd.js';

export interface StartEtcdOptions {
  /** Take this rung and no other, or fail. @default the variable `IM_ETCD`, else the first rung there is */
  readonly kind?: EtcdKind;
  /** The port to listen on, for the rungs `binary` and `embedded`. @default a free one */
  readonly port?: number;
  /** The image of the rung `container`. @default the variable `IM_ETCD_IMAGE`, else one the engine has */
  readonly image?: string;
  /** Where the line that says which etcd it took goes; `false` for nowhere. @default stdout */
  readonly log?: ((line: string) => void) | false;
}

const KINDS = ['external', 'container', 'binary', 'embedded'] as const;
const FALLBACK_IMAGE = 'quay.io/coreos/etcd:v3.6.5';

/**
 * An etcd for tests and development, the realest to be had: the one that `ETCD_ENDPOINTS` names (comma-separated), else
 * one in a container (if an engine runs, has an etcd image and `testcontainers` is installed), else `etcd` on PATH, else
 * an {@link EmbeddedEtcd}. Says which it took, and why none of those before it. It pulls no image that nobody has named.
 *
 * @example
 * const etcd = await startEtcd();
 * const coord = await CoordService.connect({ service: { name: 'orders' }, endpoints: etcd.endpoints });
 */
export async function startEtcd(options: StartEtcdOptions = {}): Promise<StartedEtcd> {
  const { log = (line: string) => process.stdout.write(`${line}\n`) } = options;
  const forced = options.kind ?? process.env['IM_ETCD'];
  /** Why there is no realer one. */
  const passed: string[] = [];
  const etcd =
    forced === undefined || forced === ''
      ? await firstOf(options, passed)
      : await RUNGS[checkOneOf(options.kind ? 'kind' : 'IM_ETCD', forced, KINDS)](options);
  if (log !== false) {
    const detail = etcd.detail === undefined ? '' : ` (${etcd.detail})`;
    const why = passed.length === 0 ? '' : `; ${passed.join('; ')}`;
    log(`etcd: ${etcd.kind}${detail} at ${etcd.endpoints.join(', ')}${why}`);
  }
  return etcd;
}

async function firstOf(options: StartEtcdOptions, passed: string[]): Promise<StartedEtcd> {
  if (externalEndpoints().length > 0) return RUNGS.external(options);
  const image = await imageOf(options);
  if (image === undefined) {
    passed.push(
      (await engineAnswers())
        ? 'no container: the engine has no image of etcd (IM_ETCD_IMAGE names one to be pulled)'
        : 'no container: no engine answers',
    );
  } else {
    try {
      return await startEtcdContainer(image);
    } catch (error) {
      // Testcontainers is not installed, or the engine cannot run the image. There are more rungs.
      passed.push(`no container: ${firstLine(error)}`);
    }
  }
  if (onPath('etcd') !== undefined) return RUNGS.binary(options);
  passed.push('no binary: no etcd on PATH');
  return RUNGS.embedded(options);
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0]!;
}

const RUNGS: Readonly<Record<EtcdKind, (options: StartEtcdOptions) => Promise<StartedEtcd>>> = {
  external: () => {
    const endpoints = externalEndpoints();
    if (endpoints.length === 0)
      throw new ValidationError('ETCD_ENDPOINTS', 'the endpoints of a running etcd');
    return Promise.resolve(started('external', endpoints, { stop: () => Promise.resolve() }));
  },
  container: async (options) => {
    const image = (await imageOf(options)) ?? FALLBACK_IMAGE;
    try {
      return await startEtcdContainer(image);
    } catch (cause) {
      throw new EtcdNotAvailableError(
        `no etcd in a container (image ${image}): it needs a running Docker or Podman, DOCKER_HOST if its socket is elsewhere, and the package testcontainers`,
        { cause },
      );
    }
  },
  binary: async ({ port }) => {
    const program = onPath('etcd');
    if (program === undefined) throw new EtcdNotAvailableError('there is no program etcd on PATH');
    const etcd = await EtcdProcess.start({ program, ...(port !== undefined && { port }) });
    return started('binary', [etcd.endpoint], etcd, program);
  },
  embedded: async ({ port }) => {
    const etcd = await EmbeddedEtcd.start(port === undefined ? {} : { port });
    return started('embedded', [etcd.endpoint], etcd);
  },
};

function started(
  kind: EtcdKind,
  endpoints: string[],
  owner: { stop(): Promise<void> },
  detail?: string,
): StartedEtcd {
  const stop = (): Promise<void> => owner.stop();
  return { kind, endpoints, stop, [Symbol.asyncDispose]: stop, ...(detail !== undefined && { detail }) };
}

/** The image asked for, else one that the engine has. */
async function imageOf({ image }: StartEtcdOptions): Promise<string | undefined> {
  return image ?? process.env['IM_ETCD_IMAGE'] ?? (await localEtcdImage(engineAddress()));
}

function externalEndpoints(): string[] {
  const text = process.env['ETCD_ENDPOINTS'] ?? '';
  return text.split(',').flatMap((each) => each.trim() || []);
}
