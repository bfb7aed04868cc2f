/** A bug of etcd that this library cannot hide, and the first releases without it. */
interface ServerBug {
  readonly text: string;
  readonly fixedIn: readonly (readonly [number, number, number])[];
}

/** Sources: the issues named, and the changelogs of the releases. docs/reliability.md says what each means for users. */
const BUGS: readonly ServerBug[] = [
  {
    text: 'a watch can lose events after a compaction (etcd #17529, #18089)',
    fixedIn: [
      [3, 4, 34],
      [3, 5, 16],
    ],
  },
  {
    text: 'leases can be revoked by a member that is leader no more (etcd #15247)',
    fixedIn: [
      [3, 4, 31],
      [3, 5, 13],
    ],
  },
  {
    text: 'a keep-alive can be answered although the lease is revoked (etcd #20547)',
    fixedIn: [
      [3, 4, 38],
      [3, 5, 23],
      [3, 6, 5],
    ],
  },
];

/** The bugs known of the given server version, empty for one that is not understood. */
export function knownBugs(version: string): readonly string[] {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (!match) return [];
  const [major, minor, patch] = match.slice(1).map(Number) as [number, number, number];
  return BUGS.filter(({ fixedIn }) => {
    const fix = fixedIn.find(([fixedMajor, fixedMinor]) => fixedMajor === major && fixedMinor === minor);
    if (fix) return patch < fix[2];
    const oldest = fixedIn[0]!;
    return major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
  }).map(({ text }) => text);
}
