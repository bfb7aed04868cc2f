import { status } from '@grpc/grpc-js';
import type { CallHeaders } from '../registry/balancing/candidate.js';
import type { Chooser } from '../registry/balancing/chooser.js';
import { versionOf } from '../registry/instance-traits.js';
import type { Backend } from './backend.js';
import { type PickArgs, PickResultType, type Picker, UnavailablePicker } from './grpc-experimental.js';

const WAIT: ReturnType<Picker['pick']> = {
  pickResultType: PickResultType.QUEUE,
  subchannel: null,
  status: null,
  onCallStarted: null,
  onCallEnded: null,
};

/** Chooses for each call; made anew when the instances that can take calls change, or one is waited for no more. */
export class ChooserPicker implements Picker {
  readonly #chooser: Chooser<Backend>;
  readonly #service: string;
  readonly #known: readonly Backend[];

  constructor(chooser: Chooser<Backend>, service: string, known: readonly Backend[]) {
    this.#chooser = chooser;
    this.#service = service;
    this.#known = known;
  }

  pick(args: PickArgs): ReturnType<Picker['pick']> {
    const headers = headersOf(args);
    return this.#chooser.choose(headers)?.pick(args) ?? this.#none(args, headers);
  }

  /** Some instance is ready, hence the call asks for a version: it waits while one of that version may be ready in a moment. */
  #none(args: PickArgs, headers: CallHeaders): ReturnType<Picker['pick']> {
    const wanted = this.#chooser.wanted(headers);
    const having = this.#known.filter(({ instance }) => versionOf(instance) === wanted);
    if (having.some(({ pending }) => pending)) return WAIT;
    const details =
      having.length === 0
        ? `no instance of ${this.#service} has the version that the call asks for`
        : `none of the instances of ${this.#service} that have the version that the call asks for takes calls now`;
    return new UnavailablePicker({ code: status.UNAVAILABLE, details }).pick(args);
  }
}

function headersOf({ metadata }: PickArgs): CallHeaders {
  return { get: (name) => metadata.get(name)[0]?.toString() };
}
