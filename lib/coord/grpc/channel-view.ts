import type { CallHeaders } from '../registry/balancing/candidate.js';
import type { EndpointSelector } from '../registry/endpoint-selector.js';
import type { Roster } from '../registry/roster.js';
import type { ServiceExplanation } from '../registry/service-explanation.js';
import type { Explains } from './balancer-report.js';

/** One channel as people see it who ask why: its selection, and the balancer that works on it. */
export class ChannelView {
  readonly service: string;
  readonly #roster: Roster;
  readonly #selector: EndpointSelector;
  #balancer: Explains | undefined;

  constructor(service: string, roster: Roster, selector: EndpointSelector) {
    this.service = service;
    this.#roster = roster;
    this.#selector = selector;
  }

  attach(balancer: Explains): void {
    this.#balancer = balancer;
  }

  detach(balancer: Explains): void {
    if (this.#balancer === balancer) this.#balancer = undefined;
  }

  explain(headers: CallHeaders): ServiceExplanation {
    const report = this.#balancer?.explain(headers);
    const instances = this.#selector.explain(this.#roster).map(({ instance, excluded }) => ({
      instance,
      excluded: excluded ?? report?.troubles.get(instance.id),
    }));
    return {
      service: this.service,
      connected: report !== undefined,
      holding: this.#roster.holding,
      instances,
      steps: report?.steps ?? [],
      chosen: report?.chosen,
    };
  }
}
