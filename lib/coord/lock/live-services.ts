import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';

/** The services of one kind that are open in this process, one for each application, as a rule. */
export class LiveServices<T extends object> {
  readonly #key: symbol;

  /** @param kind names the set, which is one per process, shared by the ESM and the CommonJS build */
  constructor(kind: string) {
    this.#key = Symbol.for(`im-infra:live-${kind}`);
  }

  add(service: T): void {
    this.#services.add(service);
  }

  delete(service: T): void {
    this.#services.delete(service);
  }

  /** The one that is open. @throws CoordUnavailableError if there is none, or more than one to choose from */
  only(what: string): T {
    const { size } = this.#services;
    const [only] = this.#services;
    if (only && size === 1) return only;
    throw new CoordUnavailableError(
      size === 0
        ? `${what} cannot run: no application with ImInfraModule and \`coord\` options is live in this process`
        : `${what} cannot run: ${size} applications are live in this process, and the object it is called on was not ` +
            'made by Nest; let Nest make it, so that it gets the services of its own application',
    );
  }

  get #services(): Set<T> {
    const home = globalThis as { [key: symbol]: Set<T> | undefined };
    return (home[this.#key] ??= new Set());
  }
}
