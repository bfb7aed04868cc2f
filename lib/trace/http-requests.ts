import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Agent, type ClientRequest } from 'node:http';

/** Called with each request that this process makes; must not throw. */
export type RequestListener = (request: ClientRequest) => void;

/** Node 22.12 and later tell of a request when it has been made; Node 20 does only when its headers are on their way. */
const CREATED = 'http.client.request.created';
const CREATED_IS_TOLD = !process.versions.node.startsWith('20.');

/**
 * Tells `listener` of each outgoing request of `node:http` and `node:https` (so of axios, got and the like) in the
 * context of whoever makes it, while its headers can still be set. A flat list of headers and `Expect` are the
 * exception: Node has rendered them by then (`request.headersSent`). On Node 20 a request without an agent, over a
 * socket that its caller made (`createConnection`), is not seen.
 *
 * @returns how to stop.
 */
export function watchHttpRequests(listener: RequestListener): () => void {
  if (!CREATED_IS_TOLD) return watchAgents(listener);
  const onCreated = (message: unknown): void => listener((message as { request: ClientRequest }).request);
  subscribe(CREATED, onCreated);
  return () => void unsubscribe(CREATED, onCreated);
}

type AddRequest = (this: Agent, request: ClientRequest, ...rest: unknown[]) => void;
interface Patch {
  readonly listeners: Set<RequestListener>;
  readonly original: AddRequest;
  readonly ours: AddRequest;
}

const KEY = Symbol.for('im-infra:http-requests');
type Global = { [KEY]?: Patch };

/** What Node's ClientRequest hands itself to, at the end of its constructor; every agent must have it. */
const agents = Agent.prototype as unknown as { addRequest: AddRequest };

/**
 * One patch a process, and none when nobody listens. Somebody who patched after us goes on calling ours: then it stays,
 * and only passes on.
 */
function watchAgents(listener: RequestListener): () => void {
  const patch = ((globalThis as Global)[KEY] ??= patchAgents());
  patch.listeners.add(listener);
  return () => {
    patch.listeners.delete(listener);
    if (patch.listeners.size > 0 || agents.addRequest !== patch.ours) return;
    agents.addRequest = patch.original;
    delete (globalThis as Global)[KEY];
  };
}

function patchAgents(): Patch {
  const original = agents.addRequest;
  const listeners = new Set<RequestListener>();
  function ours(this: Agent, request: ClientRequest, ...rest: unknown[]): void {
    for (const each of listeners) each(request);
    original.call(this, request, ...rest);
  }
  agents.addRequest = ours;
  return { listeners, original, ours };
}
