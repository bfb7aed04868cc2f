import { expect, it } from 'vitest';
import { observeClog } from '../../../lib/testing/observe-clog.js';
import { runWithTrace } from '../../../lib/trace/trace-store.js';
import { memoryClog } from './memory-output.js';

it('sees all lines, by namespace, level, field and trace', () => {
  const logs = observeClog();
  const { clog } = logs;
  clog.namespace('order').info('placed', { id: 7 });
  clog.namespace('order.stock').warn('low', { id: 8 });
  clog.namespace('orders').debug('other');
  runWithTrace('job-42', () => clog.info('traced'));
  expect(logs.messages()).toEqual(['placed', 'low', 'other', 'traced']);
  expect(logs.namespace('order').messages()).toEqual(['placed', 'low']);
  expect(logs.level('debug').messages()).toEqual(['other']);
  expect(logs.field('id').messages()).toEqual(['placed', 'low']);
  expect(logs.field('id', 8).messages()).toEqual(['low']);
  expect(logs.trace('job-42').messages()).toEqual(['traced']);
  expect(logs.namespace('order').field('id', 7).all()).toMatchObject([{ msg: 'placed', level: 'info' }]);
});

it('gives lines once with takeAll', () => {
  const logs = observeClog();
  logs.clog.info('one');
  expect(logs.takeAll()).toHaveLength(1);
  logs.clog.info('two');
  expect(logs.takeAll().map(({ msg }) => msg)).toEqual(['two']);
  expect(logs.all()).toEqual([]);
});

it('takes no more than a filter lets through', () => {
  const logs = observeClog();
  logs.clog.namespace('a').info('one');
  logs.clog.namespace('b').info('two');
  logs.clog.namespace('a').warn('three');
  expect(logs.namespace('a').level('info').takeAll()).toMatchObject([{ msg: 'one' }]);
  expect(logs.messages()).toEqual(['two', 'three']);
});

it('watches a logger that exists, which goes on writing, until it is stopped', () => {
  const { clog, output } = memoryClog();
  const logs = observeClog(clog.namespace('user'));
  clog.info('one');
  logs.stop();
  clog.info('two');
  expect(logs.messages()).toEqual(['one']);
  expect(output.messages).toEqual(['one', 'two']);
});
