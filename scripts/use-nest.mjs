#!/usr/bin/env node
/**
 * Puts another major of NestJS into node_modules, for a run of the specs against it. Leaves package.json and the lock
 * file alone; `npm ci` brings the pinned one back.
 *
 *   node scripts/use-nest.mjs 11|12
 */
import { spawnSync } from 'node:child_process';

const sets = {
  11: {
    '@nestjs/common': '11.2.6',
    '@nestjs/config': '4.0.4',
    '@nestjs/core': '11.2.6',
    '@nestjs/microservices': '11.2.6',
    '@nestjs/platform-express': '11.2.6',
    '@nestjs/platform-fastify': '11.2.6',
    '@nestjs/schedule': '6.1.3',
    '@nestjs/testing': '11.2.6',
    'nestjs-pino': '4.6.1',
  },
  12: {},
};

const wanted = sets[process.argv[2]];
if (wanted === undefined) {
  process.stderr.write(`usage: node scripts/use-nest.mjs ${Object.keys(sets).join('|')}\n`);
  process.exit(2);
}
const packages = Object.entries(wanted).map(([name, version]) => `${name}@${version}`);
if (packages.length > 0) {
  const args = [
    'install',
    '--no-save',
    '--no-package-lock',
    '--legacy-peer-deps',
    '--workspaces=false',
    ...packages,
  ];
  process.exitCode = spawnSync('npm', args, { stdio: 'inherit' }).status ?? 1;
}
