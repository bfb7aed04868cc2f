import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ConfigSchema, validate } from '../../../lib/coord/config/config-schema.js';
import { withoutValues } from '../../../lib/coord/config/issue-message.js';

const input = {
  port: 'hush-canary-port',
  mode: 'hush-canary-mode',
  url: 'hush-canary-url',
  nested: { list: ['hush-canary-item'], pin: 4711 },
};

const schemas: readonly (readonly [string, ConfigSchema<unknown>])[] = [
  [
    'zod',
    z
      .object({
        port: z.number(),
        mode: z.enum(['a', 'b']),
        url: z.url(),
        nested: z.object({ list: z.array(z.number()), pin: z.literal(1) }),
      })
      .strict(),
  ],
  [
    'valibot',
    v.object({
      port: v.number(),
      mode: v.picklist(['a', 'b']),
      url: v.pipe(v.string(), v.url()),
      nested: v.object({ list: v.array(v.number()), pin: v.literal(1) }),
    }),
  ],
  [
    'arktype',
    type({ port: 'number', mode: "'a'|'b'", url: 'string.url', nested: { list: 'number[]', pin: '1' } }),
  ],
  [
    'a schema of one message',
    {
      '~standard': {
        version: 1,
        vendor: 'spec',
        validate: (value) => ({ issues: [{ message: `refused: ${JSON.stringify(value)}` }] }),
      },
    },
  ],
  [
    'a schema that throws',
    {
      '~standard': {
        version: 1,
        vendor: 'spec',
        validate: () => {
          throw new Error('cannot read hush-canary-item and 4711');
        },
      },
    },
  ],
];

describe('the issues of a refused value', () => {
  it.each(schemas)('hold no part of it, whatever %s says', async (_, schema) => {
    const { issues } = await validate(schema, input);
    expect(issues!.length).toBeGreaterThan(0);
    expect(JSON.stringify(issues)).not.toMatch(/hush-canary|4711/);
  });

  it('still say what was expected', async () => {
    const { issues } = await validate(z.object({ port: z.number() }), input);
    expect(issues).toEqual([{ path: 'port', message: 'Invalid input: expected number' }]);
  });

  it('name short values only where they are quoted', () => {
    expect(withoutValues('expected "a" or \'b\', a letter', { x: 'a', y: 'b' })).toBe(
      'expected [secret] or [secret], a letter',
    );
  });
});
