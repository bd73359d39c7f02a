import process from "node:process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { damaged } from "./damage.ts";
import { PARSERS } from "./parsers.ts";

/**
 * Damaged texts: a clear error or a value, never a crash, a hang, or something lost in silence. `HOPSCOPE_RUNS=10000` gives
 * each parser as many; `HOPSCOPE_SEED` chooses them.
 */
const { HOPSCOPE_SEED, HOPSCOPE_RUNS } = process.env;
const SEED = Number(HOPSCOPE_SEED ?? Date.now() % 1_000_000);
const RUNS = Number(HOPSCOPE_RUNS ?? 150);
console.log(`parser fuzz: seed ${SEED} (HOPSCOPE_SEED), ${RUNS} texts a parser (HOPSCOPE_RUNS)`);

/** Far beyond what any of these texts takes. */
const HANGS_MS = 5000;

describe.each(PARSERS)("$name", ({ samples, parse }) => {
  it("takes what is right", () => {
    for (const sample of samples) expect(parse(sample).messages).toEqual([]);
  });

  it("damaged: an error in words, or a value that prints and reads back the same", () => {
    const text = fc.constantFrom(...samples).chain(damaged);
    fc.assert(
      fc.property(text, (given) => {
        const started = performance.now();
        const { messages, again } = parse(given);
        expect(performance.now() - started).toBeLessThan(HANGS_MS);
        for (const message of messages) {
          expect(message.trim()).not.toBe("");
          expect(message).not.toMatch(/undefined|\[object |NaN|TypeError|RangeError|\bat [\w.]+ \(/);
        }
        if (again === undefined) return;
        const second = parse(again);
        expect(second.messages).toEqual([]);
        expect(second.again).toBe(again);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  }, 600_000);
});
