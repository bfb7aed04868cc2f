import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { ImInfraModule, type ImInfraOptions, ValidationError } from '../../../lib/index.js';

const good = { service: { name: 'tried' }, clog: { level: 'fatal' }, coord: { endpoints: ['127.0.0.1:1'] } };

/** Looks like a certificate, and is none. */
const PEM = '-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n';

/** What a start with these options fails with: everything is checked before anything is sent. */
async function refusal(options: unknown): Promise<unknown> {
  class AppModule {}
  const module = { module: AppModule, imports: [ImInfraModule.forRoot(options as ImInfraOptions)] };
  try {
    const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
    await app.close();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('an application with wrong options', () => {
  it.each([
    ['service', { service: undefined }],
    ['service.name', { service: { name: '' } }],
    ['service.name', { service: { name: 'a/b' } }],
    ['service.env', { service: { name: 'tried', env: '..' } }],
    ['service.instanceId', { service: { name: 'tried', instanceId: 'x y' } }],
    ['clog.level', { clog: { level: 'loud' } }],
    ['clog.format', { clog: { format: 'xml' } }],
    ['coord.endpoints', { coord: {} }],
    ['coord.endpoints', { coord: { endpoints: [] } }],
    ['coord.endpoints[0]', { coord: { endpoints: ['ftp://127.0.0.1:2379'] } }],
    ['coord.endpoints[0]', { coord: { endpoints: ['127.0.0.1:99999'] } }],
    ['coord.dialTimeout', { coord: { ...good.coord, dialTimeout: 'soon' } }],
    ['coord.sessionTtl', { coord: { ...good.coord, sessionTtl: '1s' } }],
    ['coord.keepAliveTime', { coord: { ...good.coord, keepAliveTime: '1s' } }],
    ['coord.prefixes.locks', { coord: { ...good.coord, prefixes: { locks: '/a/../b' } } }],
    ['coord.prefixes.config', { coord: { ...good.coord, prefixes: { config: '/a//b' } } }],
    ['coord.prefixes.locks', { coord: { ...good.coord, prefixes: { locks: '/config' } } }],
    ['coord.prefixes.config', { coord: { ...good.coord, prefixes: { config: '/services/config' } } }],
    ['coord.prefixes.services', { coord: { ...good.coord, prefixes: { services: '/config/a' } } }],
    ['coord.prefixes.locks', { coord: { ...good.coord, prefixes: { locks: 5 } } }],
    ['coord.password', { coord: { ...good.coord, username: 'app', password: 5 } }],
    ['coord.tls', { coord: { ...good.coord, tls: { cert: PEM } } }],
    ['coord.tls.ca', { coord: { ...good.coord, tls: { ca: PEM } } }],
    ['coord.tls.ca', { coord: { ...good.coord, tls: { ca: '/secret/of/nobody.pem' } } }],
    ['coord.tls.cert', { coord: { ...good.coord, tls: { cert: PEM, key: PEM } } }],
    ['coord.username', { coord: { ...good.coord, password: 'secret' } }],
    ['register.port', { register: {} }],
    ['register.port', { register: { port: 70_000 } }],
    ['register.ttl', { register: { port: 5_000, ttl: '1s' } }],
    ['register.weight', { register: { port: 5_000, weight: -1 } }],
    ['register.metadata', { register: { port: 5_000, metadata: 'blue' } }],
  ])('is refused with a ValidationError that names %s', async (argument, wrong) => {
    const error = await refusal({ ...good, ...wrong });
    expect(error).toBeInstanceOf(ValidationError);
    expect((error as ValidationError).argument).toBe(argument);
    expect((error as ValidationError).message).toContain(`${argument} takes `);
    expect((error as ValidationError).message).not.toContain('secret');
  });
});
