#!/usr/bin/env node
import { runCommandLine } from './command-line.js';

const stop = new AbortController();
// A read of the terminal would keep the process.
stop.signal.addEventListener('abort', () => process.stdin.destroy());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
// `im-infra services ls | head` closes our stdout before we are done: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  stop.abort();
});

void runCommandLine(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  stdin: process.stdin,
  isTTY: process.stdout.isTTY,
  env: process.env,
  signal: stop.signal,
}).then((code) => {
  process.exitCode = code;
});
