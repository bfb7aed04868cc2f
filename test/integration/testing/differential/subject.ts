import { type ServiceError } from '@grpc/grpc-js';
import { WireClient, type WireWatch, type WireWatchStream } from '../wire-client.js';
import { type Operation, STREAMS } from './operations.js';

/** A key that the operations use too, so that their number of keys stays. */
const PROBE = 'z';

/** How long an answer on a stream may take. */
const STREAM_TIMEOUT = 10_000;

/** One etcd under comparison: runs operations and keeps all that its watch streams say. */
export class Subject {
  readonly #client: WireClient;
  readonly #streams: { readonly stream: WireWatchStream; readonly responses: WireWatch[] }[];
  readonly #told = new Map<string, unknown[]>();
  readonly #keepAlive: ReturnType<WireClient['keepAlive']>;

  constructor(endpoint: string) {
    this.#client = new WireClient(endpoint);
    this.#keepAlive = this.#client.keepAlive();
    this.#streams = Array.from({ length: STREAMS }, (_, index) => {
      const stream = this.#client.watch();
      const responses: WireWatch[] = [];
      stream.on('data', (response: WireWatch) => {
        responses.push(response);
        this.#note(index, response);
      });
      return { stream, responses };
    });
  }

  /** The answer, or the error's code and text, without what belongs to one cluster or one moment. */
  async run(operation: Operation): Promise<unknown> {
    try {
      return comparable(await this.#answer(operation));
    } catch (error) {
      const { code, details } = error as ServiceError;
      return { code, details };
    }
  }

  async revision(): Promise<number> {
    return Number((await this.#client.range({ key: 'revision' })).header.revision);
  }

  /**
   * Waits until every watch has caught up. etcd serves all watches that lag in one go, every 100 ms: when a watch of the
   * past, created last, has got its event, so have all others.
   */
  async settle(): Promise<void> {
    const { header } = await this.#client.put({ key: PROBE });
    for (const [index, { stream, responses }] of this.#streams.entries()) {
      const seen = responses.length;
      const request = { key: PROBE, startRevision: header.revision };
      await this.#say(index, { createRequest: request }, ({ created }) => created);
      const { watchId } = responses.slice(seen).find(({ created }) => created)!;
      await until(() =>
        responses.slice(seen).some((each) => each.watchId === watchId && each.events.length > 0),
      );
      stream.write({ cancelRequest: { watchId } });
      await this.#say(index, { progressRequest: {} }, isProgress);
    }
  }

  /**
   * What each watch has said since the last {@link forget}, in order: that it was created or cancelled, and every event.
   * Which events share a response is chance; an event's place and revision are not.
   */
  get told(): ReadonlyMap<string, readonly unknown[]> {
    return this.#told;
  }

  forget(): void {
    this.#told.clear();
    for (const { responses } of this.#streams) responses.length = 0;
  }

  /** The events that a new watch on a stream of its own gets: asks again what a watch should have told. */
  async replay(request: object, from: string, count: number): Promise<unknown[]> {
    const stream = this.#client.watch();
    const events: unknown[] = [];
    stream.on('data', (response: WireWatch) =>
      events.push(...response.events.map((event) => comparable(event))),
    );
    stream.write({ createRequest: { ...request, watchId: '0', startRevision: from } });
    await until(() => events.length >= count).catch(() => {});
    stream.cancel();
    return events;
  }

  close(): void {
    for (const { stream } of this.#streams) stream.cancel();
    this.#keepAlive.cancel();
    this.#client.close();
  }

  #note(index: number, response: WireWatch): void {
    if (isProgress(response)) return;
    const watch = `stream ${index}, watch ${response.watchId}`;
    const list = this.#told.get(watch) ?? [];
    this.#told.set(watch, list);
    const { created, canceled, cancelReason, compactRevision } = response;
    if (created || canceled) list.push({ created, canceled, cancelReason, compactRevision });
    list.push(...response.events.map((event) => comparable(event)));
  }

  async #answer(operation: Operation): Promise<unknown> {
    const client = this.#client;
    switch (operation.kind) {
      case 'range':
        return client.range(operation.request);
      case 'put':
        return client.put(operation.request);
      case 'delete':
        return client.deleteRange(operation.request);
      case 'txn':
        return client.txn(operation.request);
      case 'compact':
        return client.compact(operation.revision);
      case 'grant':
        return client.grant(operation.ttl, operation.id);
      case 'revoke':
        return client.revoke(operation.id);
      case 'timeToLive': {
        const { TTL, grantedTTL, keys } = await client.timeToLive(operation.id);
        return { alive: TTL !== '-1', grantedTTL, keys: keys.map((key) => key.toString('latin1')).sort() };
      }
      case 'leases': {
        const { leases } = await client.call<{ leases: { ID: string }[] }>('Lease', 'LeaseLeases', {});
        return leases.map(({ ID }) => ID).sort();
      }
      case 'keepAlive': {
        const answer = new Promise((resolve) => this.#keepAlive.once('data', resolve));
        this.#keepAlive.write({ ID: operation.id });
        return answer;
      }
      case 'watch':
        return this.#say(operation.stream, { createRequest: operation.request }, ({ created }) => created);
      case 'cancel': {
        // Of an unknown watch etcd says nothing, so the answer is whatever came before the mark that follows.
        const { stream } = this.#streams[operation.stream]!;
        stream.write({ cancelRequest: { watchId: operation.watchId } });
        return this.#say(operation.stream, { progressRequest: {} }, isProgress);
      }
      case 'progress':
        return this.#say(operation.stream, { progressRequest: {} }, isProgress);
    }
  }

  async #say(index: number, request: object, answers: (response: WireWatch) => boolean): Promise<unknown> {
    const { stream, responses } = this.#streams[index]!;
    const seen = responses.length;
    stream.write(request);
    await until(() => responses.slice(seen).some(answers));
    const { header, watchId, created, canceled, cancelReason } = responses.slice(seen).find(answers)!;
    return { header, watchId, created, canceled, cancelReason };
  }
}

function isProgress({ watchId, created, events }: WireWatch): boolean {
  return watchId === '-1' && !created && events.length === 0;
}

export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + STREAM_TIMEOUT;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('no answer on the stream');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const LOCAL = new Set(['clusterId', 'memberId', 'raftTerm']);

/** Bytes as text, and nothing that belongs to one cluster. */
function comparable(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !LOCAL.has(name));
  return Object.fromEntries(kept.map(([name, each]) => [name, comparable(each)]));
}
