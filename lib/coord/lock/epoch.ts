/**
 * What keeps a delayed attempt from ever taking a place. Each attempt of a session compares one key in etcd with what it
 * was when the attempt was sent. Whoever has to be sure that nothing sent before can take effect any more writes that key
 * anew: then it cannot, however late it arrives. One key a session, made only after an answer was lost, and gone with
 * the lease.
 */
export class Epoch {
  readonly key: string;
  /** The modification revision of the key, as far as this process knows; `0n` while there is none. */
  current = 0n;

  constructor(key: string) {
    this.key = key;
  }
}
