import { beforeEach, describe, expect, it } from 'vitest';
import { noAnswerWithin, RpcFailure } from '../../../lib/coord/etcd/rpc-failure.js';
import { SignsOfLife } from '../../../lib/coord/etcd/signs-of-life.js';
import { FakeClock } from '../../support/fake-clock.js';

interface Question {
  answer(): void;
  fail(message: string): void;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const LATE = `1 CANCELLED: ${noAnswerWithin(2_000)}`;

describe('signs of life', () => {
  let clock: FakeClock;
  let life: SignsOfLife;
  let asked: Question[];
  let proofs: Question[];
  let dropped: boolean;
  beforeEach(() => {
    clock = new FakeClock();
    asked = [];
    proofs = [];
    dropped = false;
    const question = (questions: Question[]) => () =>
      new Promise<void>((resolve, reject) =>
        questions.push({ answer: resolve, fail: (message) => reject(new RpcFailure(new Error(message))) }),
      );
    life = new SignsOfLife({
      clock,
      ask: question(asked),
      prove: question(proofs),
      drop: () => (dropped = true),
    });
  });

  it('are missing when nothing was heard for a second', () => {
    const sent = clock.now();
    clock.advance(1_000);
    expect(life.givenUp(sent)).toBe(true);
    expect(proofs).toHaveLength(0);
  });

  it('are missing for nobody who waits for less: then the member is asked, and left if it does not answer', async () => {
    const sent = clock.now();
    clock.advance(15);
    expect(life.givenUp(sent)).toBe(false);
    expect(life.givenUp(sent)).toBe(false);
    expect(proofs).toHaveLength(1);
    proofs[0]!.fail(LATE);
    await settled();
    expect(dropped).toBe(true);
  });

  it('are there when the member answers somebody else, and it stays if it can prove itself', async () => {
    const sent = clock.now();
    clock.advance(500);
    life.heard();
    clock.advance(4_000);
    expect(life.givenUp(sent)).toBe(false);
    proofs[0]!.answer();
    await settled();
    expect(dropped).toBe(false);
    life.givenUp(sent);
    expect(proofs).toHaveLength(2);
  });

  it('are asked for once a second while anybody waits, before that is judged', async () => {
    const sent = clock.now();
    clock.advance(999);
    life.waiting(sent);
    expect(asked).toHaveLength(0);
    clock.advance(1);
    life.waiting(sent);
    life.waiting(sent);
    expect(asked).toHaveLength(1);
    life.heard();
    asked[0]!.answer();
    await settled();
    clock.advance(999);
    life.waiting(sent);
    expect(asked).toHaveLength(1);
    clock.advance(1);
    life.waiting(sent);
    expect(asked).toHaveLength(2);
    expect(life.givenUp(sent)).toBe(false);
  });

  it('of a member that says that it has no leader are of no use', async () => {
    const sent = clock.now();
    clock.advance(1_000);
    life.waiting(sent);
    asked[0]!.fail('14 UNAVAILABLE: etcdserver: no leader');
    await settled();
    expect(dropped).toBe(true);
  });

  it('that were asked for in vain are judged by whoever waits', async () => {
    const sent = clock.now();
    clock.advance(1_000);
    life.waiting(sent);
    asked[0]!.fail(LATE);
    await settled();
    expect(dropped).toBe(false);
    expect(life.givenUp(sent)).toBe(true);
  });
});
