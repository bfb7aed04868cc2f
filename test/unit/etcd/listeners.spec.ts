import { describe, expect, it } from 'vitest';
import { Listeners } from '../../../lib/coord/etcd/listeners.js';

describe('listeners', () => {
  it('are told one after the other, until they leave', () => {
    const heard: string[] = [];
    const listeners = new Listeners<number>(() => undefined);
    listeners.add((told) => heard.push(`first ${told}`));
    const leave = listeners.add((told) => heard.push(`second ${told}`));
    listeners.tell(1);
    leave();
    listeners.tell(2);
    expect(heard).toEqual(['first 1', 'second 1', 'first 2']);
  });

  it('are not hurt by one that throws, which is reported', () => {
    const reported: unknown[] = [];
    const heard: number[] = [];
    const listeners = new Listeners<number>((error) => reported.push(error));
    const failure = new Error('a listener that throws');
    listeners.add(() => {
      throw failure;
    });
    listeners.add((told) => heard.push(told));
    listeners.tell(1);
    expect(reported).toEqual([failure]);
    expect(heard).toEqual([1]);
  });

  it('are not told of what is being told when they come', () => {
    const heard: string[] = [];
    const listeners = new Listeners<number>(() => undefined);
    const leave = listeners.add((told) => {
      leave();
      listeners.add((again) => heard.push(`late ${again}`));
      heard.push(`early ${told}`);
    });
    listeners.tell(1);
    expect(heard).toEqual(['early 1']);
    listeners.tell(2);
    expect(heard).toEqual(['early 1', 'late 2']);
  });

  it('are not told of what is being told once they are cleared', () => {
    const heard: number[] = [];
    const listeners = new Listeners<number>(() => undefined);
    listeners.add(() => listeners.clear());
    listeners.add((told) => heard.push(told));
    listeners.tell(1);
    expect(heard).toEqual([]);
  });
});
