import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Balance } from "./balance.ts";

/** Beside the recordings, which say what each scheduler picks: what must hold of any, and what none of them shows. */

const SERVICE = "-t 10.99.0.1:80";
const server = (number: number, weight = 1, more = ""): string =>
  `-a ${SERVICE} -r 10.12.0.${number}:80 -m -w ${weight}${more}`;

function tally(picks: readonly (number | string)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const pick of picks) counts[pick] = (counts[pick] ?? 0) + 1;
  return counts;
}

describe("shares", () => {
  it("wrr gives each server its weight's share of a round", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }), (weights) => {
        const balance = new Balance(
          `-A ${SERVICE} -s wrr`,
          ...weights.map((weight, i) => server(11 + i, weight)),
        );
        const round = weights.reduce((a, b) => a + b, 0);
        if (round === 0) {
          expect(balance.ask()).toBe("ipvs-no-server");
          return;
        }
        const counts = tally(Array.from({ length: round * 2 }, () => balance.ask()));
        weights.forEach((weight, i) => {
          expect(counts[11 + i] ?? 0).toBe(2 * weight);
        });
      }),
      { numRuns: 12 },
    );
  });

  it.each(["rr", "lc", "wlc", "sed", "nq"])("%s gives equal servers equal shares", (scheduler) => {
    const balance = new Balance(`-A ${SERVICE} -s ${scheduler}`, server(11), server(12), server(13));
    const picks = Array.from({ length: 9 }, (_, i) => balance.ask({ hold: `c${i}` }));
    expect(tally(picks)).toEqual({ 11: 3, 12: 3, 13: 3 });
  });

  it.each(["sh", "mh"])("%s gives one client one server, and not all clients the same", (scheduler) => {
    const balance = new Balance(`-A ${SERVICE} -s ${scheduler}`, server(11), server(12), server(13));
    const first = Array.from({ length: 12 }, (_, i) => balance.ask({ src: 2 + i }));
    expect(Array.from({ length: 12 }, (_, i) => balance.ask({ src: 2 + i }))).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1);
  });
});

describe("lblc", () => {
  it.each([
    ["100", 13],
    ["50", 12],
  ])("net.ipv4.vs.lblc_expiration = %s: after a minute goes to %i", (seconds, last) => {
    const balance = new Balance(`-A ${SERVICE} -s lblc`, server(12), server(13));
    balance.sysctl("lblc_expiration", seconds);
    expect(balance.ask({ hold: "a" })).toBe(13);
    balance.session.wait(60_000);
    expect(balance.ask()).toBe(last);
  });

  it("begins with a new table where it is taken up again (ip_vs_lblc_init_svc)", () => {
    const balance = new Balance(`-A ${SERVICE} -s lblc`, server(12), server(13));
    expect(balance.ask({ hold: "a" })).toBe(13);
    balance.ipvsadm(`-E ${SERVICE} -s rr`);
    expect(balance.ask()).toBe(13);
    balance.ipvsadm(`-E ${SERVICE} -s lblc`);
    expect(balance.ask()).toBe(12);
  });
});

describe("twos", () => {
  /** ip_vs_twos_schedule for every pair of numbers it may draw. */
  function drawn(weights: readonly number[], overheads: readonly number[]): number[] {
    const total = weights.reduce((a, b) => a + b, 0);
    const counts = weights.map(() => 0);
    const at = (random: number): number => {
      let left = random;
      return weights.findIndex((weight) => {
        left -= weight;
        return weight > 0 && left <= 0;
      });
    };
    for (let one = 0; one <= total; one++) {
      for (let two = 0; two <= total; two++) {
        const [first, second] = [at(one), at(two)];
        const better =
          (weights[second] as number) * (overheads[first] as number) >
          (weights[first] as number) * (overheads[second] as number);
        const taken = better ? second : first;
        counts[taken] = (counts[taken] as number) + 1;
      }
    }
    return counts;
  }

  it.each([
    [[1, 1], []],
    [[3, 1], ["a"]],
    [
      [2, 0, 5],
      ["a", "b"],
    ],
  ])("weights %j, connections held: %j", (weights, holds) => {
    const balance = new Balance(
      `-A ${SERVICE} -s fo`,
      ...weights.map((weight, i) => server(11 + i, weight)).reverse(),
    );
    for (const hold of holds) balance.ask({ hold });
    const heaviest = weights.indexOf(Math.max(...weights));
    balance.ipvsadm(`-E ${SERVICE} -s twos`);
    const { outcomes } = balance.trace();
    const found = weights.map((_, i) =>
      outcomes
        .filter(({ server: took }) => took?.address === `10.12.0.${11 + i}`)
        .reduce((sum, { probability }) => sum + Number(probability?.num) / Number(probability?.den), 0),
    );
    const counts = drawn(
      weights,
      weights.map((_, i) => (i === heaviest ? 256 * holds.length : 0)),
    );
    const all = counts.reduce((a, b) => a + b, 0);
    for (const [i, share] of found.entries()) expect(share).toBeCloseTo((counts[i] as number) / all, 9);
  });
});

describe("lblcr", () => {
  it("keeps a destination to its servers, and adds one when they are overloaded while another idles", () => {
    const balance = new Balance(`-A ${SERVICE} -s lblcr`, server(11, 3), server(12, 3));
    const held = (i: number): number | string => balance.ask({ hold: `c${i}` });
    // The list begins with the server added last; equals leave it at the first.
    expect([held(0), held(1), held(2), held(3)]).toEqual([12, 12, 12, 12]);
    // Four connections are above its weight, and the other has less than half of its own: it joins the set.
    expect(held(4)).toBe(11);
    expect(held(5)).toBe(11);
  });

  // ip_vs_lblcr_schedule: "More than one destination + enough time passed by, cleanup"
  it.each([
    ["100", [11, 11, 11, 11]],
    ["1000", [11, 11, 11, 12]],
  ])(
    "lblcr_expiration = %s: two minutes after it grew the set has given up its busiest server: %j",
    (seconds, picks) => {
      const balance = new Balance(`-A ${SERVICE} -s lblcr`, server(11, 3), server(12, 3));
      balance.sysctl("lblcr_expiration", seconds);
      for (let i = 0; i < 5; i++) balance.ask({ hold: `c${i}` });
      balance.session.wait(60_000);
      balance.ask();
      balance.session.wait(60_000);
      balance.ask();
      expect([0, 1, 2, 3].map((i) => balance.ask({ hold: `d${i}` }))).toEqual(picks);
    },
  );
});

describe("a server that is drained, full or gone", () => {
  it("takes no more above its threshold, and some again below three quarters of it", () => {
    const balance = new Balance(`-A ${SERVICE} -s fo`, server(11, 1), server(12, 9, " -x 2"));
    expect([balance.ask({ hold: "a" }), balance.ask({ hold: "b" }), balance.ask()]).toEqual([12, 12, 11]);
    balance.ipvsadm(`-e ${SERVICE} -r 10.12.0.12:80 -m -w 9 -x 4`);
    expect(balance.ask()).toBe(12);
  });

  // __ip_vs_dest_update_overload with mode 0: a new threshold is looked at when it is set.
  it("is full at once where a lower threshold is set, and stays so where the new one leaves too little", () => {
    const balance = new Balance(`-A ${SERVICE} -s fo`, server(11, 1), server(12, 9));
    for (const hold of ["a", "b", "c"]) expect(balance.ask({ hold })).toBe(12);
    balance.ipvsadm(`-e ${SERVICE} -r 10.12.0.12:80 -m -w 9 -x 2`);
    expect(balance.ask()).toBe(11);
    // Three of four are three quarters, and not below them; three of five are.
    balance.ipvsadm(`-e ${SERVICE} -r 10.12.0.12:80 -m -w 9 -x 4`);
    expect(balance.ask()).toBe(11);
    balance.ipvsadm(`-e ${SERVICE} -r 10.12.0.12:80 -m -w 9 -x 5`);
    expect(balance.ask()).toBe(12);
  });

  it("all drained: the client hears of a port unreachable", () => {
    const balance = new Balance(`-A ${SERVICE} -s wlc`, server(11, 0));
    const { outcomes, verdict } = balance.trace();
    expect(verdict).toMatchObject({ disposition: "REFUSED", reason: "ipvs-no-server", host: "lb" });
    expect(outcomes[0]?.client.icmp).toEqual({ type: 3, code: 3, from: "10.99.0.1" });
  });

  it("deleted and added again between two packets it stands first", () => {
    const balance = new Balance(`-A ${SERVICE} -s rr`, server(11), server(12), server(13));
    expect(balance.ask()).toBe(13);
    balance.ipvsadm(`-d ${SERVICE} -r 10.12.0.11:80`);
    balance.ipvsadm(server(11));
    expect([balance.ask(), balance.ask(), balance.ask()]).toEqual([12, 11, 13]);
  });

  it("a deleted service's address is the balancer's own again", () => {
    const balance = new Balance(`-A ${SERVICE} -s rr`, server(11));
    expect(balance.ask()).toBe(11);
    balance.ipvsadm(`-D ${SERVICE}`);
    expect(balance.ask()).toBe("no-listener-tcp");
  });
});

describe("what is not known is said", () => {
  it("a scheduler that is not modelled: the first server that can takes it, and the verdict names it", () => {
    const balance = new Balance(`-A ${SERVICE} -s dice`, server(11), server(12));
    expect(balance.trace().verdict).toMatchObject({
      certainty: "unknown-match",
      unknown: ["IPVS scheduler dice"],
    });
  });

  it("a setting at work that is not modelled", () => {
    const balance = new Balance(`-A ${SERVICE} -s rr`, server(11));
    expect(balance.trace().verdict.unknown).toBeUndefined();
    balance.sysctl("drop_entry", "3");
    expect(balance.trace().verdict.unknown).toEqual(["net.ipv4.vs.drop_entry"]);
  });

  it("a persistence engine too", () => {
    const balance = new Balance(`-A ${SERVICE} -s rr -p 60 --pe sip`, server(11));
    expect(balance.trace().verdict.unknown).toEqual(["IPVS persistence engine sip"]);
  });

  it("GUE ends where the model does", () => {
    const balance = new Balance(
      `-A ${SERVICE} -s rr`,
      `-a ${SERVICE} -r 10.12.0.11:80 -i --tun-type gue --tun-port 6080`,
    );
    expect(balance.trace().verdict).toMatchObject({
      disposition: "UNKNOWN",
      unknown: ["IPVS forwarding by GUE or GRE"],
    });
  });
});
