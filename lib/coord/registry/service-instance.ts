/** One running process of a service: where it listens, and what it says of itself. */
export interface ServiceInstance {
  /** Unique among the instances of the service. */
  readonly id: string;
  /** The service's name, for example `user-service`. */
  readonly name: string;
  /** A host name, an IPv4 or an IPv6 address (without brackets). */
  readonly address: string;
  readonly port: number;
  /** Free text by key. `weight`, `zone`, `version` and `state` mean something to this library. */
  readonly metadata?: Readonly<Record<string, string>>;
}
