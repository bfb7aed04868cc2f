import { type Observable, Subject } from 'rxjs';
import { SafeObservable, type ThrownReport } from '../etcd/safe-observable.js';

/** A stream with a memory of one: subscribers get the latest value first. It never errors; it completes when it is closed. */
export class Feed<T> {
  readonly observable: Observable<T>;
  readonly #subject = new Subject<T>();
  #latest: { readonly value: T } | undefined;

  constructor(report: ThrownReport) {
    this.observable = new SafeObservable<T>(report, (observer) => {
      // What comes while it is shown the latest is shown next.
      let shown: { readonly value: T } | undefined;
      while (this.#latest && this.#latest !== shown) {
        shown = this.#latest;
        observer.next(shown.value);
      }
      const subscription = this.#subject.subscribe(observer);
      return () => subscription.unsubscribe();
    });
  }

  next(value: T): void {
    this.#latest = { value };
    this.#subject.next(value);
  }

  /** Later subscribers get nothing until the next value. */
  forget(): void {
    this.#latest = undefined;
  }

  close(): void {
    this.#subject.complete();
  }
}
