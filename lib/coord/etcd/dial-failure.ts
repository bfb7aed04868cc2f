import type { RpcFailure } from './rpc-failure.js';

/** Why an endpoint could not be used, in words that say what to do. */
export interface DialFailure {
  readonly text: string;
  /** Trying again cannot help: somebody has to change a setting. */
  readonly permanent: boolean;
}

const PERMANENT: readonly (readonly [RegExp, string])[] = [
  [
    /authentication failed/,
    'etcd refused the user or the password (check coord.username and coord.password)',
  ],
  [/user name is empty|invalid user/, 'etcd asks for a user (set coord.username and coord.password)'],
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

export function explainDial(failure: RpcFailure): DialFailure {
  if (/disconnected before secure TLS connection/.test(failure.reason)) {
    return {
      text: 'the server ended the connection before TLS was agreed on (does it speak TLS?)',
      permanent: false,
    };
  }
  const known = PERMANENT.find(([pattern]) => pattern.test(failure.reason));
  // grpc-js wraps the socket's error in two sentences of its own.
  const reason = failure.reason
    .replace(/^No connection established\. Last error: /, '')
    .replace(/\. Resolution note: .*$/, '');
  return known ? { text: known[1], permanent: true } : { text: reason, permanent: false };
}
