import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type Family, parseIp } from "../../../src/address/ip.ts";
import { addressOnPath } from "../../../src/address/ip6-handle.ts";
import { internMac } from "../../../src/address/mac.ts";
import type { Packet } from "../../../src/packet/packet.ts";
import { ip, packet } from "../netfilter/match/rule-context.ts";
import { parsed } from "../netfilter/parsed.ts";
import { SetHost } from "./sets.ts";

const HEAD = "family inet hashsize 64 maxelem 64";
const tcp = (src: string, dst: string, dport = 80): Packet =>
  packet({ src: ip(src), dst: ip(dst), protocol: 6, sport: 1000, dport, length: 60 });

function onPath(text: string): number {
  const address = parseIp(text);
  if (address === undefined) throw new Error(text);
  return addressOnPath(address);
}

interface Scene {
  /** Absent: IPv4. */
  readonly family?: Family;
  readonly seed: number;
  readonly sets: string;
  readonly rules: string;
  readonly packets: readonly {
    readonly src: string;
    readonly dst: string;
    readonly proto: number;
    readonly sport: number;
    readonly dport: number;
    readonly icmp: readonly [number, number];
    readonly offset: number;
    readonly length: number;
    readonly mark?: number;
    readonly out: string;
    /** A digit a rule: did its counter rise? */
    readonly hit: string;
  }[];
}

function scenesOf(family: Family, file: string): Scene[] {
  const recorded = new URL(`../../../fixtures/ipset/${file}`, import.meta.url);
  const scenes = JSON.parse(gunzipSync(readFileSync(recorded)).toString("utf8")) as readonly Scene[];
  return scenes.map((scene) => ({ ...scene, family }));
}

const scenes = [...scenesOf(4, "random-rules.json.gz"), ...scenesOf(6, "random-rules6.json.gz")];

describe("random sets, rules that ask and change them, and random packets, as Linux 6.18 did", () => {
  it.each(scenes)("IPv$family, seed $seed", ({ family = 4, sets, rules, packets }) => {
    const host = new SetHost(sets);
    const chain = parsed(rules).tables.get("raw")?.chains.get("OUTPUT")?.rules ?? [];
    const run = (sent: Packet) => chain.map((rule) => (host.send(rule, sent) ? 1 : 0)).join("");
    for (const [i, { src, dst, proto, icmp, offset, out, hit, ...rest }] of packets.entries()) {
      const hasPorts = proto !== 1 && proto !== 58 && proto !== 47;
      const sent = packet({
        family,
        src: onPath(src),
        dst: onPath(dst),
        mark: rest.mark ?? 0,
        protocol: proto,
        fragOffset: offset,
        length: rest.length,
        sport: hasPorts ? rest.sport : 0,
        dport: hasPorts ? rest.dport : 0,
        icmpType: icmp[0],
        icmpCode: icmp[1],
      });
      host.out = out;
      // What is rolled back leaves no trace.
      const mark = host.journal.mark();
      run(sent);
      run(sent);
      host.journal.rollback(mark);
      expect(`${i}: ${run(sent)}`).toBe(`${i}: ${hit}`);
    }
  });
});

describe("a set of two prefixes", () => {
  const host = new SetHost(`create a hash:net,net ${HEAD}
add a 10.0.0.0/8,20.0.0.0/8
add a 10.1.0.0/16,20.0.0.0/8 nomatch
add a 10.1.0.0/16,20.1.0.0/16
add a 0.0.0.0/0,30.0.0.1
`);
  it.each([
    ["10.2.0.1", "20.1.0.1", true],
    ["10.1.0.1", "20.2.0.1", false],
    ["10.1.0.1", "20.1.0.1", true],
    ["11.0.0.1", "20.1.0.1", false],
    ["11.0.0.1", "30.0.0.1", true],
    ["11.0.0.1", "30.0.0.2", false],
  ])("%s → %s: %s", (src, dst, hit) => {
    expect(host.send("-m set --match-set a src,dst", tcp(src, dst))).toBe(hit);
  });
});

describe("marks and MACs", () => {
  const mac = (text: string) => ({
    framed: true,
    ethSrc: internMac(text),
    ethDst: internMac("02:00:00:00:00:02"),
  });

  it("hash:ip,mark looks at the bits of the set's markmask", () => {
    const host = new SetHost(`create a hash:ip,mark family inet markmask 0xff00 hashsize 64 maxelem 64
add a 10.0.0.1,0x1200
`);
    const rule = "-m set --match-set a src,src";
    expect(host.send(rule, Object.assign(tcp("10.0.0.1", "1.1.1.1"), { mark: 0x1234 }))).toBe(true);
    expect(host.send(rule, Object.assign(tcp("10.0.0.1", "1.1.1.1"), { mark: 0x1334 }))).toBe(false);
  });

  it("hash:mac matches no packet without an Ethernet header", () => {
    const host = new SetHost("create a hash:mac hashsize 64 maxelem 64\nadd a 02:00:00:00:00:01\n");
    const rule = "-m set --match-set a src";
    expect(host.send(rule, Object.assign(tcp("10.0.0.1", "1.1.1.1"), mac("02:00:00:00:00:01")))).toBe(true);
    expect(host.send(rule, Object.assign(tcp("10.0.0.1", "1.1.1.1"), mac("02:00:00:00:00:03")))).toBe(false);
    expect(host.send(rule, tcp("10.0.0.1", "1.1.1.1"))).toBe(false);
  });

  it("bitmap:ip,mac: an address without a MAC takes that of the first packet", () => {
    const host = new SetHost("create a bitmap:ip,mac range 10.0.0.0-10.0.0.255\nadd a 10.0.0.1\n");
    const rule = "-m set --match-set a src,src";
    const from = (text: string) => Object.assign(tcp("10.0.0.1", "1.1.1.1"), mac(text));
    expect(host.send(rule, from("02:00:00:00:00:01"))).toBe(true);
    expect(host.send(rule, from("02:00:00:00:00:03"))).toBe(false);
    expect(host.send(rule, from("02:00:00:00:00:01"))).toBe(true);
  });
});

describe("sets and packets of another family", () => {
  const six = (more: Partial<Packet> = {}): Packet =>
    packet({ family: 6, src: onPath("fd00::1"), dst: onPath("fd00::2"), protocol: 6, dport: 80, ...more });

  it.each([
    ["create a hash:ip family inet\nadd a 10.0.0.1", tcp("10.0.0.1", "1.1.1.1"), six(), true, false],
    ["create a hash:ip family inet6\nadd a fd00::1", six(), tcp("10.0.0.1", "1.1.1.1"), true, false],
    ["create a bitmap:ip range 0.0.0.0-0.0.255.255\nadd a 0.0.0.1", six(), six(), false, false],
  ])("%j: one is in it, the other is not asked for", (text, one, other, ...expected) => {
    const host = new SetHost(`${text}\n`);
    const rule = "-m set --match-set a src";
    expect([host.send(rule, one), host.send(rule, other)]).toEqual(expected);
  });

  it("ports of a bitmap, MACs and lists of sets know no family", () => {
    const mac = internMac("02:00:00:00:00:01");
    const host = new SetHost(
      `create p bitmap:port range 0-100\nadd p 80\ncreate m hash:mac\nadd m 02:00:00:00:00:01\ncreate f hash:ip ${HEAD}\ncreate s hash:ip family inet6\nadd s fd00::1\ncreate l list:set size 8\nadd l f\nadd l s\n`,
    );
    const sent = six({ framed: true, ethSrc: mac });
    const found = ["p dst", "m src", "l src"].map((set) => host.send(`-m set --match-set ${set}`, sent));
    expect(found).toEqual([true, true, true]);
    // A list's member of the packet's family takes it.
    host.send("-j SET --add-set l dst", sent);
    expect(["f dst", "s dst"].map((set) => host.send(`-m set --match-set ${set}`, sent))).toEqual([
      false,
      true,
    ]);
  });
});

describe("timeouts go by the session's clock", () => {
  const ASK = "-m set --match-set a src";
  const ADD = "-j SET --add-set a src";

  it("what was listed runs out so many seconds after the dump", () => {
    const host = new SetHost(
      `create a hash:ip ${HEAD} timeout 9\nadd a 10.0.0.1 timeout 5\nadd a 10.0.0.2 timeout 0\n`,
    );
    for (const [second, one, two] of [
      [5, true, true],
      [5.1, false, true],
      [900, false, true],
    ] as const) {
      host.now = second * 1000;
      expect([
        host.send(ASK, tcp("10.0.0.1", "1.1.1.1")),
        host.send(ASK, tcp("10.0.0.2", "1.1.1.1")),
      ]).toEqual([one, two]);
    }
  });

  it("--exist renews, its absence does not", () => {
    const host = new SetHost(`create a hash:ip ${HEAD} timeout 9\n`);
    const sent = tcp("10.0.0.1", "1.1.1.1");
    host.send(ADD, sent);
    host.now = 5000;
    host.send(ADD, sent);
    host.now = 9100;
    expect(host.send(ASK, sent)).toBe(false);
    host.send(`${ADD} --timeout 20`, sent);
    host.now = 20_000;
    host.send(`${ADD} --exist --timeout 3`, sent);
    host.now = 23_000;
    expect(host.send(ASK, sent)).toBe(true);
    host.now = 23_100;
    expect(host.send(ASK, sent)).toBe(false);
  });

  it("what has run out makes room in a full set", () => {
    const host = new SetHost(
      "create a hash:ip family inet hashsize 64 maxelem 1 timeout 9\nadd a 10.0.0.1\n",
    );
    host.send(ADD, tcp("10.0.0.2", "1.1.1.1"));
    expect(host.send(ASK, tcp("10.0.0.2", "1.1.1.1"))).toBe(false);
    host.now = 10_000;
    host.send(ADD, tcp("10.0.0.2", "1.1.1.1"));
    expect(host.send(ASK, tcp("10.0.0.2", "1.1.1.1"))).toBe(true);
  });
});

describe("when the owner of a set changes it", () => {
  const ASK = "-m set --match-set a src";
  const one = tcp("10.0.0.1", "1.1.1.1");
  const two = tcp("10.0.0.2", "1.1.1.1");
  const CREATE = `create a hash:ip ${HEAD}`;

  it("what packets put in and took out stays", () => {
    const host = new SetHost(`${CREATE}\nadd a 10.0.0.1\n`);
    host.send("-j SET --add-set a src", two);
    host.send("-j SET --del-set a src", one);
    host.replace(`${CREATE}\nadd a 10.0.0.1\nadd a 10.0.0.3\n`);
    expect([host.send(ASK, one), host.send(ASK, two)]).toEqual([false, true]);
  });

  it("but what the owner put in or took out since is as the owner says", () => {
    const host = new SetHost(`${CREATE}\nadd a 10.0.0.1\n`);
    host.send("-j SET --del-set a src", one);
    host.replace(`${CREATE}\n`);
    host.replace(`${CREATE}\nadd a 10.0.0.1\n`);
    expect(host.send(ASK, one)).toBe(true);
  });

  it("a new entry's time begins with the change", () => {
    const host = new SetHost(`${CREATE} timeout 5\n`);
    host.now = 100_000;
    host.replace(`${CREATE} timeout 5\nadd a 10.0.0.1 timeout 5\n`);
    host.now = 105_000;
    expect(host.send(ASK, one)).toBe(true);
    host.now = 105_100;
    expect(host.send(ASK, one)).toBe(false);
  });
});

it("--map-set takes the mark of the entry", () => {
  const host = new SetHost(`create a hash:net ${HEAD} skbinfo\nadd a 10.0.0.0/8 skbmark 0x12/0xff\n`);
  const sent = Object.assign(tcp("10.0.0.1", "1.1.1.1"), { mark: 0x3344 });
  host.send("-j SET --map-set a src --map-mark", sent);
  expect(sent.mark).toBe(0x3312);
});

it("a set that the dump does not hold is asked of the chooser", () => {
  const host = new SetHost("");
  expect(() => host.send("-m set --match-set a src", tcp("10.0.0.1", "1.1.1.1"))).toThrow("not there");
});
