import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Timer, Timers } from "../../src/clock/timers.ts";

describe("timers", () => {
  it("fire by time, equal times in the order of arming, the cancelled never", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(20), cancel: fc.boolean() }), { maxLength: 60 }),
        (specs) => {
          const timers = new Timers();
          const fired: string[] = [];
          specs.forEach(({ at, cancel }, i) => {
            const timer = timers.arm(at, () => fired.push(`${at} ${i}`));
            timer.cancelled = cancel;
          });
          for (let next = timers.peek(); next !== undefined; next = timers.peek()) {
            expect(timers.pop()).toBe(next);
            next.fire();
          }
          const expected = specs
            .map(({ at, cancel }, i) => ({ at, cancel, i }))
            .filter(({ cancel }) => !cancel)
            .sort((a, b) => a.at - b.at || a.i - b.i)
            .map(({ at, i }) => `${at} ${i}`);
          expect(fired).toEqual(expected);
        },
      ),
    );
  });

  it("may be armed while others fire", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 30 }), (specs) => {
        const timers = new Timers();
        const times: number[] = [];
        for (const [at, later] of specs) {
          timers.arm(at, () => {
            times.push(at);
            timers.arm(at + later, () => times.push(at + later));
          });
        }
        for (let next = timers.pop(); next !== undefined; next = timers.pop()) next.fire();
        expect(times).toHaveLength(specs.length * 2);
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }),
    );
  });

  it("may be cancelled at any time, and all forgotten", () => {
    const timers = new Timers();
    const armed: Timer[] = [5, 1, 3].map((at) => timers.arm(at, () => {}));
    expect(timers.peek()).toBe(armed[1]);
    (armed[1] as Timer).cancelled = true;
    expect(timers.peek()).toBe(armed[2]);
    timers.clear();
    expect([timers.peek(), timers.pop()]).toEqual([undefined, undefined]);
  });
});
