import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Odds } from "../../src/walk/fraction.ts";
import type { Fraction, Trace } from "../../src/walk/trace.ts";
import { sessionOf, trace } from "./asking.ts";
import { leftBehind } from "./left-behind.ts";
import { BRIDGE, smallWorld } from "./small-world.ts";

/** Worlds with chance: a router whose rules toss and whose routes fork, between a client and two servers. */

interface Toss {
  /** 0 … 2³¹ */
  readonly threshold: number;
  readonly target: "DROP" | "ACCEPT" | "mark" | "none";
}

function worldOf(tosses: readonly Toss[], weights: readonly number[]) {
  const rules = tosses.map(({ threshold, target }) => {
    const aim = target === "none" ? "" : target === "mark" ? " -j MARK --set-xmark 0x1/0x1" : ` -j ${target}`;
    const probability = (threshold / 2 ** 31).toFixed(11);
    return `-A FORWARD -m statistic --mode random --probability ${probability}${aim}`;
  });
  const hops = weights.map((weight, i) => `nexthop via 10.1.${i}.2 weight ${weight}`).join(" ");
  const links = Object.fromEntries(weights.map((_, i) => [`eth${i + 1}`, `10.1.${i}.1/24`]));
  const servers = Object.fromEntries(
    weights.map((_, i) => [
      `s${i}`,
      {
        links: { eth0: `10.1.${i}.2/24`, lo1: { addresses: "10.9.0.1/32" } },
        routes: [`default via 10.1.${i}.1`],
      },
    ]),
  );
  return smallWorld(
    {
      c: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"] },
      r: {
        links: { eth0: "10.0.0.1/24", ...links },
        forward: true,
        routes: [`10.9.0.1 ${hops}`],
        iptables: [
          "*filter",
          ":INPUT ACCEPT",
          ":FORWARD ACCEPT",
          ":OUTPUT ACCEPT",
          ...rules,
          "COMMIT",
          "",
        ].join("\n"),
      },
      ...servers,
    },
    ["c:eth0 r:eth0", ...weights.map((_, i) => `r:eth${i + 1} s${i}:eth0`)],
  );
}

const toss = () =>
  fc.record({
    threshold: fc.constantFrom(2 ** 30, 715_827_883, 2 ** 29, 1_610_612_736, 12_345, 2 ** 31 - 1),
    target: fc.constantFrom("DROP" as const, "ACCEPT" as const, "mark" as const, "none" as const),
  });

const fractionOf = ({ num, den }: Fraction): Odds => new Odds(BigInt(num), BigInt(den));

/** What a trace accounts for: its outcomes' odds and what is left. */
function total({ outcomes, residual }: Trace): Odds {
  return outcomes.reduce(
    (sum, { probability }) => sum.plus(fractionOf(probability as Fraction)),
    residual === undefined ? Odds.ZERO : fractionOf(residual),
  );
}

describe("exploring a query", () => {
  it("accounts for everything: odds and residual are one, exactly", () => {
    fc.assert(
      fc.property(
        fc.array(toss(), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 40 }),
        (tosses, weights, outcomes) => {
          const found = trace(sessionOf(worldOf(tosses, weights)), "c", "udp 10.9.0.1:53", { outcomes });
          expect(found.outcomes.length).toBeLessThanOrEqual(outcomes);
          const { num, den } = total(found);
          expect([num, den]).toEqual([1n, 1n]);
          for (const { probability } of found.outcomes) {
            expect(fractionOf(probability as Fraction).num > 0n).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is deterministic, byte for byte, and lists the likeliest first", () => {
    fc.assert(
      fc.property(
        fc.array(toss(), { maxLength: 4 }),
        fc.constantFrom([1], [1, 2], [3, 1, 1]),
        (tosses, weights) => {
          const world = worldOf(tosses, weights);
          const once = trace(sessionOf(world), "c", "tcp 10.9.0.1:80", { outcomes: 40 });
          const again = trace(sessionOf(world), "c", "tcp 10.9.0.1:80", { outcomes: 40 });
          expect(JSON.stringify(again)).toBe(JSON.stringify(once));
          const odds = once.outcomes.map(({ probability }) => fractionOf(probability as Fraction).toNumber());
          expect(odds).toEqual([...odds].sort((a, b) => b - a));
        },
      ),
      { numRuns: 40 },
    );
  });

  it("lists a finite choice whole, and says what is left where it stops", () => {
    const world = worldOf([{ threshold: 715_827_883, target: "DROP" }], [1, 3]);
    const whole = trace(sessionOf(world), "c", "udp 10.9.0.1:53");
    // The request and its answer are tossed for; the request's way forks.
    const text = whole.outcomes.map(({ probability, verdict, client }) => {
      const { num, den } = probability as Fraction;
      return `${num}/${den} ${verdict.disposition} ${client.answeredBy ?? "-"}`;
    });
    expect(text.sort()).toEqual(
      [
        "1/12 DROPPED -",
        "1/18 NO_REPLY -",
        "1/4 DROPPED -",
        "1/6 NO_REPLY -",
        "1/9 DELIVERED s0",
        "1/3 DELIVERED s1",
      ].sort(),
    );
    expect(whole.residual).toBeUndefined();
    const cut = trace(sessionOf(world), "c", "udp 10.9.0.1:53", { outcomes: 2 });
    expect(cut.outcomes).toHaveLength(2);
    expect(total(cut).num).toBe(1n);
    expect(cut.residual).toEqual({ num: 5, den: 9 });
  });

  it("stops early where frames go round without end and rules toss for each", () => {
    const ring = () => ({
      links: {
        br0: { detail: BRIDGE },
        p0: { master: "br0" },
        p1: { master: "br0" },
        p2: { master: "br0" },
      },
      sysctl: { "net.bridge.bridge-nf-call-iptables": 1 },
      iptables: "*filter\n:FORWARD ACCEPT\n-A FORWARD -m statistic --mode random --probability 0.5\nCOMMIT\n",
    });
    const world = smallWorld(
      {
        c: { links: { eth0: "10.0.0.2/24" }, neighbours: ["10.0.0.3 eth0 02:00:00:00:00:99"] },
        a: ring(),
        b: ring(),
      },
      ["c:eth0 a:p2", "a:p0 b:p0", "a:p1 b:p1"],
    );
    const found = trace(sessionOf(world), "c", "udp 10.0.0.3:53", { outcomes: 1024, verdictOnly: true });
    expect(found.outcomes[0]?.verdict.disposition).toBe("LOOPED");
    // Each is a walk of twenty thousand frames: a thousand of them would fill the memory.
    expect(found.outcomes.length).toBeGreaterThan(1);
    expect(found.outcomes.length).toBeLessThan(10);
    expect(found.residual).toBeDefined();
  });

  it("leaves nothing behind but what the followed outcome does", () => {
    const world = worldOf([{ threshold: 2 ** 30, target: "DROP" }], [1, 1]);
    const session = sessionOf(world);
    const before = leftBehind(session);
    const mark = session.journal.mark();
    trace(session, "c", "tcp 10.9.0.1:80");
    expect(leftBehind(session)).not.toBe(before);
    session.journal.rollback(mark);
    // Hosts appear on first touch and stay, empty.
    expect(leftBehind(session)).toBe(before);
  });

  it("keeps a flow on its way once it was followed", () => {
    const world = worldOf([], [1, 1, 1]);
    const session = sessionOf(world, 5);
    const first = trace(session, "c", "tcp 10.9.0.1:80", { choose: { server: "s2" } });
    expect(first.outcomes).toHaveLength(3);
    const again = trace(session, "c", "tcp 10.9.0.1:80");
    expect(again.outcomes.map(({ client }) => client.answeredBy)).toEqual(["s2"]);
  });
});
