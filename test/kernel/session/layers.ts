import fc from "fast-check";
import { expect } from "vitest";
import { Journal } from "../../../src/kernel/session/journal.ts";

/**
 * Laws of anything a journal can take back, for any kind of it: random changes under random layers do to the real thing
 * what they do to a plain model, which is copied at each mark and copied back at a rollback.
 */
export interface Journaled<Real, Model, Change> {
  readonly make: (journal: Journal) => Real;
  readonly model: () => Model;
  readonly copy: (model: Model) => Model;
  readonly change: fc.Arbitrary<Change>;
  /** Do it to both. */
  readonly apply: (real: Real, model: Model, change: Change) => void;
  /** Both hold the same. */
  readonly agree: (real: Real, model: Model) => void;
}

type Step<Change> =
  | { readonly kind: "mark" | "rollback" | "commit" }
  | { readonly kind: "change"; readonly change: Change };

export function layersLaw<Real, Model, Change>(
  subject: Journaled<Real, Model, Change>,
  { numRuns = 300, maxLength = 120 } = {},
): void {
  const step: fc.Arbitrary<Step<Change>> = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("change" as const), change: subject.change }) },
    { weight: 2, arbitrary: fc.constant({ kind: "mark" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "rollback" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "commit" as const }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength, size: "max" }), (steps) => {
      const journal = new Journal();
      const real = subject.make(journal);
      let model = subject.model();
      const layers: { mark: number; before: Model }[] = [];
      for (const { kind, ...rest } of steps) {
        switch (kind) {
          case "change":
            subject.apply(real, model, (rest as { change: Change }).change);
            break;
          case "mark":
            layers.push({ mark: journal.mark(), before: subject.copy(model) });
            break;
          case "rollback": {
            const layer = layers.pop();
            if (layer === undefined) break;
            journal.rollback(layer.mark);
            model = layer.before;
            break;
          }
          case "commit": {
            const layer = layers.pop();
            if (layer !== undefined) journal.commit(layer.mark);
            break;
          }
        }
        expect(journal.open).toBe(layers.length > 0);
        subject.agree(real, model);
      }
      // However deep, everything can be taken back to the outermost mark.
      for (const layer of layers.reverse()) {
        journal.rollback(layer.mark);
        subject.agree(real, layer.before);
      }
    }),
    { numRuns },
  );
}
