export type Direction = 'client' | 'server';

export interface FrameRuleOptions {
  /** Only streams of this method, for example `/etcdserverpb.Watch/Watch`. @default streams of every method */
  readonly path?: string | RegExp;
  /** Who sends the frame. @default 'server' */
  readonly direction?: Direction;
  /** Which DATA frame of a stream, counted from 1 and from now on. @default 1 */
  readonly frame?: number;
  /** Whether the frame still gets through. @default 'before': it does not */
  readonly when?: 'before' | 'after';
}

/** Where a rule has struck. */
export interface FrameHit {
  readonly connection: number;
  readonly streamId: number;
  readonly path: string | undefined;
  readonly frame: number;
}

/** Strikes once, at the k-th DATA frame of the first matching stream that has so many. */
export class FrameRule {
  /** Settles when it has struck. */
  readonly fired: Promise<FrameHit>;
  readonly direction: Direction;
  readonly when: 'before' | 'after';
  readonly #path: string | RegExp | undefined;
  readonly #frame: number;
  readonly #counts = new Map<string, number>();
  readonly #remove: (rule: FrameRule) => void;
  #settle!: (hit: FrameHit) => void;

  constructor(
    readonly action: 'cut' | 'stall',
    options: FrameRuleOptions,
    remove: (rule: FrameRule) => void,
  ) {
    this.#path = options.path;
    this.direction = options.direction ?? 'server';
    this.#frame = options.frame ?? 1;
    this.when = options.when ?? 'before';
    this.#remove = remove;
    this.fired = new Promise((resolve) => (this.#settle = resolve));
  }

  /** Whether this frame is the one; counts it. */
  strikes(connection: number, streamId: number, path: string | undefined): boolean {
    if (!this.#matches(path)) return false;
    const stream = `${connection}/${streamId}`;
    const frame = (this.#counts.get(stream) ?? 0) + 1;
    this.#counts.set(stream, frame);
    if (frame < this.#frame) return false;
    this.cancel();
    this.#settle({ connection, streamId, path, frame });
    return true;
  }

  /** It will not strike any more. */
  cancel(): void {
    this.#remove(this);
  }

  #matches(path: string | undefined): boolean {
    if (this.#path === undefined) return true;
    if (path === undefined) return false;
    return typeof this.#path === 'string' ? path === this.#path : this.#path.test(path);
  }
}
