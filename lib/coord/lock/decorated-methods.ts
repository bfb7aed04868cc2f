import type { ModulesContainer } from '@nestjs/core';

export interface DecoratedMethod<T> {
  readonly className: string;
  readonly method: string;
  readonly metadata: T;
}

/** The methods of all controllers and providers that carry `key` in their metadata, inherited ones too. */
export function* decoratedMethods<T>(modules: ModulesContainer, key: symbol): Generator<DecoratedMethod<T>> {
  const prototypes = new Set<object>();
  for (const { providers, controllers } of modules.values()) {
    for (const { metatype, instance } of [...providers.values(), ...controllers.values()]) {
      const made = metatype?.prototype as object | undefined;
      if (made && made !== Object.prototype) prototypes.add(made);
      // What a factory made is an instance of a class that Nest does not know.
      else if (typeof instance === 'object' && instance !== null)
        prototypes.add(Object.getPrototypeOf(instance) as object);
    }
  }
  for (const prototype of prototypes) {
    for (const [name, method] of methodsOf(prototype)) {
      const metadata = Reflect.getMetadata(key, method) as T | undefined;
      if (metadata !== undefined) {
        yield { className: prototype.constructor.name, method: name, metadata };
      }
    }
  }
}

function methodsOf(prototype: object): ReadonlyMap<string, object> {
  const methods = new Map<string, object>();
  for (
    let each: object | null = prototype;
    each && each !== Object.prototype;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(each))) {
      if (typeof value === 'function' && name !== 'constructor' && !methods.has(name))
        methods.set(name, value as object);
    }
  }
  return methods;
}
