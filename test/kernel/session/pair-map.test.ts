import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Journal } from "../../../src/kernel/session/journal.ts";
import { ABSENT, PairMap } from "../../../src/kernel/session/pair-map.ts";
import { layersLaw } from "./layers.ts";

type Change =
  | { readonly kind: "set"; readonly a: number; readonly b: number; readonly value: number }
  | { readonly kind: "delete"; readonly a: number; readonly b: number }
  | { readonly kind: "clear" };

/** Few keys, so that they meet; some that are special as integers. */
const key = () => fc.oneof(fc.nat(12), fc.constantFrom(-1, 0x7fffffff, -0x80000000, -0x7fffffff));
const value = () =>
  fc.oneof(fc.integer(), fc.constantFrom(-0x7fffffff, -1, 0, 0x7fffffff)).filter((v) => v !== ABSENT);

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.record({ kind: fc.constant("set" as const), a: key(), b: key(), value: value() }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("delete" as const), a: key(), b: key() }) },
  { weight: 1, arbitrary: fc.constant<Change>({ kind: "clear" }) },
);

describe("a map of pairs under layers", () => {
  it("is what a plain Map would be", () => {
    layersLaw<PairMap, Map<string, number>, Change>(
      {
        make: (journal) => new PairMap(journal),
        model: () => new Map(),
        copy: (model) => new Map(model),
        change,
        apply: (real, model, step) => {
          switch (step.kind) {
            case "set":
              real.set(step.a, step.b, step.value);
              model.set(`${step.a} ${step.b}`, step.value);
              break;
            case "delete":
              real.delete(step.a, step.b);
              model.delete(`${step.a} ${step.b}`);
              break;
            case "clear":
              real.clear();
              model.clear();
          }
        },
        agree: (real, model) => {
          expect(real.size).toBe(model.size);
          const held = new Map<string, number>();
          real.forEach((a, b, v) => {
            held.set(`${a} ${b}`, v);
          });
          expect(held).toEqual(model);
          for (const [name, v] of model) {
            const [a = 0, b = 0] = name.split(" ").map(Number);
            expect(real.get(a, b)).toBe(v);
          }
          expect(real.get(99, 99)).toBe(ABSENT);
        },
      },
      { maxLength: 200 },
    );
  });

  it("grows and shrinks through thousands of keys, and comes back", () => {
    const journal = new Journal();
    const map = new PairMap(journal);
    map.set(1, 1, 11);
    const mark = journal.mark();
    for (let i = 0; i < 5000; i++) map.set(i, i * 7, i);
    for (let i = 0; i < 5000; i += 2) map.delete(i, i * 7);
    expect([map.size, map.get(4999, 4999 * 7), map.get(4998, 4998 * 7)]).toEqual([2501, 4999, ABSENT]);
    journal.rollback(mark);
    expect([map.size, map.get(1, 1), map.get(4999, 4999 * 7)]).toEqual([1, 11, ABSENT]);
  });

  it("finds room again for keys that come and go", () => {
    const map = new PairMap(new Journal());
    for (let i = 0; i < 100_000; i++) {
      map.set(i, 0, i);
      map.delete(i, 0);
    }
    expect(map.size).toBe(0);
    expect(map.get(5, 0)).toBe(ABSENT);
  });

  it("holds any address as a value: 128.0.0.1 is an integer like another", () => {
    const map = new PairMap(new Journal());
    const address = (128 << 24) | 1;
    map.set(1, 2, address);
    expect(map.get(1, 2)).toBe(address);
  });
});
