/**
 * What a draft worked out of a value, such as a map of a long list by name, for the draft that goes on from the value it
 * came to: of each line of changes only the newest value has it, and whoever takes it may change it, for nobody else is
 * given the same.
 */
export class HandedOn<Value extends object, Derived> {
  readonly #kept = new WeakMap<Value, Derived>();
  readonly #derive: (value: Value) => Derived;

  /** @param derive makes it anew, where it was taken already or never kept */
  constructor(derive: (value: Value) => Derived) {
    this.#derive = derive;
  }

  take(value: Value): Derived {
    const kept = this.#kept.get(value);
    this.#kept.delete(value);
    return kept ?? this.#derive(value);
  }

  /** @param derived must be what `derive` would make of the value, and is not to be changed any more by the giver */
  keep(value: Value, derived: Derived): void {
    this.#kept.set(value, derived);
  }
}
