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
}

export interface Step {
  readonly title: string;
  play(stage: Stage): Promise<void>;
}
