import { Observable, type Observer, type Operator, type Subscription } from 'rxjs';

/** Told of what a subscriber threw. */
export type ThrownReport = (error: unknown) => void;

/**
 * An Observable whose subscribers cannot hurt the process: rxjs re-throws what a `next` callback throws as an uncaught
 * exception, which ends a Node process; here it is reported, and the subscription goes on. What an operator in `pipe()`
 * throws ends its own subscription, as in every Observable, and is reported where the subscriber does not take errors.
 */
export class SafeObservable<T> extends Observable<T> {
  readonly #report: ThrownReport;

  constructor(
    report: ThrownReport,
    subscribe?: (observer: Observer<T> & { readonly closed: boolean }) => () => void,
  ) {
    super(subscribe);
    this.#report = report;
  }

  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new SafeObservable<R>(this.#report);
    lifted.source = this;
    lifted.operator = operator as Operator<unknown, R>;
    return lifted;
  }

  override subscribe(observer?: Partial<Observer<T>>): Subscription;
  override subscribe(next: (value: T) => void): Subscription;
  override subscribe(
    next?: ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription;
  override subscribe(
    observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    // An operator's inner subscriber guards itself, and must keep its identity for unsubscription to chain.
    if (isSubscriber(observerOrNext)) return super.subscribe(observerOrNext);
    const observer: Partial<Observer<T>> =
      typeof observerOrNext === 'function'
        ? {
            next: observerOrNext,
            ...(error && { error }),
            ...(complete && { complete }),
          }
        : (observerOrNext ?? {});
    const guard = (run: () => void): void => {
      try {
        run();
      } catch (thrown) {
        this.#report(thrown);
      }
    };
    return super.subscribe({
      next: (value) => guard(() => observer.next?.(value)),
      complete: () => guard(() => observer.complete?.()),
      // These streams have no error of their own: it is an operator of the subscriber that threw, and nobody who listens.
      error: (reason: unknown) =>
        guard(() => (observer.error ? observer.error(reason) : this.#report(reason))),
    });
  }
}

function isSubscriber<T>(value: unknown): value is Observer<T> & Subscription {
  return typeof value === 'object' && value !== null && 'add' in value && 'unsubscribe' in value;
}
