import 'reflect-metadata';
import { ValidationError } from '../../errors/validation.error.js';
import { coordOf, injectCoord } from '../lock/injected-coord.js';
import { checkLockKey } from '../lock/lock-key.js';
import { wrapMethod } from '../lock/wrap-method.js';
import { type ElectionService, liveElections } from './election.service.js';
import { runAsLeader } from './leadership-context.js';

/** The name of the election, under this key in the metadata of the method. */
export const ON_LEADER = Symbol.for('im-infra:on-leader');

type AsyncMethodDecorator = <M extends (...args: never[]) => Promise<unknown>>(
  target: object,
  property: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/**
 * Runs the method on the leader only; on every other process a call gives `undefined` and nothing runs. The application
 * stands for election from its start; a shutdown waits for a running method (at most 5 s) and hands over.
 *
 * A call rejects with `LockLostError` if the leadership was lost while it ran; `currentLeadership()` has the signal.
 *
 * @example
 * \@Cron('0 * * * *')
 * \@OnLeader('reports')
 * async report() { … }
 */
export function OnLeader(name: string): AsyncMethodDecorator {
  checkLockKey('name', name);
  return (target, property, descriptor) => {
    const method = descriptor?.value as ((...args: never[]) => Promise<unknown>) | undefined;
    if (typeof method !== 'function') {
      throw new ValidationError('@OnLeader', `a method, which ${String(property)} is not`);
    }
    const className = typeof target === 'function' ? target.name : target.constructor.name;
    const what = `${className}.${String(property)} under @OnLeader`;
    const run = async (self: unknown, args: unknown[]): Promise<unknown> => {
      const candidacy = electionsOf(self, what).candidacy(name);
      const { leadership } = candidacy;
      if (!leadership) return undefined;
      const result = await candidacy.track(
        runAsLeader(leadership, async () => method.apply(self, args as never[])),
      );
      leadership.assertLeader();
      return result;
    };
    const wrapper = wrapMethod(method, run);
    Reflect.defineMetadata(ON_LEADER, name, wrapper);
    injectCoord(target);
    descriptor.value = wrapper as unknown as NonNullable<typeof descriptor.value>;
  };
}

/** The election service of the application of `instance`. @throws CoordUnavailableError if there is none: fails closed */
function electionsOf(instance: unknown, what: string): ElectionService {
  const coord = coordOf(instance) as { readonly election: ElectionService } | undefined;
  return coord ? coord.election : liveElections.only(what);
}
