import { describe, expect, it } from "vitest";
import { formatIp } from "../../../src/address/ip.ts";
import { intern, internIpv6 } from "../../../src/address/ip6-handle.ts";
import { type Ipv6Words, parseIpv6 } from "../../../src/address/ipv6.ts";
import { internRecentList, RecentLists } from "../../../src/kernel/netfilter/recent.ts";
import type { MatchTest } from "../../../src/kernel/netfilter/rule-context.ts";
import { Journal } from "../../../src/kernel/session/journal.ts";
import { compiled, FakeContext, ip, packet } from "./match/rule-context.ts";

const SET = "--set --name L";
const tests = new Map<string, MatchTest>();

/** One packet through one rule. */
function ask(context: FakeContext, options: string, src: string, second = 0, ttl = 64): boolean {
  const test = tests.get(options) ?? compiled(`-m recent ${options}`);
  tests.set(options, test);
  context.now = second * 1000;
  return test.test(packet({ src: ip(src), dst: ip("9.9.9.9"), ttl }), context.asContext());
}

function listed(context: FakeContext, name = "L"): string[] {
  return (context.recent.dump().get(name) ?? []).map(formatIp);
}

describe("-m recent (xt_recent.c)", () => {
  it("sets, finds, and removes", () => {
    const context = new FakeContext();
    expect(ask(context, "--rcheck --name L", "10.0.0.1")).toBe(false);
    expect(ask(context, SET, "10.0.0.1")).toBe(true);
    expect(ask(context, SET, "10.0.0.1")).toBe(true);
    expect(ask(context, "--rcheck --name L", "10.0.0.1")).toBe(true);
    expect(ask(context, "--rcheck --name L", "10.0.0.2")).toBe(false);
    expect(ask(context, "--rcheck --name OTHER", "10.0.0.1")).toBe(false);
    expect(ask(context, "--remove --name L", "10.0.0.2")).toBe(false);
    expect(ask(context, "--remove --name L", "10.0.0.1")).toBe(true);
    expect(ask(context, "--rcheck --name L", "10.0.0.1")).toBe(false);
  });

  it("sees an address for so many seconds, the last of them included", () => {
    const context = new FakeContext();
    ask(context, SET, "10.0.0.1", 100);
    const rcheck = "--rcheck --seconds 60 --name L";
    expect(ask(context, rcheck, "10.0.0.1", 160)).toBe(true);
    expect(ask(context, rcheck, "10.0.0.1", 161)).toBe(false);
  });

  it("--rcheck leaves the time alone, --update renews it when it matches", () => {
    const context = new FakeContext();
    ask(context, SET, "10.0.0.1", 0);
    expect(ask(context, "--update --seconds 60 --name L", "10.0.0.1", 50)).toBe(true);
    expect(ask(context, "--rcheck --seconds 60 --name L", "10.0.0.1", 100)).toBe(true);
    expect(ask(context, "--rcheck --seconds 60 --name L", "10.0.0.1", 111)).toBe(false);
    expect(ask(context, "--update --seconds 60 --name L", "10.0.0.1", 120)).toBe(false);
    expect(ask(context, "--rcheck --seconds 60 --name L", "10.0.0.1", 120)).toBe(false);
  });

  it("the ! turns the answer, and a set still sets", () => {
    const context = new FakeContext();
    expect(ask(context, "! --rcheck --name L", "10.0.0.1")).toBe(true);
    expect(ask(context, "! --set --name L", "10.0.0.1")).toBe(false);
    expect(ask(context, "! --rcheck --name L", "10.0.0.1")).toBe(false);
    expect(listed(context)).toEqual(["10.0.0.1"]);
  });

  it("counts how often, within the time", () => {
    const context = new FakeContext();
    const rcheck = "--rcheck --seconds 60 --hitcount 3 --name L";
    for (const second of [0, 30, 50]) {
      expect(ask(context, rcheck, "10.0.0.1", second)).toBe(false);
      ask(context, SET, "10.0.0.1", second);
    }
    expect(ask(context, rcheck, "10.0.0.1", 60)).toBe(true);
    expect(ask(context, rcheck, "10.0.0.1", 61)).toBe(false);
  });

  it("keeps as many times as the highest hit count of the list's rules, rounded up to a power of two", () => {
    const context = new FakeContext();
    const list = internRecentList("SIZED");
    context.recent.declare(list, -1, 0);
    context.recent.declare(list, -1, 33);
    for (let second = 0; second < 40; second++) ask(context, "--set --name SIZED", "10.0.0.1", second);
    expect(ask(context, "--rcheck --hitcount 33 --name SIZED", "10.0.0.1", 40)).toBe(true);
  });

  it("keeps 32 times where no rule counts, the oldest overwritten", () => {
    const context = new FakeContext();
    for (let second = 0; second < 40; second++) ask(context, "--set --name MANY", "10.0.0.1", second);
    expect(ask(context, "--rcheck --hitcount 32 --name MANY", "10.0.0.1", 40)).toBe(true);
    expect(ask(context, "--rcheck --seconds 32 --hitcount 32 --name MANY", "10.0.0.1", 40)).toBe(true);
    expect(ask(context, "--rcheck --seconds 31 --hitcount 32 --name MANY", "10.0.0.1", 40)).toBe(false);
    expect(ask(context, "--rcheck --hitcount 33 --name MANY", "10.0.0.1", 40)).toBe(false);
  });

  it("looks at the address under the mask, of the side asked for", () => {
    const context = new FakeContext();
    ask(context, "--set --name NET --mask 255.255.255.0", "10.0.0.1");
    expect(ask(context, "--rcheck --name NET --mask 255.255.255.0", "10.0.0.77")).toBe(true);
    expect(listed(context, "NET")).toEqual(["10.0.0.0"]);
    ask(context, "--set --name DST --rdest", "10.0.0.1");
    expect(listed(context, "DST")).toEqual(["9.9.9.9"]);
  });

  it("holds addresses of both families in one list, each by itself", () => {
    const context = new FakeContext();
    const six = (text: string) => internIpv6(parseIpv6(text) as Ipv6Words);
    const ask6 = (options: string, src: string) =>
      compiled(`-m recent ${options}`, 6).test(packet({ family: 6, src: six(src) }), context.asContext());
    ask6("--set --name BOTH --mask ffff:ffff::", "fd00:1:2:3::4");
    expect(ask6("--rcheck --name BOTH --mask ffff:ffff::", "fd00:1:9::9")).toBe(true);
    expect(ask6("--rcheck --name BOTH --mask ffff:ffff::", "fd00:2::")).toBe(false);
    // A number that an IPv4 address may be as well.
    const handle = six("fd00:1::");
    expect(ask(context, "--rcheck --name BOTH", formatIp(handle))).toBe(false);
    ask(context, "--set --name BOTH", "10.0.0.1");
    expect(listed(context, "BOTH")).toEqual(["fd00:1::", "10.0.0.1"]);
    expect(ask6("--remove --name BOTH --mask ffff:ffff::", "fd00:1::")).toBe(true);
    expect(listed(context, "BOTH")).toEqual(["10.0.0.1"]);
  });

  it("lets the first rule to name a list decide its mask", () => {
    const context = new FakeContext();
    context.recent.declare(internRecentList("FIRST"), intern(-1 << 16, -1, -1, -1), 0);
    ask(context, "--set --name FIRST --mask 255.255.255.0", "10.1.2.3");
    expect(listed(context, "FIRST")).toEqual(["10.1.0.0"]);
  });

  it("--rttl wants the same TTL, as it was before forwarding", () => {
    const context = new FakeContext();
    ask(context, SET, "10.0.0.1", 0, 60);
    const rcheck = "--rcheck --rttl --name L";
    expect(ask(context, rcheck, "10.0.0.1", 0, 60)).toBe(true);
    expect(ask(context, rcheck, "10.0.0.1", 0, 59)).toBe(false);
    context.outIf = 3;
    expect(ask(context, rcheck, "10.0.0.1", 0, 59)).toBe(true);
  });

  it("holds 100 addresses: a new one puts out the one longest unseen", () => {
    const context = new FakeContext();
    for (let i = 0; i < 100; i++) ask(context, SET, `10.0.0.${i}`, i);
    ask(context, SET, "10.0.0.0", 100);
    ask(context, SET, "10.0.1.0", 101);
    expect(listed(context)).toHaveLength(100);
    expect(listed(context)).not.toContain("10.0.0.1");
    expect(listed(context).slice(-2)).toEqual(["10.0.0.0", "10.0.1.0"]);
  });

  it("--reap puts out the one longest unseen if it is too old, one at each asking", () => {
    const context = new FakeContext();
    const rcheck = "--rcheck --seconds 60 --reap --name L";
    ask(context, SET, "10.0.0.1", 0);
    ask(context, SET, "10.0.0.2", 10);
    ask(context, SET, "10.0.0.3", 100);
    expect(ask(context, rcheck, "10.0.0.9", 100)).toBe(false);
    expect(listed(context)).toHaveLength(3);
    expect(ask(context, rcheck, "10.0.0.3", 100)).toBe(true);
    expect(listed(context)).toEqual(["10.0.0.2", "10.0.0.3"]);
    expect(ask(context, rcheck, "10.0.0.2", 100)).toBe(false);
    expect(listed(context)).toEqual(["10.0.0.3"]);
  });

  it("--update --reap does not put out what it renews", () => {
    const context = new FakeContext();
    ask(context, SET, "10.0.0.1", 0);
    expect(ask(context, "! --update --seconds 60 --reap --name L", "10.0.0.1", 100)).toBe(true);
    expect(ask(context, "--rcheck --seconds 60 --name L", "10.0.0.1", 100)).toBe(true);
  });

  it("a rollback takes everything back, a commit keeps it", () => {
    const context = new FakeContext();
    ask(context, SET, "10.0.0.1", 0);
    const outer = context.journal.mark();
    for (let i = 2; i < 120; i++) ask(context, SET, `10.0.0.${i}`, i);
    ask(context, "--remove --name L", "10.0.0.119", 120);
    ask(context, "--set --name FRESH", "10.0.0.1", 120);
    context.journal.rollback(outer);
    expect(listed(context)).toEqual(["10.0.0.1"]);
    expect([...context.recent.dump().keys()]).toEqual(["L"]);
    const again = context.journal.mark();
    ask(context, "--set --name FRESH", "10.0.0.1", 121);
    context.journal.commit(again);
    expect(listed(context, "FRESH")).toEqual(["10.0.0.1"]);
    expect(ask(context, "--rcheck --seconds 60 --name L", "10.0.0.1", 61)).toBe(false);
  });

  it("reuses the room of what was put out", () => {
    const context = new FakeContext();
    for (let i = 0; i < 1000; i++) {
      ask(context, SET, `10.0.${i >> 8}.${i & 255}`, i);
      if (i % 3 === 0) ask(context, "--remove --name L", `10.0.${i >> 8}.${i & 255}`, i);
    }
    expect(listed(context)).toHaveLength(99);
  });

  it("has no lists at first", () => {
    expect(new RecentLists(new Journal()).dump().size).toBe(0);
  });
});
