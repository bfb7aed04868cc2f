import { inspect } from 'node:util';
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { encodeValue, resolveCodec } from '../../../lib/coord/config/config-codec.js';
import { validate } from '../../../lib/coord/config/config-schema.js';
import { isSecret, secret, type Secret } from '../../../lib/coord/config/secret.js';
import { hasTelling, SecretPolicy } from '../../../lib/coord/config/secret-policy.js';

describe('a secret', () => {
  const hidden = secret('hush-canary');

  it('is found in a value that refers to itself', () => {
    const parent: Record<string, unknown> = { pass: hidden };
    parent['child'] = { parent };
    const policy = new SecretPolicy();
    policy.learn(['/k'], parent, { pass: 'hush-canary', child: {} });
    expect(inspect(policy.redact(['/k'], parent), { depth: 9 })).not.toContain('hush-canary');
    expect(inspect(policy.redact(['/other'], parent), { depth: 9 })).not.toContain('hush-canary');
    expect(hasTelling(parent)).toBe(true);
  });

  it('is in no error of a codec that cannot write it', () => {
    const codec = {
      name: 'mine',
      encode: (value: unknown): string => {
        throw new Error(`cannot encode ${JSON.stringify(value)}`);
      },
      decode: String,
    };
    const own = {
      toJSON: () => {
        throw new TypeError('hush-canary');
      },
    };
    const refused = (run: () => unknown): string => {
      try {
        return String(run());
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refused(() => encodeValue(codec, { pass: 'hush-canary' }))).toMatch(
      /^value takes what mine can express/,
    );
    for (const message of [
      refused(() => encodeValue(codec, { pass: 'hush-canary' })),
      refused(() => encodeValue(resolveCodec('json'), own)),
    ]) {
      expect(message).not.toContain('hush-canary');
    }
  });

  it('shows itself in no way but reveal()', () => {
    const shown = [
      String(hidden),
      JSON.stringify({ hidden }),
      inspect(hidden),
      inspect({ deep: { er: { still: hidden } } }, { depth: 9, showHidden: true }),
      Object.keys(hidden).join(),
    ];
    expect(shown.join('\n')).not.toContain('hush-canary');
    expect(hidden.reveal()).toBe('hush-canary');
  });

  it.each([
    ['zod', z.object({ pass: z.string().transform(secret) })],
    [
      'valibot',
      v.object({
        pass: v.pipe(
          v.string(),
          v.transform((text) => secret(text)),
        ),
      }),
    ],
    ['arktype', type({ pass: type('string').pipe((text) => secret(text)) })],
  ])('is what a field of a %s schema becomes', async (_, schema) => {
    const result = await validate(schema, { pass: 'hush-canary' });
    const { pass } = (result as { value: { pass: Secret } }).value;
    expect(isSecret(pass)).toBe(true);
    expect(pass.reveal()).toBe('hush-canary');
  });

  it('is the whole value where secret() stands around the schema', async () => {
    const result = await validate(secret(z.string()), 'hush-canary');
    expect((result as { value: Secret }).value.reveal()).toBe('hush-canary');
    expect((await validate(secret(z.string()), 1)).issues).toHaveLength(1);
    const async = secret(z.string().refine(async () => Promise.resolve(true)));
    expect(isSecret(((await validate(async, 'x')) as { value: unknown }).value)).toBe(true);
  });

  it('is written to etcd as it is', () => {
    expect(encodeValue(resolveCodec('json'), { a: [secret({ b: secret('x') })] })).toBe('{"a":[{"b":"x"}]}');
    expect(encodeValue(resolveCodec('yaml'), { a: secret('x') })).toBe('a: x\n');
  });
});

describe('the policy', () => {
  const policy = new SecretPolicy(['/config/*/vault/*', /\/pin$/g]);

  it.each([
    '/config/dev/vault/x',
    '/config/dev/orders/pin',
    '/config/dev/orders/dbPassword',
    '/config/dev/a/api-key/x',
  ])('takes all of %s for a secret', (key) => {
    expect(policy.isSecretKey(key)).toBe(true);
    expect(policy.isSecretKey(key)).toBe(true);
    expect(policy.redact([key], { any: 'thing' })).toBe('[secret]');
  });

  it.each([
    '/config/dev/orders/db',
    '/config/dev/orders/pins',
    '/config/dev/orders/passwordless',
    '/config/dev/tokenizer',
  ])('takes %s for no secret', (key) => {
    expect(policy.isSecretKey(key)).toBe(false);
  });

  it('hides telling properties and leaves the rest as it is', () => {
    const plain = { host: 'h', list: [1, { n: 2 }] };
    expect(policy.redact(['/k'], plain)).toBe(plain);
    expect(
      policy.redact(['/k'], { host: 'h', auth: [{ client_secret: 'x', accessToken: { a: 1 } }] }),
    ).toEqual({
      host: 'h',
      auth: [{ client_secret: '[secret]', accessToken: '[secret]' }],
    });
  });

  it('learns from the values of schemas where secrets are, in arrays at any place', () => {
    const learning = new SecretPolicy();
    let news = 0;
    learning.onLearned(() => news++);
    const raw = {
      a: { b: 'x', c: 1 },
      list: [
        { n: 1, pin: 'y' },
        { pin: 'z', n: 2 },
      ],
      other: 'z',
    };
    const value = { a: { b: secret('x'), c: 1 }, list: [{ n: 1, pin: secret('y') }] };
    learning.learn(['/k', '/l'], value, raw);
    learning.learn(['/l'], value, raw);
    expect(news).toBe(1);
    learning.learn(['/k'], { other: secret('z') }, raw);
    expect(news).toBe(2);
    expect(learning.redact(['/k'], raw)).toEqual({
      a: { b: '[secret]', c: 1 },
      list: [
        { n: 1, pin: '[secret]' },
        { pin: '[secret]', n: 2 },
      ],
      other: '[secret]',
    });
    expect(learning.redact(['/l'], { other: 'z' })).toEqual({ other: 'z' });
    expect(learning.redact(['/k'], { b: 'x', c: 1 }, 'a')).toEqual({ b: '[secret]', c: 1 });
    expect(learning.redact(['/k'], 'x', 'a.b')).toBe('[secret]');
    expect(learning.redact(['/k'], 'y', 'list.7.pin')).toBe('[secret]');
    expect(learning.redact(['/k'], 1, 'a.c')).toBe(1);
    expect(learning.redact(['/k'], 'x', 'db.password')).toBe('[secret]');
    expect(learning.isKnownToHold('/k')).toBe(true);
    expect(learning.isKnownToHold('/other')).toBe(false);
    expect(hasTelling({ a: [{ apiKey: 1 }] })).toBe(true);
    learning.learn(['/other'], { a: [1, { b: 2 }] }, {});
    expect(learning.isKnownToHold('/other')).toBe(false);
  });

  it('hides what several keys make together by the rules of each of them', () => {
    const learning = new SecretPolicy(['/vault']);
    learning.learn(['/k'], { a: secret('x') }, { a: 'x' });
    expect(learning.redact(['/k', '/l'], { a: 'x', b: 1 })).toEqual({ a: '[secret]', b: 1 });
    expect(learning.redact(['/l', '/vault'], { a: 'x', b: 1 })).toBe('[secret]');
  });

  it.each([
    ['moves a secret', { login: secret('x') }, { pass: 'x' }],
    ['keeps secrets in a map', { all: new Map([['a', secret('x')]]) }, { entries: ['x'] }],
    ['makes one of a part', { host: 'h', pass: secret('x') }, { dsn: 'u:x@h' }],
  ])('hides all of the value where the schema %s: where it stands is not known', (_, value, input) => {
    const learning = new SecretPolicy();
    learning.learn(['/k'], value, input);
    expect(learning.redact(['/k'], input)).toBe('[secret]');
  });
});
