import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { internIpv6 } from "../../../../src/address/ip6-handle.ts";
import { type Ipv6Words, parseIpv6 } from "../../../../src/address/ipv6.ts";
import { probabilityOf, type RandomMatch } from "../../../../src/kernel/netfilter/match/statistic.ts";
import type { Packet } from "../../../../src/packet/packet.ts";
import { parsedRule } from "../parsed.ts";
import { compiled, FakeContext, ip, packet } from "./rule-context.ts";

type Step = (context: FakeContext, i: number) => Partial<Packet>;

/** A packet at each of these times. */
const at =
  (time: (i: number) => number): Step =>
  (context, i) => {
    context.now = time(i);
    return {};
  };

/** Matches that remember: which of the packets, one after the other, match? `x` matches, `.` does not. */
function run(text: string, packets: number, step: Step = () => ({})): string {
  const context = new FakeContext();
  const test = compiled(text);
  const ruleContext = context.asContext();
  let hits = "";
  for (let i = 0; i < packets; i++) hits += test.test(packet(step(context, i)), ruleContext) ? "x" : ".";
  return hits;
}

describe("statistic (xt_statistic.c)", () => {
  it.each([
    ["--every 3 --packet 0", "x..x..x"],
    ["--every 3 --packet 1", ".x..x.."],
    ["--every 3 --packet 2", "..x..x."],
    ["--every 1 --packet 0", "xxxxxxx"],
    ["! --every 3 --packet 0", ".xx.xx."],
  ])("nth %s: %s", (options, hits) => {
    const every = options.replace(/^! /, "");
    const text = `-m statistic --mode nth ${options.startsWith("!") ? "! " : ""}${every}`;
    expect(run(text, 7)).toBe(hits);
  });

  it("random asks the chooser for odds in 2³¹ parts, and the ! turns its answer", () => {
    const context = new FakeContext();
    context.answers = [true, false, true];
    const plain = compiled("-m statistic --mode random --probability 0.33333333349");
    const inverted = compiled("-m statistic --mode random ! --probability 1");
    expect(plain.test(packet(), context.asContext())).toBe(true);
    expect(plain.test(packet(), context.asContext())).toBe(false);
    expect(inverted.test(packet(), context.asContext())).toBe(false);
    expect(context.asked).toEqual([715827883, 715827883, 2 ** 31]);
  });

  it.each([
    [0, "0.00000000000"],
    [2 ** 31, "1.00000000000"],
    [2 ** 30, "0.50000000000"],
    [715827883, "0.33333333349"],
    [2 ** 19, "0.00024414062"],
    [3 * 2 ** 19, "0.00073242188"],
  ])("a threshold of %i is printed %s, as printf rounds", (threshold, text) => {
    expect(probabilityOf(threshold).text).toBe(text);
  });

  it("what is printed for a threshold reads as that threshold", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31), (threshold) => {
        const match = parsedRule(`-m statistic --mode random --probability ${probabilityOf(threshold).text}`)
          .matches[0];
        expect((match as RandomMatch).probability.value.threshold).toBe(threshold);
      }),
    );
  });
});

describe("limit (xt_limit.c)", () => {
  it.each([
    ["--limit 1/hour --limit-burst 3", 0, "xxx...."],
    ["--limit 1/sec", 0, "xxxxx.."],
    ["--limit 1/sec --limit-burst 1", 500, "x.x.x.x"],
    ["--limit 1/sec --limit-burst 1", 1000, "xxxxxxx"],
    ["--limit 2/sec --limit-burst 1", 400, "x.x.x.x"],
    ["--limit 1/min --limit-burst 2", 20_000, "xx.x..x"],
  ])("%s, a packet each %i ms: %s", (options, gap, hits) => {
    expect(
      run(
        `-m limit ${options}`,
        7,
        at((i) => i * gap),
      ),
    ).toBe(hits);
  });

  it("a rollback gives the credit back", () => {
    const context = new FakeContext();
    const test = compiled("-m limit --limit 1/hour --limit-burst 1");
    test.test(packet(), new FakeContext().asContext());
    const mark = context.journal.mark();
    expect(test.test(packet(), context.asContext())).toBe(true);
    expect(test.test(packet(), context.asContext())).toBe(false);
    context.journal.rollback(mark);
    expect(test.test(packet(), context.asContext())).toBe(true);
  });
});

describe("quota (xt_quota.c)", () => {
  it.each([
    ["--quota 100", "xx.."],
    ["! --quota 100", "..xx"],
    ["--quota 99", "x..."],
    ["--quota 0", "...."],
    ["--quota 18446744073709551615", "xxxx"],
    ["--quota 5000000000", "xxxx"],
  ])("%s with packets of 50 bytes: %s", (options, hits) => {
    expect(run(`-m quota ${options}`, 4, () => ({ length: 50 }))).toBe(hits);
  });

  it("lets no smaller packet through once one was too large", () => {
    expect(run("-m quota --quota 100", 3, (_, i) => ({ length: i === 0 ? 101 : 10 }))).toBe("...");
  });

  it("counts beyond 32 bits", () => {
    const hits = run("-m quota --quota 4294967400", 5, (_, i) => ({ length: i === 0 ? 4294967295 : 50 }));
    expect(hits).toBe("xxx..");
  });
});

describe("limit's 32 bits (`user2credits`)", () => {
  it.each([
    // 144000 s of 32000 credits are 4608000000, of which 32 bits keep 313032704: two packets of 115200000 each.
    ["--limit 1/hour --limit-burst 40", "xx....."],
    // The tenths of milliseconds overflow before they are credits: 4356000000 are 61032704.
    ["--limit 1/hour --limit-burst 121", "x......"],
    ["--limit 1/hour --limit-burst 4", "xxxx..."],
  ])("%s: %s", (options, hits) => {
    expect(run(`-m limit ${options}`, 7)).toBe(hits);
  });
});

describe("hashlimit (xt_hashlimit.c)", () => {
  it.each([
    // 500 bytes are 32 chunks of 64527753 credits, of which there are 4194304000 a second (`hashlimit_byte_cost`).
    ["", 0, "xx......"],
    ["", 500, "xxxxxxxx"],
    ["", 250, "xxx.x.x."],
    // 2 kB are two bursts of a second's credit, each of two packets.
    ["--hashlimit-burst 2kb ", 0, "xxxxxx.."],
  ])("counts bytes: %severy %i ms: %s", (burst, everyMs, hits) => {
    const text = `-m hashlimit --hashlimit-upto 1kb/sec ${burst}--hashlimit-name b${everyMs}`.replace(
      "/sec",
      "/s",
    );
    const sized: Step = (context, i) => ({ ...at((n) => n * everyMs)(context, i), length: 500 });
    expect(run(text, 8, sized)).toBe(hits);
  });

  it("measures a rate by whole intervals (`XT_HASHLIMIT_RATE_MATCH`)", () => {
    // Three may come in a second, two of the rate and one of the burst; after more than two the next second has none.
    const text =
      "-m hashlimit --hashlimit-upto 2/sec --hashlimit-burst 1 --hashlimit-name m --hashlimit-htable-expire 60000 --hashlimit-rate-match";
    const times = [0, 0, 0, 0, 1000, 1500, 2000, 2000, 3000, 3000];
    expect(
      run(
        text,
        times.length,
        at((i) => times[i] as number),
      ),
    ).toBe("xxx...xxxx");
  });

  it("drops what finds no room in a table of so many places (`dsthash_alloc_init`)", () => {
    const context = new FakeContext();
    const surroundings = context.asContext();
    const test = compiled(
      "-m hashlimit --hashlimit-upto 1/sec --hashlimit-mode srcip --hashlimit-name full --hashlimit-htable-size 2 --hashlimit-htable-max 1",
    );
    const ask = (src: string) => test.test(packet({ src: ip(src) }), surroundings);
    expect([ask("10.0.0.1"), ask("10.0.0.2"), ask("10.0.0.1")]).toEqual([true, true, true]);
    expect(surroundings.hotdrop).toBeFalsy();
    expect(ask("10.0.0.3")).toBe(false);
    expect(surroundings.hotdrop).toBe(true);
  });

  it("has one table for the rules that name it (`htable_find_get`)", () => {
    const context = new FakeContext();
    const surroundings = context.asContext();
    const of = (mode: string, name: string) =>
      compiled(`-m hashlimit --hashlimit-${mode} 1/hour --hashlimit-burst 2 --hashlimit-name ${name}`);
    const [one, other, third] = [of("upto", "shared"), of("above", "shared"), of("upto", "own")];
    const ask = (test: typeof one) => test.test(packet(), surroundings);
    expect([ask(one), ask(other), ask(other), ask(one), ask(third)]).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
  });
  const alternating = (_: FakeContext, i: number) => ({ src: ip(i % 2 === 0 ? "10.0.0.1" : "10.0.0.2") });

  it.each([
    ["--hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip", "xxxx...."],
    ["--hashlimit-above 1/hour --hashlimit-burst 2 --hashlimit-mode srcip", "....xxxx"],
    ["--hashlimit-upto 1/hour --hashlimit-burst 2", "xx......"],
    ["--hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode dstip", "xx......"],
    ["--hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-srcmask 24", "xx......"],
  ])("%s, two sources in turn: %s", (options, hits) => {
    expect(run(`-m hashlimit ${options} --hashlimit-name x`, 8, alternating)).toBe(hits);
  });

  const sources = ["fd00:1::1", "fd00:2::1", "fd00:1::2", "fd00:1:0:1::1"].map((text) =>
    internIpv6(parseIpv6(text) as Ipv6Words),
  );

  it.each([
    ["--hashlimit-srcmask 128", "xxxx...."],
    ["--hashlimit-srcmask 64", "xx.x...."],
    ["--hashlimit-srcmask 32", "xx......"],
    ["--hashlimit-srcmask 16", "x......."],
  ])("of IPv6 with %s, four sources in turn: %s", (mask, hits) => {
    const text = `-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode srcip ${mask} --hashlimit-name x`;
    const context = new FakeContext();
    const test = compiled(text, 6);
    const found = Array.from({ length: 8 }, (_, i) =>
      test.test(packet({ family: 6, src: sources[i % 4] as number }), context.asContext()),
    );
    expect(found.map((hit) => (hit ? "x" : ".")).join("")).toBe(hits);
  });

  it("earns credit with time, for each bucket", () => {
    const text =
      "-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name x";
    expect(
      run(
        text,
        7,
        at((i) => i * 500),
      ),
    ).toBe("x.x.x.x");
  });

  it("forgets a bucket unused for longer than its time", () => {
    const text =
      "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-name x --hashlimit-htable-expire 5000";
    const times = [0, 0, 0, 0, 4000, 9001, 9001, 9001, 9001];
    expect(
      run(
        text,
        times.length,
        at((i) => times[i] as number),
      ),
    ).toBe("xxx..xxx.");
  });
});
