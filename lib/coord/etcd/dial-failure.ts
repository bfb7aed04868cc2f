import type { RpcFailure } from './rpc-failure.js';

/** Why an endpoint could not be used, in words that say what to do. */
export interface DialFailure {
  readonly text: string;
  /** Trying again cannot help: somebody has to change a setting. */
  readonly permanent: boolean;
  /** Every member of the cluster would say the same. */
  readonly clusterWide: boolean;
}

/** What the cluster says, by whichever member: users are kept in etcd itself. */
const CLUSTER_WIDE: readonly (readonly [RegExp, string])[] = [
  [
    /authentication failed/,
    'etcd refused the user or the password (check coord.username and coord.password)',
  ],
  [/user name is empty|invalid user/, 'etcd asks for a user (set coord.username and coord.password)'],
];

const PERMANENT: readonly (readonly [RegExp, string])[] = [
  [/certificate has expired/, "the server's certificate has expired"],
  [
    /altnames|IP: .* is not in the cert|Host: .* is not in the cert/,
    "the server's certificate is made for another host name",
  ],
  [
    /unable to verify the first certificate|self[- ]signed certificate|unable to get (local )?issuer/,
    "the server's certificate is not signed by a trusted authority (check coord.tls.ca)",
  ],
  [
    /certificate required|bad certificate|unknown ca/i,
    'the server refused the client certificate (check coord.tls.cert and coord.tls.key)',
  ],
  [/wrong version number|packet length too long/, 'the server does not speak TLS (use http://)'],
];

export function explainDial({ reason }: RpcFailure): DialFailure {
  const find = (known: typeof PERMANENT) => known.find(([pattern]) => pattern.test(reason))?.[1];
  const [ofCluster, ofMember] = [find(CLUSTER_WIDE), find(PERMANENT)];
  if (ofCluster) return { text: ofCluster, permanent: true, clusterWide: true };
  if (ofMember) return { text: ofMember, permanent: true, clusterWide: false };
  if (/disconnected before secure TLS connection/.test(reason)) {
    const text = 'the server ended the connection before TLS was agreed on (does it speak TLS?)';
    return { text, permanent: false, clusterWide: false };
  }
  // grpc-js wraps the socket's error in two sentences of its own.
  const text = reason
    .replace(/^No connection established\. Last error: /, '')
    .replace(/\. Resolution note: .*$/, '');
  return { text, permanent: false, clusterWide: false };
}
