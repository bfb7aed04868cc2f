import { pino } from 'pino';
import { describe, expect, it } from 'vitest';

/* What clog relies on in pino beyond its documentation. pino 9.14 lacks the first; a change would show here. */
describe('pino', () => {
  const build = () => {
    const lines: string[] = [];
    const root = pino(
      { level: 'trace', base: { service: 'a' } },
      { write: (line: string) => void lines.push(line) },
    );
    return { root, lines };
  };

  it('lets children that exist follow the level of their parent', () => {
    const { root, lines } = build();
    const namespace = root.child({ namespace: 'n' });
    namespace.level = 'info';
    const request = namespace.child({ trace_id: 't' });
    const deeper = request.child({ user: 1 });
    deeper.debug('no');
    namespace.level = 'debug';
    deeper.debug('yes');
    namespace.level = 'silent';
    deeper.fatal('no');
    expect(lines).toHaveLength(1);
  });

  it('does not let a level set on one child reach its siblings or its parent', () => {
    const { root } = build();
    const [first, second] = [root.child({ namespace: '1' }), root.child({ namespace: '2' })];
    first.level = 'error';
    expect([root.level, first.level, second.level]).toEqual(['trace', 'error', 'trace']);
  });

  it('keeps the level of a child that was set, when the parent changes', () => {
    const { root } = build();
    const child = root.child({ namespace: '1' });
    child.level = 'trace';
    root.level = 'fatal';
    expect(child.level).toBe('trace');
  });

  it('repeats a key that a nested child binds again, hence namespaces are made from the root', () => {
    const { root, lines } = build();
    root.child({ namespace: 'a' }).child({ namespace: 'a.b' }).info('x');
    expect(lines[0]?.split('"namespace"')).toHaveLength(3);
  });

  it('does not interpret a message without arguments', () => {
    const { root, lines } = build();
    root.info({ a: 1 }, '100 %s %d %j %%');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: '100 %s %d %j %%' });
  });
});
