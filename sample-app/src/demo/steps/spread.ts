import { type User } from '../../shared/user.messages.js';
import { type Step } from '../stage.js';

export const spread: Step = {
  title: '1. Calls from the gateway spread over both user services',
  async play({ fleet, narrator }) {
    const users = await Promise.all(Array.from({ length: 100 }, (_, id) => fleet.get<User>(`/users/${id}`)));
    const counts = new Map<string, number>();
    for (const { servedBy } of users) counts.set(servedBy, (counts.get(servedBy) ?? 0) + 1);
    narrator.say(`100 times GET ${fleet.url}/users/:id -> gRPC coord:///user-service`);
    narrator.table(
      ['instance', 'pid', 'calls'],
      rows(counts, (id) => fleet.member(id).pid),
    );
    narrator.check(
      'both instances got calls, about half each',
      [...counts.values()].every((n) => n >= 30) && counts.size === 2,
    );
  },
};

function rows(counts: ReadonlyMap<string, number>, pid: (id: string) => number): (string | number)[][] {
  return [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([id, calls]) => [id, pid(id), calls]);
}
