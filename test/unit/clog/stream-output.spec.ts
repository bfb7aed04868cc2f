import { afterEach, expect, it } from 'vitest';
import { ClogService } from '../../../lib/clog/clog.service.js';

const own = Object.getOwnPropertyDescriptor(process.stdout, 'write');

function replaceWrite(write: (text: string) => boolean): void {
  Object.defineProperty(process.stdout, 'write', { configurable: true, writable: true, value: write });
}

afterEach(() => {
  if (own === undefined) delete (process.stdout as { write?: unknown }).write;
  else Object.defineProperty(process.stdout, 'write', own);
});

it('writes through a stream that somebody took over, and survives one that throws', () => {
  const seen: string[] = [];
  const clog = ClogService.create({ service: { name: 'x' }, format: 'json' });
  for (const thrown of [new Error('broken'), null]) {
    replaceWrite(() => {
      throw thrown;
    });
    clog.info('dropped');
    clog.error('dropped', 'context');
  }
  replaceWrite((text) => seen.push(text) > 0);
  clog.info('seen');
  expect(seen.map((text) => (JSON.parse(text) as { msg: string }).msg)).toEqual(['seen']);
});
