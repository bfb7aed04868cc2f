import type { Observable } from 'rxjs';
import { SafeObservable, type ThrownReport } from './safe-observable.js';

/** `source` for subscribers of the application: what one of them throws is reported, and neither ends the process nor us. */
export function shownSafely<T>(source: Observable<T>, report: ThrownReport): Observable<T> {
  return new SafeObservable<T>(report, (observer) => {
    const subscription = source.subscribe(observer);
    return () => subscription.unsubscribe();
  });
}
