import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHOICE_MULTIPATH, CHOICE_STATISTIC } from "../../src/kernel/chooser.ts";
import { UnknownTest } from "../../src/kernel/netfilter/unknown.ts";
import {
  type FlowMemory,
  ScriptedChooser,
  SeededChooser,
  UNKNOWNS_AT_MOST,
} from "../../src/walk/choosers.ts";

function memory(): FlowMemory {
  const flowChoices = new Map<string, number>();
  return {
    flowChoices,
    rememberChoice(key, taken) {
      flowChoices.set(key, taken);
    },
  };
}

const HALF = 2 ** 30;
const THIRD = 715_827_883;
const unknownMatch = (name: string): UnknownTest =>
  new UnknownTest({ kind: "unknown", name, args: [] } as never);

describe("a scripted chooser", () => {
  it("follows its script, then takes the likeliest", () => {
    const chooser = new ScriptedChooser([1, 0], memory());
    expect(chooser.event(CHOICE_STATISTIC, HALF)).toBe(false);
    expect(chooser.event(CHOICE_STATISTIC, THIRD)).toBe(true);
    expect(chooser.event(CHOICE_STATISTIC, THIRD)).toBe(false);
    expect(chooser.event(CHOICE_STATISTIC, 2 ** 31 - THIRD)).toBe(true);
    expect(chooser.choices.map(({ taken }) => taken)).toEqual([1, 0, 1, 0]);
    expect(chooser.choices[1]?.odds?.map(({ num, den }) => `${num}/${den}`)).toEqual(["1/3", "2/3"]);
  });

  it("asks nothing of what is certain", () => {
    const chooser = new ScriptedChooser([], memory());
    expect([chooser.event(CHOICE_STATISTIC, 0), chooser.event(CHOICE_STATISTIC, 2 ** 31)]).toEqual([
      false,
      true,
    ]);
    expect(chooser.choices).toEqual([]);
  });

  it("remembers a flow's choice, across walks of one session", () => {
    const session = memory();
    const first = new ScriptedChooser([2], session);
    expect(first.flow(CHOICE_MULTIPATH, 5, 6, [1, 1, 2])).toBe(2);
    expect(first.flow(CHOICE_MULTIPATH, 5, 6, [1, 1, 2])).toBe(2);
    expect(first.choices).toHaveLength(1);
    const second = new ScriptedChooser([0], session);
    expect(second.flow(CHOICE_MULTIPATH, 5, 6, [1, 1, 2])).toBe(2);
    expect(second.flow(CHOICE_MULTIPATH, 5, 7, [1, 1, 2])).toBe(0);
  });

  it("takes the heaviest hop of a flow, of equal ones the first", () => {
    const chooser = new ScriptedChooser([], memory());
    expect(chooser.flow(CHOICE_MULTIPATH, 1, 0, [1, 3, 2])).toBe(1);
    expect(chooser.flow(CHOICE_MULTIPATH, 2, 0, [2, 2])).toBe(0);
    expect(chooser.choices[0]?.odds?.map(({ num, den }) => `${num}/${den}`)).toEqual(["1/6", "1/2", "1/3"]);
  });

  it("never answers a flow's question with a hop of another route, which has more of them", () => {
    const chooser = new ScriptedChooser([2], memory());
    expect(chooser.flow(CHOICE_MULTIPATH, 5, 6, [1, 1, 1])).toBe(2);
    expect(chooser.flow(CHOICE_MULTIPATH, 5, 6, [1, 1])).toBeLessThan(2);
  });

  it("asks of an unmodelled match once per packet signature", () => {
    const chooser = new ScriptedChooser([0, 1], memory());
    const test = unknownMatch("one");
    expect(chooser.unknown(test, 7)).toBe(true);
    expect(chooser.unknown(test, 7)).toBe(true);
    expect(chooser.unknown(test, 8)).toBe(false);
    expect(chooser.choices).toHaveLength(2);
    expect(chooser.choices[0]?.odds).toBeNull();
  });

  it("takes no match and lists it past six unmodelled matches", () => {
    const chooser = new ScriptedChooser(new Array(99).fill(0), memory());
    const tests = Array.from({ length: UNKNOWNS_AT_MOST + 2 }, (_, i) => unknownMatch(`m${i}`));
    expect(tests.map((test) => chooser.unknown(test, 1))).toEqual([...new Array(6).fill(true), false, false]);
    expect([...chooser.notAsked]).toEqual(tests.slice(6));
    // One already asked may be asked again of another packet.
    expect(chooser.unknown(tests[0] as UnknownTest, 2)).toBe(true);
  });
});

describe("a seeded chooser", () => {
  const answers = (seed: number, flow: number, count: number): boolean[] => {
    const chooser = new SeededChooser(seed);
    chooser.begin(flow);
    return Array.from({ length: count }, () => chooser.event(CHOICE_STATISTIC, HALF));
  };

  it("is a pure function of seed, flow and how often it was asked", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer(),
        fc.array(fc.integer(), { maxLength: 5 }),
        (seed, flow, others) => {
          const chooser = new SeededChooser(seed);
          for (const other of others) {
            chooser.begin(other);
            chooser.event(CHOICE_STATISTIC, HALF);
            chooser.flow(CHOICE_MULTIPATH, other, 0, [1, 1]);
          }
          chooser.begin(flow);
          const now = Array.from({ length: 8 }, () => chooser.event(CHOICE_STATISTIC, HALF));
          expect(now).toEqual(answers(seed, flow, 8));
        },
      ),
    );
  });

  it("sends a flow the same way whenever it asks", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer(),
        fc.integer(),
        fc.integer({ min: 1, max: 9 }),
        (seed, a, b, hops) => {
          const weights = new Array(hops).fill(1);
          const chooser = new SeededChooser(seed);
          const first = chooser.flow(CHOICE_MULTIPATH, a, b, weights);
          chooser.begin(3);
          chooser.event(CHOICE_STATISTIC, HALF);
          expect(chooser.flow(CHOICE_MULTIPATH, a, b, weights)).toBe(first);
          expect(first).toBeLessThan(hops);
        },
      ),
    );
  });

  it.each([HALF, THIRD, 2 ** 28, 2 ** 31 - 2 ** 28])(
    "happens as often as the threshold %d says",
    (threshold) => {
      const chooser = new SeededChooser(42);
      let happened = 0;
      for (let flow = 0; flow < 20_000; flow++) {
        chooser.begin(flow);
        if (chooser.event(CHOICE_STATISTIC, threshold)) happened++;
      }
      // Five standard deviations of twenty thousand tosses are below 0.018.
      expect(Math.abs(happened / 20_000 - threshold / 2 ** 31)).toBeLessThan(0.018);
    },
  );

  it("spreads flows by weight", () => {
    const chooser = new SeededChooser(7);
    const counts = [0, 0, 0];
    for (let i = 0; i < 20_000; i++)
      counts[chooser.flow(CHOICE_MULTIPATH, i * 7, i, [1, 2, 5])] =
        (counts[chooser.flow(CHOICE_MULTIPATH, i * 7, i, [1, 2, 5])] ?? 0) + 1;
    counts.forEach((count, i) => {
      expect(Math.abs(count / 20_000 - ([1, 2, 5][i] as number) / 8)).toBeLessThan(0.018);
    });
  });

  it("always takes an unmodelled match for none, and lists it", () => {
    const chooser = new SeededChooser(1);
    const test = unknownMatch("x");
    expect(chooser.unknown(test)).toBe(false);
    expect([...chooser.notAsked]).toEqual([test]);
  });
});
