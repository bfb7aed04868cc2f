import type { WatchEvent, WatchResponse } from './answers.js';
import type { Clock } from './clock.js';
import type { Generation } from './generation.js';
import type { KeyRange } from './kv.js';
import type { WatchRequest } from './requests.js';
import { afterSilence } from './patience.js';
import { RpcFailure } from './rpc-failure.js';

export type { WatchEvent } from './answers.js';

/** Why a watch ended although nobody cancelled it. */
export type WatchEnd =
  | { readonly cause: 'compacted' }
  | { readonly cause: 'refused'; readonly reason: string }
  | { readonly cause: 'dropped' };

export interface WatchListener {
  /** etcd has taken the watch: what it sends from now on is complete from the start revision. */
  attached(): void;
  /** The events of one or more whole revisions, in order. */
  events(events: readonly WatchEvent[]): void;
  ended(end: WatchEnd): void;
}

export interface ProbeOptions {
  /** A stream that was silent for this long, in ms, is asked for a sign of life. */
  readonly progressInterval: number;
  /** A stream that owes a sign of life for this long, in ms, is cut. */
  readonly progressTimeout: number;
  /** The pings of HTTP/2, which are not sent where no stream is open. */
  readonly keepAliveTime: number;
  readonly keepAliveTimeout: number;
}

interface Watch {
  readonly id: number;
  /** When etcd was asked for it, on the monotonic clock. */
  readonly asked: number;
  readonly listener: WatchListener;
  /** The beginning of a revision whose end is on its way. */
  fragments: readonly WatchEvent[];
  cancelled: boolean;
}

interface Stream {
  write(request: WatchRequest): unknown;
}

/**
 * All watches of one generation, on one stream. They are created without waiting for one another, under ids of ours,
 * and end together with the generation. Any answer on the stream is a sign of life; after `progressInterval` without
 * one a progress request asks for it (a linearizable read where nothing is watched: some etcd versions answer progress
 * requests only for watches; there it also stands in for the pings of HTTP/2, and comes as soon as they would), and
 * silence after that drops the generation.
 */
export class WatchHub {
  readonly #generation: Generation;
  readonly #clock: Clock;
  readonly #probe: ProbeOptions;
  readonly #watches = new Map<number, Watch>();
  /** etcd answers creations in the order of the requests; one it refuses comes back without its id. */
  readonly #creating: Watch[] = [];
  #opened: Stream | undefined;
  #lastId = 0;
  #lastSign: number;
  #cancelTimer: () => void;

  constructor(generation: Generation, clock: Clock, probe: ProbeOptions) {
    this.#generation = generation;
    this.#clock = clock;
    this.#probe = probe;
    this.#lastSign = clock.now();
    this.#cancelTimer = clock.after(Math.min(probe.progressInterval, probe.keepAliveTime), () =>
      this.#check(),
    );
    generation.signal.addEventListener('abort', () => this.#end(), { once: true });
  }

  /** When the stream was last heard of, on the monotonic clock. */
  get lastSign(): number {
    return this.#lastSign;
  }

  /** Watches `range` from `startRevision` on. Returns the cancelling function; after it the listener is not called. */
  watch(range: KeyRange, startRevision: bigint, listener: WatchListener): () => void {
    const watch: Watch = {
      id: ++this.#lastId,
      asked: this.#clock.now(),
      listener,
      fragments: [],
      cancelled: false,
    };
    if (this.#generation.dropped) {
      listener.ended({ cause: 'dropped' });
      return () => undefined;
    }
    this.#send({ create: range, startRevision, id: watch.id });
    this.#creating.push(watch);
    this.#watches.set(watch.id, watch);
    return () => this.#cancel(watch);
  }

  #cancel(watch: Watch): void {
    if (watch.cancelled) return;
    watch.cancelled = true;
    if (this.#watches.delete(watch.id)) this.#send({ cancel: watch.id });
  }

  #send(request: WatchRequest): void {
    this.#opened ??= this.#open();
    this.#opened.write(request);
  }

  #open(): Stream {
    const stream = this.#generation.stream((rpc, control) => rpc.watch(control));
    stream.on('data', (response) => this.#receive(response));
    stream.on('error', (error) => this.#generation.drop(new RpcFailure(error)));
    stream.on('end', () => this.#drop('the watch stream ended'));
    return stream;
  }

  #receive(response: WatchResponse): void {
    if (this.#generation.dropped) return;
    this.#lastSign = this.#clock.now();
    this.#generation.life.heard();
    const created = response.created ? this.#takeCreated(response.id) : undefined;
    const watch = created ?? this.#watches.get(response.id);
    if (!watch || watch.cancelled) return;
    if (response.cancelled) {
      this.#watches.delete(watch.id);
      this.#cancelled(watch, response);
      return;
    }
    if (created) watch.listener.attached();
    const events = watch.fragments.length > 0 ? watch.fragments.concat(response.events) : response.events;
    watch.fragments = response.fragment ? events : [];
    if (!response.fragment && events.length > 0) watch.listener.events(events);
  }

  #takeCreated(id: number): Watch | undefined {
    const known = this.#creating.findIndex((watch) => watch.id === id);
    return this.#creating.splice(Math.max(0, known), 1)[0];
  }

  #cancelled(watch: Watch, { compactRevision, reason }: WatchResponse): void {
    if (compactRevision > 0n) return watch.listener.ended({ cause: 'compacted' });
    // The token went bad while the stream was open: a new generation gets a new one.
    if (/auth token|auth store|Unauthenticated/.test(reason)) {
      watch.listener.ended({ cause: 'dropped' });
      return this.#generation.drop(new RpcFailure(new Error(`16 UNAUTHENTICATED: ${reason}`)));
    }
    watch.listener.ended({ cause: 'refused', reason: reason || 'etcd cancelled the watch' });
  }

  /** Runs once an interval: asks a silent stream for a sign of life. */
  #check(): void {
    const { progressInterval, progressTimeout, keepAliveTime, keepAliveTimeout } = this.#probe;
    const [oldest] = this.#creating;
    if (oldest && this.#clock.now() - oldest.asked > progressInterval + progressTimeout) {
      return this.#drop('a watch was not taken');
    }
    if (this.#watches.size > 0 && this.#opened) {
      const left = this.#lastSign + progressInterval - this.#clock.now();
      if (left <= 0) return this.#askStream(this.#opened, progressTimeout);
      return this.#checkIn(Math.min(left, keepAliveTime));
    }
    const interval = Math.min(progressInterval, keepAliveTime);
    const left = Math.max(this.#lastSign, this.#generation.life.last) + interval - this.#clock.now();
    if (left > 0) return this.#checkIn(left);
    this.#generation.probe(Math.min(progressTimeout, keepAliveTimeout)).then(
      () => this.#checkIn(interval),
      (error: unknown) => this.#generation.drop(error),
    );
  }

  #askStream(stream: Stream, patience: number): void {
    const asked = this.#clock.now();
    stream.write({ progress: true });
    this.#cancelTimer = afterSilence(this.#clock, patience, () => {
      if (this.#lastSign >= asked) return this.#check();
      this.#drop(`no sign of life on the watch stream within ${patience} ms`);
    });
  }

  #checkIn(delay: number): void {
    if (this.#generation.dropped) return;
    this.#cancelTimer = this.#clock.after(delay, () => this.#check());
  }

  #drop(reason: string): void {
    this.#generation.drop(new RpcFailure(new Error(`14 UNAVAILABLE: ${reason}`)));
  }

  #end(): void {
    this.#cancelTimer();
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    for (const { listener } of watches) listener.ended({ cause: 'dropped' });
  }
}
