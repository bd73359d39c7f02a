import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Cells, Journal } from "../../../src/kernel/session/journal.ts";
import { layersLaw } from "./layers.ts";

describe("cells under layers", () => {
  it("are what a plain array would be, written, grown and replaced", () => {
    type Change =
      | { readonly kind: "set"; readonly index: number; readonly value: number }
      | { readonly kind: "replace"; readonly fill: number }
      | { readonly kind: "grow"; readonly by: number };
    layersLaw<Cells, { values: number[] }, Change>({
      make: (journal) => new Cells(journal, 4),
      model: () => ({ values: [0, 0, 0, 0] }),
      copy: ({ values }) => ({ values: [...values] }),
      change: fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({ kind: fc.constant("set" as const), index: fc.nat(), value: fc.integer() }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant("replace" as const), fill: fc.integer() }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant("grow" as const), by: fc.nat(9) }) },
      ),
      apply: (cells, model, change) => {
        const { values } = model;
        switch (change.kind) {
          case "set":
            cells.set(change.index % values.length, change.value);
            values[change.index % values.length] = change.value;
            break;
          case "replace":
            cells.replace(new Int32Array(values.length * 2).fill(change.fill));
            model.values = new Array(values.length * 2).fill(change.fill);
            break;
          case "grow":
            cells.grow(values.length + change.by);
            for (let i = 0; i < change.by; i++) values.push(0);
        }
        // Only a few doublings are worth trying.
        if (model.values.length > 4096) {
          cells.replace(new Int32Array(4));
          model.values = [0, 0, 0, 0];
        }
      },
      // Cells may have room to spare behind what was asked for.
      agree: (cells, { values }) => expect([...cells.data.subarray(0, values.length)]).toEqual(values),
    });
  });

  it("of several stores, and other changes between, are taken back in the right order", () => {
    type World = { a: number[]; log: string[] };
    layersLaw<{ a: Cells; b: Cells; log: string[]; journal: Journal }, World, number>({
      make: (journal) => ({ a: new Cells(journal, 2), b: new Cells(journal, 2), log: [], journal }),
      model: () => ({ a: [0, 0, 0, 0], log: [] }),
      copy: ({ a, log }) => ({ a: [...a], log: [...log] }),
      change: fc.nat(999),
      apply: (real, model, n) => {
        const at = n % 4;
        if (n % 7 === 0) {
          const word = `${n} on ${real.a.data[0]}`;
          real.log.push(word);
          real.journal.undo(() => {
            // What was written later has been taken back by now.
            expect(word).toBe(`${n} on ${real.a.data[0]}`);
            real.log.pop();
          });
          model.log.push(word);
        } else {
          (at < 2 ? real.a : real.b).set(at % 2, n);
          model.a[at] = n;
        }
      },
      agree: (real, model) => {
        expect([...real.a.data, ...real.b.data]).toEqual(model.a);
        expect(real.log).toEqual(model.log);
      },
    });
  });
});

describe("layers", () => {
  it("record nothing while none is open", () => {
    const journal = new Journal();
    const cells = new Cells(journal, 1);
    let undone = false;
    cells.set(0, 1);
    journal.undo(() => {
      undone = true;
    });
    const mark = journal.mark();
    cells.set(0, 2);
    journal.rollback(mark);
    expect([cells.data[0], undone]).toEqual([1, false]);
  });

  it("close from the innermost", () => {
    const journal = new Journal();
    const outer = journal.mark();
    journal.mark();
    expect(() => journal.rollback(outer)).toThrow("journal layer 1 closed while 2 is the innermost");
    expect(() => journal.commit(outer)).toThrow();
  });

  it("committed inside another are still taken back with it", () => {
    const journal = new Journal();
    const cells = new Cells(journal, 1);
    const outer = journal.mark();
    const inner = journal.mark();
    cells.set(0, 5);
    journal.commit(inner);
    expect(cells.data[0]).toBe(5);
    journal.rollback(outer);
    expect(cells.data[0]).toBe(0);
  });
});
