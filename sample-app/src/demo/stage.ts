import { type Warehouse } from '../order-service/warehouse.js';
import { type DemoEtcd } from './demo-etcd.js';
import { type Fleet } from './fleet.js';
import { type Narrator } from './narrator.js';

/** What a step plays with. */
export interface Stage {
  readonly fleet: Fleet;
  readonly etcd: DemoEtcd;
  readonly warehouse: Warehouse;
  readonly narrator: Narrator;
  /** Ends every wait: a step is over before the fleet is stopped. */
  readonly signal: AbortSignal;
}

export interface Step {
  readonly title: string;
  /** Rejects when `signal` aborts. */
  play(stage: Stage): Promise<void>;
}
