import { type Import } from './imports.js';

/** Which rooms a room may use: DESIGN's arrows, written down once. What a room may use, its users may use too. */
const arrows = {
  errors: [],
  options: ['errors'],
  trace: ['options'],
  clog: ['trace'],
  'coord/etcd': ['options'],
  'coord/registry': ['coord/etcd'],
  'coord/grpc': ['coord/registry', 'trace'],
  'coord/config': ['coord/etcd'],
  'coord/lock': ['coord/etcd'],
  'coord/election': ['coord/lock'],
  'coord/allocator': ['coord/etcd'],
  coord: ['coord/registry', 'coord/grpc', 'coord/config', 'coord/lock', 'coord/election', 'coord/allocator'],
  module: ['clog', 'coord'],
  index: ['module'],
  testing: ['module'],
  cli: ['coord'],
} satisfies Record<string, readonly string[]>;

export type Room = keyof typeof arrows;

/** Who may use which package at run time; a package not listed is free for all. */
const packages: Readonly<Record<string, readonly Room[]>> = {
  etcd3: ['coord/etcd'],
  '@grpc/grpc-js': ['coord/grpc', 'trace', 'testing'],
  '@grpc/proto-loader': ['testing'],
  pino: ['clog'],
  'pino-http': ['clog'],
  'pino-pretty': ['clog'],
  'nestjs-pino': ['clog'],
};

export function roomOf(file: string): Room {
  const parts = file.split('/').slice(1);
  if (parts.length === 1) return parts[0] === 'index.ts' ? 'index' : 'module';
  const [first = '', second = ''] = parts;
  const room = first === 'coord' && parts.length > 2 ? `coord/${second}` : first;
  if (room in arrows) return room as Room;
  throw new Error(`${file} lies in "${room}", a room that the design does not know`);
}

function reach(room: Room): Set<string> {
  const reached = new Set<string>([room]);
  for (const each of reached) for (const below of arrows[each as Room]) reached.add(below);
  return reached;
}

/** One sentence for each import that goes against the arrows. */
export function violations(imports: readonly Import[]): string[] {
  return imports.flatMap((each) => {
    const from = roomOf(each.from);
    if (each.to.startsWith('lib/')) {
      const to = roomOf(each.to);
      // `im-infra dev` starts the embedded etcd, and loads it only then.
      if (each.from === 'lib/cli/dev.ts' && to === 'testing' && each.lazy) return [];
      return reach(from).has(to) ? [] : [`${each.from} (${from}) imports ${each.to} (${to})`];
    }
    const users = packages[each.to];
    if (users === undefined || each.typeOnly || users.includes(from)) return [];
    return [`${each.from} (${from}) imports ${each.to}, which is for ${users.join(', ')}`];
  });
}
