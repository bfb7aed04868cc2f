import { existsSync } from 'node:fs';
import { request, type RequestOptions } from 'node:http';

const DEFAULT_SOCKETS = ['/var/run/docker.sock', '/run/podman/podman.sock'];

/** How long an engine may take to say that it is there. */
const ANSWER_TIMEOUT = 10_000;

/** Where the container engine listens (`DOCKER_HOST`, else Docker's and Podman's usual socket); `undefined` for none. */
export function engineAddress(env: NodeJS.ProcessEnv = process.env): RequestOptions | undefined {
  const host = env['DOCKER_HOST'];
  if (host !== undefined && host !== '') {
    if (!URL.canParse(host)) return undefined;
    const url = new URL(host);
    if (url.protocol === 'unix:') return { socketPath: url.pathname };
    // TLS needs certificates; Testcontainers reads them itself, this look ahead does not.
    return url.protocol === 'tcp:' || url.protocol === 'http:'
      ? { host: url.hostname, port: url.port || '2375' }
      : undefined;
  }
  const socketPath = DEFAULT_SOCKETS.find((path) => existsSync(path));
  return socketPath === undefined ? undefined : { socketPath };
}

/** An etcd image that the engine has already, so that nothing is downloaded without being asked for. */
export async function localEtcdImage(address: RequestOptions | undefined): Promise<string | undefined> {
  if (address === undefined) return undefined;
  const answer = await getJson(address, '/images/json');
  if (!Array.isArray(answer)) return undefined;
  const tags = answer.flatMap(
    (image: { readonly RepoTags?: readonly string[] | null }) => image.RepoTags ?? [],
  );
  return tags
    .filter((tag) => /(^|\/)etcd:/.test(tag))
    .sort()
    .at(-1);
}

/** Whether a container engine is there and answers. */
export async function engineAnswers(address: RequestOptions | undefined = engineAddress()): Promise<boolean> {
  return address !== undefined && (await getJson(address, '/version')) !== undefined;
}

/** `undefined` for anything but a good answer: an engine that cannot list its images cannot start one either. */
function getJson(address: RequestOptions, path: string): Promise<unknown> {
  return new Promise((resolve) => {
    const call = request({ ...address, path, timeout: ANSWER_TIMEOUT, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('error', () => resolve(undefined));
      response.on('end', () => resolve(response.statusCode === 200 ? parse(body) : undefined));
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(undefined));
    call.end();
  });
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
