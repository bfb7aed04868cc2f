import { type Socket } from 'node:net';
import { DATA, type FramePart, HEADERS, Http2Frames } from './http2-frames.js';
import { type Direction } from './frame-rule.js';

/** What is asked while bytes pass. */
export interface PipeHooks {
  /** How long the bytes that came just now are held, in milliseconds. */
  delay(): number;
  headers(part: FramePart): void;
  /** Called before a DATA frame is passed and after it was; may stall or cut, and then answers `true`. */
  data(part: FramePart, when: 'before' | 'after'): boolean;
}

interface Held {
  readonly part: FramePart;
  readonly due: number;
  /** The rules were asked: the part must not count twice when a stall at it ends. */
  asked: boolean;
}

/** One direction of a proxied connection: order kept, back pressure kept, stoppable at any byte. */
export class Pipe {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #hooks: PipeHooks;
  readonly #frames: Http2Frames;
  readonly #queue: Held[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stalled = false;
  #blocked = false;
  #ended = false;
  #lastDue = 0;

  constructor(direction: Direction, source: Socket, target: Socket, hooks: PipeHooks) {
    this.#source = source;
    this.#target = target;
    this.#hooks = hooks;
    this.#frames = new Http2Frames(direction);
    source.on('data', (chunk: Buffer) => this.#take(chunk));
    source.on('end', () => {
      this.#ended = true;
      this.#pump();
    });
    target.on('drain', () => {
      this.#blocked = false;
      this.#flow();
      this.#pump();
    });
  }

  stall(): void {
    this.#stalled = true;
    this.#source.pause();
  }

  resume(): void {
    this.#stalled = false;
    this.#flow();
    this.#pump();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #flow(): void {
    if (!this.#stalled && !this.#blocked) this.#source.resume();
  }

  #take(chunk: Buffer): void {
    this.#lastDue = Math.max(this.#lastDue, performance.now() + this.#hooks.delay());
    for (const part of this.#frames.read(chunk)) this.#queue.push({ part, due: this.#lastDue, asked: false });
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    for (let held = this.#queue[0]; held !== undefined && !this.#stalled; held = this.#queue[0]) {
      const wait = held.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pump(), wait);
        return;
      }
      if (!this.#pass(held)) return;
    }
    if (this.#ended && this.#queue.length === 0 && !this.#stalled) this.#target.end();
  }

  /** @returns whether to go on. */
  #pass(held: Held): boolean {
    const { part } = held;
    if (part.type === HEADERS && part.last) this.#hooks.headers(part);
    if (part.type === DATA && part.first && !held.asked) {
      held.asked = true;
      if (this.#hooks.data(part, 'before')) return false;
    }
    this.#queue.shift();
    if (this.#target.writable && !this.#target.write(part.bytes)) {
      this.#blocked = true;
      this.#source.pause();
    }
    return !(part.type === DATA && part.last && this.#hooks.data(part, 'after'));
  }
}
