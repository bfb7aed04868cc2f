import { describe, expect, it } from 'vitest';
import { FrameRule } from '../../../lib/testing/faults/frame-rule.js';

const WATCH = '/etcdserverpb.Watch/Watch';

describe('FrameRule', () => {
  it('strikes once, at the k-th frame of the first stream that has so many', async () => {
    const rules = new Set<FrameRule>();
    const rule = new FrameRule('cut', { path: WATCH, frame: 2 }, (each) => rules.delete(each));
    rules.add(rule);
    expect(rule.strikes(1, 1, WATCH)).toBe(false);
    expect(rule.strikes(1, 3, WATCH)).toBe(false);
    expect(rule.strikes(2, 1, WATCH)).toBe(false);
    expect(rule.strikes(1, 3, WATCH)).toBe(true);
    expect(rules.size).toBe(0);
    expect(await rule.fired).toEqual({ connection: 1, streamId: 3, path: WATCH, frame: 2 });
  });

  it('counts only streams of its method, by name or by pattern', () => {
    const byName = new FrameRule('cut', { path: WATCH }, () => {});
    expect(byName.strikes(1, 1, '/etcdserverpb.KV/Put')).toBe(false);
    expect(byName.strikes(1, 1, undefined)).toBe(false);
    expect(byName.strikes(1, 1, WATCH)).toBe(true);
    const byPattern = new FrameRule('cut', { path: /KV\/(Put|Txn)$/ }, () => {});
    expect(byPattern.strikes(1, 1, WATCH)).toBe(false);
    expect(byPattern.strikes(1, 1, '/etcdserverpb.KV/Txn')).toBe(true);
  });

  it('means the first frame from the server, not let through, unless told otherwise', () => {
    const rule = new FrameRule('cut', {}, () => {});
    expect([rule.direction, rule.when]).toEqual(['server', 'before']);
    expect(rule.strikes(1, 1, undefined)).toBe(true);
  });
});
