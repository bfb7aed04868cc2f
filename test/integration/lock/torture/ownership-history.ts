import type { Mirror } from '../../../../lib/coord/etcd/mirror.js';

/**
 * Names an ownership. The token alone does not: locks taken in one tick travel in one transaction, and keys made in one
 * transaction have one create revision.
 */
export function nameOf({ key, token }: { readonly key: string; readonly token: bigint }): string {
  return `${key}:${token}`;
}

/** One ownership as the outside saw it; times in ns of the machine's monotonic clock. */
export interface Ownership {
  readonly key: string;
  /** Which worker, for whoever has to explain a violation. */
  readonly worker: number;
  readonly token: bigint;
  readonly invoked: bigint;
  readonly returned: bigint;
  /** When it was given back; `undefined` if it was lost before, or nobody saw it. */
  releaseInvoked?: bigint;
  readonly claims: bigint[];
}

/** When a place in a queue went, as a direct watch saw it: never earlier than it really went. */
export interface Departure {
  readonly key: string;
  readonly token: bigint;
  readonly at: bigint;
  /** Somebody deleted it, or revoked its lease: its owner can only learn of it afterwards. */
  readonly taken: boolean;
}

export class DepartureLog {
  readonly departures = new Map<string, Departure>();
  /** Ownerships whose keys the nemesis is about to take away. */
  readonly doomed = new Set<string>();
  /** Leases that the nemesis is about to revoke. */
  readonly doomedLeases = new Set<bigint>();

  constructor(mirror: Mirror) {
    mirror.subscribe(({ changes }) => {
      const at = process.hrtime.bigint();
      for (const { previous, current } of changes) {
        if (!previous || previous.createRevision === current?.createRevision) continue;
        const [, , key = ''] = previous.key.split('/');
        const token = previous.createRevision;
        const name = nameOf({ key, token });
        const taken = this.doomed.has(name) || this.doomedLeases.has(previous.lease);
        this.departures.set(name, { key, token, at, taken });
      }
    });
  }
}

const MS = 1_000_000n;

/** A time in which a worker, or everybody, was under a fault. */
export interface Disturbance {
  /** `undefined`: everybody. */
  readonly worker: number | undefined;
  /** etcd itself was stopped or killed: the direct watch may have seen late what happened. */
  readonly etcd: boolean;
  readonly from: bigint;
  to: bigint;
}

/** After a fault connections are made again, and what was missed is caught up: so long, in ms. */
const AFTERMATH = 3_000;

/**
 * Every moment at which an owner claimed to hold the lock must lie before its key went. After a key was taken away its
 * owner may claim for `notice` ms more, until its watch has told it; one that was cut off then, until its session has
 * run out, `session` ms later.
 */
export function falseClaims(
  owned: readonly Ownership[],
  departures: ReadonlyMap<string, Departure>,
  disturbances: readonly Disturbance[],
  { notice, session }: { readonly notice: number; readonly session: number },
): string[] {
  const violations: string[] = [];
  for (const { key, token, worker, claims } of owned) {
    const departure = departures.get(nameOf({ key, token }));
    if (!departure) continue;
    const end = departure.at + BigInt(notice) * MS;
    const disturbed = disturbances.some(
      (each) =>
        (each.worker === undefined || each.worker === worker) &&
        each.from <= end &&
        each.to + BigInt(AFTERMATH) * MS >= departure.at,
    );
    const grace = departure.taken ? BigInt(disturbed ? session : notice) * MS : 0n;
    const late = claims.filter((at) => at > departure.at + grace);
    if (late.length === 0) continue;
    const worst = late.reduce((a, b) => (a > b ? a : b));
    violations.push(
      `token ${token} was claimed ${late.length} times after its key went${departure.taken ? ' (taken away)' : ''}, ` +
        `up to ${(worst - departure.at) / MS} ms`,
    );
  }
  return violations;
}

/**
 * Every moment at which an owner claimed to hold the lock must lie after everybody before it in the queue had gone, whether
 * those owned it or only waited. The direct watch may see a departure later than the owner does, by `slack` ms; after etcd
 * was away, nobody can say by how much.
 */
export function earlyClaims(
  owned: readonly Ownership[],
  departures: ReadonlyMap<string, Departure>,
  disturbances: readonly Disturbance[],
  slack: number,
): string[] {
  const violations: string[] = [];
  const blind = disturbances.filter(({ etcd }) => etcd);
  const inOrder = [...departures.values()].sort((a, b) => (a.token < b.token ? -1 : 1));
  for (const { key, token, worker, claims } of owned) {
    const [first] = [...claims].sort((a, b) => (a < b ? -1 : 1));
    if (first === undefined) continue;
    for (const ahead of inOrder) {
      if (ahead.token >= token) break;
      if (ahead.key !== key || first + BigInt(slack) * MS >= ahead.at) continue;
      const seen = !blind.some(({ from, to }) => from <= ahead.at && to + BigInt(AFTERMATH) * MS >= first);
      if (!seen) continue;
      violations.push(
        `token ${token} (worker ${worker}) was claimed ${(ahead.at - first) / MS} ms before token ${ahead.token}, ahead of it, went`,
      );
    }
  }
  return violations;
}

/** No owner may claim the lock after a later owner (a higher token) has claimed it; needs no watch to be seen. */
export function overlaps(owned: readonly Ownership[], departures: ReadonlyMap<string, Departure>): string[] {
  const violations: string[] = [];
  const inOrder = owned
    .filter((each) => each.claims.length > 0 && !departures.get(nameOf(each))?.taken)
    .sort((a, b) => (a.token < b.token ? -1 : 1));
  let before: { owner: Ownership; last: bigint } | undefined;
  for (const owner of inOrder) {
    const first = owner.claims.reduce((a, b) => (a < b ? a : b));
    const last = owner.claims.reduce((a, b) => (a > b ? a : b));
    if (before && first < before.last) {
      const gone = departures.get(nameOf(before.owner));
      violations.push(
        `token ${owner.token} (worker ${owner.worker}) was claimed ${(before.last - first) / MS} ms before token ` +
          `${before.owner.token} (worker ${before.owner.worker}) ended, whose key went ` +
          (gone ? `${(gone.at - first) / MS} ms after that claim` : 'unseen'),
      );
    }
    if (!before || last > before.last) before = { owner, last };
  }
  return violations;
}

/**
 * Whether the history of acquisitions and releases is that of one mutex (M. Herlihy, J. Wing, "Linearizability", 1990).
 * Tokens fix the order of the ownerships, so that a search is not needed: acquisitions take effect in that order, each
 * between its call and its answer, and a release before the next acquisition. A release that nobody saw (crash, loss)
 * may have taken effect at any time. Returns the first ownership that cannot be placed.
 */
export function linearizability(
  owned: readonly Ownership[],
  departures: ReadonlyMap<string, Departure>,
): string | undefined {
  let point = 0n;
  for (const { key, token, invoked, returned, releaseInvoked } of [...owned].sort((a, b) =>
    a.token < b.token ? -1 : 1,
  )) {
    point = point > invoked ? point : invoked;
    if (point > returned) {
      return `the acquisition of token ${token} returned ${(point - returned) / MS} ms before it can have taken effect`;
    }
    // The release takes effect as early as it may; without one seen, right after the acquisition.
    if (
      releaseInvoked !== undefined &&
      releaseInvoked > point &&
      !departures.get(nameOf({ key, token }))?.taken
    )
      point = releaseInvoked;
  }
  return undefined;
}
