import type { ServiceInstance } from './service-instance.js';

/** The metadata keys that balancing reads; all others are the application's own. */
export const WEIGHT = 'weight';
export const ZONE = 'zone';
export const VERSION = 'version';
export const STATE = 'state';
export const DRAINING = 'draining';

/** More would only cost precision: 1 and 1000 already differ by three orders of magnitude. */
export const MAX_WEIGHT = 1000;

/** The share of calls this instance asks for, from 0 (none) to 1000; 1 if it says nothing or nothing readable. */
export function weightOf(instance: ServiceInstance): number {
  const text = instance.metadata?.[WEIGHT];
  if (text === undefined || text.trim() === '') return 1;
  const weight = Number(text);
  return Number.isFinite(weight) && weight >= 0 ? Math.min(weight, MAX_WEIGHT) : 1;
}

export function zoneOf(instance: ServiceInstance): string | undefined {
  return instance.metadata?.[ZONE];
}

export function versionOf(instance: ServiceInstance): string | undefined {
  return instance.metadata?.[VERSION];
}

/** A draining instance still answers, but is about to stop: it gets calls only if there is nobody else. */
export function isDraining(instance: ServiceInstance): boolean {
  return instance.metadata?.[STATE] === DRAINING;
}

/** The same instance with the drain mark set. */
export function draining(instance: ServiceInstance): ServiceInstance {
  return { ...instance, metadata: { ...instance.metadata, [STATE]: DRAINING } };
}

/** Where to connect, as one string: two instances with the same address are one to a client. */
export function addressOf(instance: ServiceInstance): string {
  return instance.address.includes(':')
    ? `[${instance.address}]:${instance.port}`
    : `${instance.address}:${instance.port}`;
}
