import { prefixRange } from '../etcd/kv.js';

/** `/services/{name}/{id}`, the key under which an instance is published. */
export function instanceKey(prefix: string, name: string, id: string): string {
  return `${prefix}/${name}/${id}`;
}

/** The keys of one service. The closing `/` keeps `user` from seeing the instances of `user-admin`. */
export function serviceRange(prefix: string, name: string): { readonly key: string; readonly end: string } {
  return prefixRange(`${prefix}/${name}/`);
}
