import { status } from '@grpc/grpc-js';
import type { CallHeaders } from '../registry/balancing/candidate.js';
import type { Chooser } from '../registry/balancing/chooser.js';
import type { Backend } from './backend.js';
import { type PickArgs, type Picker, UnavailablePicker } from './grpc-experimental.js';

/** Chooses for each call; made anew when the instances that can take calls change. */
export class ChooserPicker implements Picker {
  readonly #chooser: Chooser<Backend>;
  readonly #none: Picker;

  constructor(chooser: Chooser<Backend>, service: string) {
    this.#chooser = chooser;
    this.#none = new UnavailablePicker({
      code: status.UNAVAILABLE,
      details: `no instance of ${service} has the version that the call asks for`,
    });
  }

  pick(args: PickArgs): ReturnType<Picker['pick']> {
    const backend = this.#chooser.choose(headersOf(args));
    return backend === undefined ? this.#none.pick(args) : backend.pick(args);
  }
}

function headersOf({ metadata }: PickArgs): CallHeaders {
  return { get: (name) => metadata.get(name)[0]?.toString() };
}
