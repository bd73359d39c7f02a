import { describe, expect, it } from "vitest";
import { Estimator } from "../../../src/kernel/netfilter/rate-estimator.ts";
import { compiled, FakeContext, packet } from "./match/rule-context.ts";

/**
 * What a kernel 6.18 estimated after a hundred datagrams of 100 bytes at once, read off by hundreds of rules with `--rateest-gt`
 * every 250 ms: `q` of 250 ms and 1 s, `r` of 500 ms and 1 s, and whether the rules at the end matched.
 */
const RECORDED: readonly (readonly [q: number, r: number, bytes50: number, delta: boolean])[] = [
  [100, 100, 200, false],
  [75, 100, 150, false],
  [56, 50, 113, false],
  [42, 50, 85, true],
  [31, 25, 64, true],
  [23, 25, 48, true],
  [17, 12, 36, true],
  [13, 12, 27, true],
  [10, 6, 21, true],
  [7, 6, 15, true],
  [5, 3, 12, true],
  [4, 3, 9, true],
  [3, 1, 7, true],
  [2, 1, 5, true],
];

describe("rate estimators (gen_estimator.c, xt_rateest.c)", () => {
  it("rise and fall as the kernel's did", () => {
    const context = new FakeContext();
    const rules = context.asContext();
    const q = new Estimator("q");
    const r = new Estimator("r");
    context.now = 1250;
    for (let i = 0; i < 100; i++) {
      q.count(rules, { intervalLog: 0, ewmaLog: 2 }, 100);
      r.count(rules, { intervalLog: 1, ewmaLog: 1 }, 100);
    }
    const matches = (options: string) => compiled(`-m rateest ${options}`).test(packet(), rules);
    expect(q.packets(rules)).toBe(0);
    RECORDED.forEach(([packets, others, bytes50, delta], n) => {
      context.now = 1550 + n * 250;
      expect([q.packets(rules), r.packets(rules), Math.ceil(q.bytes(rules) / 50)]).toEqual([
        packets,
        others,
        bytes50,
      ]);
      expect(matches(`--rateest q --rateest-gt --rateest-pps ${packets - 1}`)).toBe(true);
      expect(matches(`--rateest q --rateest-gt --rateest-pps ${packets}`)).toBe(false);
      expect(matches(`--rateest q ! --rateest-gt --rateest-pps ${packets}`)).toBe(true);
      expect(matches("--rateest-delta --rateest q --rateest-pps1 60 --rateest-gt --rateest-pps2 10")).toBe(
        delta,
      );
      expect(matches("--rateest1 q --rateest-gt --rateest-pps --rateest2 r")).toBe(packets > others);
      expect(matches("--rateest1 q --rateest-eq --rateest-pps --rateest2 r")).toBe(packets === others);
    });
  });

  it("is as many steps behind as the clock went on, all at once too", () => {
    const [stepped, leapt] = [new FakeContext(), new FakeContext()];
    const estimator = new Estimator("steps");
    for (const context of [stepped, leapt])
      for (let i = 0; i < 9; i++)
        estimator.count(context.asContext(), { intervalLog: 0, ewmaLog: 3 }, 5000 + i);
    for (stepped.now = 0; stepped.now < 5000; stepped.now += 100) estimator.bytes(stepped.asContext());
    leapt.now = 4900;
    expect(estimator.bytes(leapt.asContext())).toBeGreaterThan(0);
    stepped.now = 4900;
    expect(estimator.bytes(leapt.asContext())).toBe(estimator.bytes(stepped.asContext()));
    leapt.now = 1e9;
    // What has no share of an eighth left stays: 7 256ths.
    expect(estimator.bytes(leapt.asContext())).toBe(0);
  });
});
