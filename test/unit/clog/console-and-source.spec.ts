import { sep } from 'node:path';
import { Logger } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { defaultClogOptions } from '../../../lib/clog/clog.options.js';
import { resolveClogOptions } from '../../../lib/clog/resolve-clog-options.js';
import { memoryClog } from './memory-output.js';

describe('the console format', () => {
  it('shows time, level, namespace, message and fields on a line', () => {
    const { clog, output } = memoryClog({ format: 'console', enableColor: false });
    clog.namespace('user').info('signed in', { userId: 7 });
    expect(output.text[0]).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: \[user\] signed in \{"userId":7\}\n$/);
  });

  it('shows the context of Nest in place of the namespace, and the error with its causes', () => {
    const { clog, output } = memoryClog({ format: 'console', enableColor: false });
    clog.error('failed', { err: new TypeError('outer', { cause: new RangeError('inner') }) });
    clog.log('mapped', 'Router');
    expect(output.text[0]).toContain('TypeError: outer');
    expect(output.text[0]).toContain('inner');
    expect(output.text[1]).toMatch(/\[Router\] mapped\n$/);
  });

  it('is colourful only if asked', () => {
    const { clog, output } = memoryClog({ format: 'console', enableColor: true });
    clog.info('x');
    expect(output.text[0]).toContain('\u001b[');
  });

  it('lets no message pass itself off as a line, nor move the cursor', () => {
    const { clog, output } = memoryClog({ format: 'console', enableColor: false });
    clog.info('a\n[00:00:00.000] FATAL: forged\r\u001b[2J\u2028', { note: 'b\nFATAL\u001b' });
    const [text = ''] = output.text;
    expect(text.split('\n').slice(1, -1)).toEqual([
      expect.stringMatching(/^ {4}\[00:00:00\.000\] FATAL: forged\\x0d\\x1b\[2J\\x2028/) as string,
    ]);
    expect(text).not.toContain('\u001b');
  });
});

describe('addSource', () => {
  it('names the file and line of the caller, relative to the root', () => {
    const { clog, output } = memoryClog({ addSource: true, rootPath: process.cwd() });
    clog.info('a');
    clog.namespace('user').error('b', { n: 1 });
    clog.log('c', 'Ctx');
    for (const { source } of output.records) {
      expect(source).toMatch(/^test[\\/]unit[\\/]clog[\\/]console-and-source\.spec\.ts:\d+$/);
    }
    expect(output.records[1]).toMatchObject({ n: 1 });
  });

  it("looks through Nest's Logger", () => {
    const { clog, output } = memoryClog({ addSource: true });
    Logger.overrideLogger(clog);
    new Logger('Ctx').log('x');
    Logger.overrideLogger(false);
    expect(output.last['source']).toMatch(/console-and-source\.spec\.ts:\d+$/);
  });

  it('takes the root off the front only, at a whole segment', () => {
    const cut = `${process.cwd()}${sep}test${sep}un`;
    const { clog, output } = memoryClog({ addSource: true, rootPath: cut });
    clog.info('a');
    expect(output.last['source']).toMatch(new RegExp(`^${process.cwd()}`));
  });
});

describe('defaults', () => {
  it('are JSON at info on standard output', () => {
    expect(resolveClogOptions()).toMatchObject({
      format: 'json',
      output: 'stdout',
      addSource: false,
      watch: true,
    });
  });

  it.each(['development', 'dev', 'test', 'local'])('suit %s: text, debug, source', (env) => {
    expect(defaultClogOptions(env)).toMatchObject({ format: 'console', level: 'debug', addSource: true });
  });

  it.each(['production', 'staging', ''])('suit %j: JSON, info, no source', (env) => {
    expect(defaultClogOptions(env)).toMatchObject({ format: 'json', level: 'info', addSource: false });
  });
});
