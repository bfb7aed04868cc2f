import type { Logger } from 'pino';
import type { Clock } from './clock.js';
import { type LevelLayer, levelPrefixes, nextExpiry, resolveLevel } from './level-table.js';
import type { LogLevel } from './log-level.js';
import { NamespaceLogger } from './namespace-logger.js';

const NONE: LevelLayer = new Map();

/**
 * The namespaces of one application and the table of their levels, in three layers: what was set in the program, what
 * the configuration centre says, what the application was started with. Namespaces are kept for the life of the
 * application: they name places in the code, so they are few.
 */
export class Namespaces {
  readonly #service: string;
  readonly #root: Logger;
  readonly #clock: Clock;
  readonly #known = new Map<string, NamespaceLogger>();
  readonly #boot: LevelLayer;
  #live: LevelLayer = NONE;
  #set: LevelLayer = NONE;
  #cancelExpiry: (() => void) | undefined;
  #closed = false;

  constructor(service: string, root: Logger, boot: LevelLayer, clock: Clock) {
    this.#service = service;
    this.#root = root;
    this.#boot = boot;
    this.#clock = clock;
    this.#watchExpiry();
  }

  /** The logger of a namespace, made on first use; the empty name is the application's own. */
  get(name: string): NamespaceLogger {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    // From the root, never from the parent namespace: pino would repeat the key in the line.
    const pino = this.#root.child({ namespace: name === '' ? this.#service : name });
    const logger = new NamespaceLogger(name, pino, levelPrefixes(this.#service, name));
    logger.level = resolveLevel(logger.prefixes, this.#layers(), this.#clock.now());
    this.#known.set(name, logger);
    return logger;
  }

  /** Sets the level of a prefix; other namespaces keep theirs. */
  set(prefix: string, level: LogLevel, until: number | undefined): void {
    this.#set = new Map(this.#set).set(prefix, { level, ...(until !== undefined && { until }) });
    this.#apply();
  }

  /** Takes the configuration centre's table; it also ends what was set in the program before. */
  follow(live: LevelLayer | undefined): void {
    this.#live = live ?? NONE;
    this.#set = NONE;
    this.#apply();
  }

  close(): void {
    this.#closed = true;
    this.#cancelExpiry?.();
  }

  #layers(): readonly LevelLayer[] {
    return [this.#set, this.#live, this.#boot];
  }

  #apply(): void {
    const layers = this.#layers();
    const now = this.#clock.now();
    for (const logger of this.#known.values()) logger.level = resolveLevel(logger.prefixes, layers, now);
    this.#watchExpiry();
  }

  /** One timer, for the entry that ends next. */
  #watchExpiry(): void {
    this.#cancelExpiry?.();
    this.#cancelExpiry = undefined;
    const now = this.#clock.now();
    const next = this.#closed ? undefined : nextExpiry(this.#layers(), now);
    if (next !== undefined) this.#cancelExpiry = this.#clock.after(next - now, () => this.#apply());
  }
}
