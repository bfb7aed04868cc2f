import { expect, it } from 'vitest';
import { Candidacy } from '../../../lib/coord/election/candidacy.js';
import type { Leadership } from '../../../lib/coord/election/leadership.js';
import { collectLog } from '../../support/open-client.js';

it('a candidacy that loses its leadership gives its place up before it campaigns again', async () => {
  const steps: string[] = [];
  const terms: AbortController[] = [];
  const campaign = async (): Promise<Leadership> => {
    const term = new AbortController();
    const number = terms.push(term);
    steps.push(`elected ${number}`);
    return {
      signal: term.signal,
      fencingToken: BigInt(number),
      isLeader: () => !term.signal.aborted,
      resign: async () => void steps.push(`resigned ${number}`),
    } as unknown as Leadership;
  };
  const candidacy = new Candidacy({ name: 'boss', campaign, logger: collectLog() });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  await settled();
  terms[0]!.abort(new Error('its key was deleted'));
  await settled();
  expect(steps).toEqual(['elected 1', 'resigned 1', 'elected 2']);
  await candidacy.close();
  expect(steps.at(-1)).toBe('resigned 2');
});
