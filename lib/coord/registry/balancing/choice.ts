import { addressOf } from '../instance-traits.js';
import type { LoadBalancingPolicy } from './balancing-plan.js';
import type { Candidate } from './candidate.js';
import { RendezvousChoice } from './rendezvous.js';
import { TwoChoices } from './two-choices.js';
import { WeightedRotation } from './weighted-rotation.js';

/** One policy over one set of candidates. */
export interface Choice<C> {
  /** @param key of the call, for policies that keep calls with the same key together */
  next(key?: string): C | undefined;
  /** Where the rotation stands, so that the next choice over nearly the same candidates goes on from there. */
  readonly turn: number;
}

/** @param turn of the choice that this one replaces */
export function createChoice<C extends Candidate>(
  policy: LoadBalancingPolicy,
  candidates: readonly C[],
  turn: number,
  random: () => number = Math.random,
): Choice<C> {
  switch (policy) {
    case 'pick_first':
      return { turn, next: () => candidates[0] };
    case 'least_request': {
      const choice = new TwoChoices(candidates, (candidate) => candidate.cost(), random);
      return { turn, next: () => choice.next() };
    }
    case 'round_robin':
      return rotation(candidates, turn);
    case 'consistent_hash': {
      const rotating = rotation(candidates, turn);
      const sticky = new RendezvousChoice(
        candidates,
        ({ instance }) => addressOf(instance),
        (candidate) => candidate.weight(),
      );
      return {
        get turn() {
          return rotating.turn;
        },
        next: (key) => (key === undefined ? rotating.next() : sticky.of(key)),
      };
    }
  }
}

function rotation<C extends Candidate>(candidates: readonly C[], turn: number): Choice<C> {
  return new WeightedRotation(
    candidates,
    candidates.map((candidate) => candidate.weight()),
    turn,
  );
}
