import { fragments } from './fragments.js';
import { type Header, type WatchCreateRequest, type WatchRequest, type WatchResponse } from './messages.js';
import { type MvccStore } from './mvcc-store.js';
import { Watcher, watchSpan } from './watcher.js';

/** What the client gets when a response is about no watch of its own. */
const NO_WATCH = -1;

export interface WatchStreamDeps {
  readonly store: MvccStore;
  readonly header: (revision: number) => Header;
  /** Sends a response; `false` asks to wait for {@link WatchStream.drained} before more events are sent. */
  readonly send: (response: WatchResponse) => boolean;
  /** etcd's text for why the caller may not watch; `undefined` if it may. */
  readonly refuses: (request: WatchCreateRequest) => string | undefined;
}

/**
 * One watch stream: any number of watches, created and cancelled by the client. A client that reads slowly is not
 * buffered for: its watches stay where they are and go on from there.
 */
export class WatchStream {
  readonly #deps: WatchStreamDeps;
  readonly #watchers = new Map<string, Watcher>();
  readonly #unsubscribe: () => void;
  #nextId = 0;
  #full = false;
  #progressDue = false;

  constructor(deps: WatchStreamDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.store.onCommit(() => this.#pump());
  }

  handle(request: WatchRequest): void {
    if (request.createRequest) this.#create(request.createRequest);
    else if (request.cancelRequest) this.#cancel(request.cancelRequest.watchId);
    else if (request.progressRequest) this.#progress();
  }

  /** The client has read on. */
  drained(): void {
    this.#full = false;
    this.#pump();
  }

  /** The server's periodic progress for watches that asked for it and had no event since the last. */
  tick(): void {
    for (const watcher of this.#watchers.values()) {
      if (!watcher.request.progressNotify) continue;
      if (watcher.quiet && watcher.next > this.#deps.store.revision) this.#send({ watchId: watcher.id });
      watcher.quiet = true;
    }
  }

  close(): void {
    this.#unsubscribe();
    this.#watchers.clear();
  }

  #create(request: WatchCreateRequest): void {
    const { store, refuses } = this.#deps;
    const refusal = refuses(request) ?? this.#refusal(request);
    if (refusal !== undefined) {
      this.#send({ watchId: NO_WATCH, created: true, canceled: true, cancelReason: refusal });
      return;
    }
    const start = Number(request.startRevision);
    const watcher = new Watcher(this.#idFor(request), request, start === 0 ? store.revision + 1 : start);
    watcher.quiet = true;
    this.#watchers.set(watcher.id, watcher);
    this.#send({ watchId: watcher.id, created: true });
    this.#feed(watcher);
  }

  #refusal(request: WatchCreateRequest): string | undefined {
    const { from, to } = watchSpan(request);
    if (to !== undefined && from >= to) return 'mvcc: watcher range is empty';
    if (request.watchId !== '0' && this.#watchers.has(request.watchId)) {
      return 'mvcc: duplicate watch ID provided on the WatchStream';
    }
    return undefined;
  }

  /** The client's, or the lowest that was never given out and is free. */
  #idFor({ watchId }: WatchCreateRequest): string {
    if (watchId !== '0') return watchId;
    while (this.#watchers.has(String(this.#nextId))) this.#nextId++;
    return String(this.#nextId++);
  }

  /** Of a watch that is not there etcd says nothing. */
  #cancel(id: string): void {
    if (this.#watchers.delete(id)) this.#send({ watchId: id, canceled: true });
  }

  /** Promises that all events up to the header's revision were sent, so it waits until they were. */
  #progress(): void {
    if (this.#full) this.#progressDue = true;
    else this.#send({ watchId: NO_WATCH });
  }

  #pump(): void {
    for (const watcher of this.#watchers.values()) this.#feed(watcher);
    if (this.#full || !this.#progressDue) return;
    this.#progressDue = false;
    this.#progress();
  }

  #feed(watcher: Watcher): void {
    const { store } = this.#deps;
    while (!this.#full && !watcher.compacted && watcher.next <= store.revision) {
      if (watcher.next < store.compacted) {
        watcher.compacted = true;
        this.#send({ watchId: watcher.id, canceled: true, compactRevision: store.compacted }, 0);
        return;
      }
      const events = watcher.take(store);
      if (events.length === 0) continue;
      watcher.quiet = false;
      this.#sendEvents(watcher, events);
    }
  }

  #sendEvents(watcher: Watcher, events: WatchResponse['events']): void {
    const response = { header: this.#deps.header(this.#deps.store.revision), watchId: watcher.id, events };
    if (!watcher.request.fragment) this.#full = !this.#deps.send(response) || this.#full;
    else for (const part of fragments(response)) this.#full = !this.#deps.send(part) || this.#full;
  }

  #send(response: Omit<WatchResponse, 'header'>, revision = this.#deps.store.revision): void {
    const sent = this.#deps.send({ ...response, header: this.#deps.header(revision) });
    if (!sent) this.#full = true;
  }
}
