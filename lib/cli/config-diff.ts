import { isDeepStrictEqual } from 'node:util';
import type { SecretPolicy } from '../coord/config/secret-policy.js';
import { stringifyExact } from './exact-json.js';

/** What a key is to become; `undefined`: nothing. */
export interface KeyChange {
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
  /** The key's version at the time of comparison; `0n`: it does not exist. */
  readonly version: bigint;
}

/** One place in a value that differs. */
export interface Difference {
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** How values are shown: as they are, or without secrets. */
export type Shown = (key: string, path: string, value: unknown) => unknown;

export function shown(secrets: SecretPolicy, reveal: boolean): Shown {
  return (key, path, value) => (reveal ? value : secrets.redact([key], value, path));
}

export function differences(before: unknown, after: unknown, path = ''): Difference[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isBranch(before) && isBranch(after) && Array.isArray(before) === Array.isArray(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) =>
      differences(before[name], after[name], path === '' ? name : `${path}.${name}`),
    );
  }
  return [{ path, ...(before !== undefined && { before }), ...(after !== undefined && { after }) }];
}

/** A change for people: one line for the key, one for each place in it. */
export function renderChange({ key, before, after }: KeyChange, show: Shown, colour: boolean): string {
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const text = (path: string, value: unknown): string => stringifyExact(show(key, path, value));
  if (before === undefined) return paint(32, `+ ${key}  ${text('', after)}`) + '\n';
  if (after === undefined) return paint(31, `- ${key}  ${text('', before)}`) + '\n';
  const lines = differences(before, after).map((each) => {
    const name = each.path === '' ? '(value)' : each.path;
    if (!('before' in each)) return paint(32, `    + ${name}: ${text(each.path, each.after)}`);
    if (!('after' in each)) return paint(31, `    - ${name}: ${text(each.path, each.before)}`);
    return `    ${name}: ${paint(31, text(each.path, each.before))} → ${paint(32, text(each.path, each.after))}`;
  });
  return `${paint(33, `~ ${key}`)}\n${lines.join('\n')}\n`;
}

/** A change for programs. */
export function changeToJson({ key, before, after, version }: KeyChange, show: Shown): object {
  const kind = before === undefined ? 'create' : 'update';
  return {
    key,
    change: after === undefined ? 'delete' : kind,
    version: version.toString(),
    ...(before !== undefined && { before: show(key, '', before) }),
    ...(after !== undefined && { after: show(key, '', after) }),
  };
}

function isBranch(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
