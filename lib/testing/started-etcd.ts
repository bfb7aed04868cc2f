/** The rungs of the ladder, from the realest down. */
export type EtcdKind = 'external' | 'container' | 'binary' | 'embedded';

export interface StartedEtcd extends AsyncDisposable {
  readonly kind: EtcdKind;
  /** As `coord.endpoints` takes them. */
  readonly endpoints: string[];
  /** Which program or image it is, for people. */
  readonly detail?: string;
  /** Ends what was started and removes its data; leaves an external etcd alone. Idempotent. */
  stop(): Promise<void>;
}
