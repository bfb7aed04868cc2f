/** The locks that everybody wants. */
export const KEYS: readonly string[] = ['a', 'b', 'c'];

export interface WorkerSettings {
  /** Whose lock is under torture: ours, or etcd3's for contrast. */
  readonly contender: 'ours' | 'etcd3';
  readonly worker: number;
  readonly endpoint: string;
  readonly ttl: number;
  /** The locks; each task wants one of them, then another. */
  readonly keys: readonly string[];
  /** How many tasks of the process want a lock. */
  readonly tasks: number;
  /** How fast its clocks run, by those of etcd. */
  readonly clockRate: number;
}

/** The key in etcd that is written under the guard of a lock, and under nothing else. */
export function counterOf(key: string): string {
  return `/torture/counter/${key}`;
}

/** What a worker tells. Times are `process.hrtime.bigint()` in text: one clock for all processes of the machine. */
export type Report =
  | {
      readonly type: 'acquired';
      readonly key: string;
      readonly token: string;
      readonly invoked: string;
      readonly returned: string;
    }
  /** Only of a lock that was held to the end. */
  | { readonly type: 'released'; readonly key: string; readonly token: string; readonly invoked: string }
  | { readonly type: 'claims'; readonly key: string; readonly token: string; readonly at: readonly string[] }
  | { readonly type: 'guarded'; readonly key: string; readonly outcome: 'written' | 'refused' | 'unknown' }
  | { readonly type: 'failed' }
  /** Its tasks have ended; its sessions live on. */
  | { readonly type: 'idle' }
  | {
      readonly type: 'resource';
      readonly call: number;
      readonly key: string;
      readonly token: string;
      readonly action: 'read' | 'write';
      readonly value?: number;
    };

/** The answer of the fenced resource: refused, or the value. */
export interface Answer {
  readonly type: 'answer';
  readonly call: number;
  readonly ok: boolean;
  readonly value: number;
}

export type Command =
  | { readonly type: 'block'; readonly ms: number }
  /** The faults are over: nobody is to hold a lock for long any more, so that each is wanted all the time. */
  | { readonly type: 'calm' }
  /** The tasks are to end. */
  | { readonly type: 'stop' }
  /** The process is to end. */
  | { readonly type: 'close' };
