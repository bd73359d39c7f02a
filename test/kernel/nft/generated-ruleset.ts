import type { Family } from "../../../src/address/ip.ts";

/** Random rule sets and packets for a host's PREROUTING, in nft's words. All that is drawn comes from one seed. */

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** mulberry32: 0 … 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  some<T>(list: readonly T[], count: number): T[] {
    const left = [...list];
    return Array.from(
      { length: Math.min(count, left.length) },
      () => left.splice(this.below(left.length), 1)[0] as T,
    );
  }
}

export interface SentPacket {
  readonly family: Family;
  /** `icmp` is that of the family. */
  readonly proto: "tcp" | "udp" | "icmp";
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  readonly ttl: number;
  readonly tos: number;
  readonly flags: number;
  readonly icmpType: number;
  readonly payload: number;
}

/** What the families call things, and addresses in each that mean the same. */
interface Words {
  readonly ip: "ip" | "ip6";
  readonly type: string;
  readonly ttl: string;
  readonly protocol: string;
  readonly icmp: string;
  readonly icmpTypes: readonly number[];
  readonly icmpNames: readonly string[];
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly intervals: readonly string[];
  readonly networks: readonly string[];
  readonly masked: readonly string[];
  readonly wide: string;
  readonly wider: string;
  readonly pairs: string;
  readonly fewMark: string;
  readonly raw: readonly string[];
  readonly own: readonly string[];
}

const WORDS: Readonly<Record<Family, Words>> = {
  4: {
    ...{ ip: "ip", type: "ipv4_addr", ttl: "ttl", protocol: "protocol", icmp: "icmp" },
    icmpTypes: [0, 8, 8, 3, 13],
    icmpNames: ["echo-request", "echo-reply", "{ destination-unreachable, timestamp-request }"],
    sources: ["10.77.0.1", "10.77.0.9", "10.77.1.4", "10.77.1.5", "10.99.3.3", "192.0.2.7"],
    destinations: ["10.77.0.2", "10.77.0.3", "10.50.0.1", "10.50.1.1"],
    intervals: ["10.77.0.0/24", "10.77.1.0-10.77.1.4", "192.0.2.0/25", "10.99.3.3"],
    networks: ["10.77.0.0/24", "10.77.0.0/16", "10.77.1.4/31", "10.77.0.1-10.77.1.4"],
    masked: ["& 255.0.255.255 == 10.0.0.1", "& 255.0.255.255 == 10.0.1.4"],
    wide: "10.77.0.0/23",
    wider: "10.50.0.0/16",
    pairs: "{ 10.77.0.1 . 10.77.0.2, 10.77.1.0/24 . 10.50.0.0/15 }",
    fewMark: "{ 10.77.0.1 : 0x7, 10.99.3.3 : 0x21 }",
    raw: ["@nh,64,8 64", "@nh,96,32 0x0a4d0001", "@nh,72,8 17"],
    own: ["ip ttl set 5", "ip ttl set 64", "ip dscp set ef"],
  },
  6: {
    ...{ ip: "ip6", type: "ipv6_addr", ttl: "hoplimit", protocol: "nexthdr", icmp: "icmpv6" },
    icmpTypes: [129, 128, 128, 1, 130],
    icmpNames: ["echo-request", "echo-reply", "{ destination-unreachable, mld-listener-query }"],
    sources: [
      "fd77::1",
      "fd77::9",
      "fe80::7",
      "fd77::",
      "fd77::1:4",
      "fd77::1:5",
      "fd99:3::3",
      "2001:db8::7",
    ],
    destinations: ["fd77::2", "fd77::3", "fd50::1", "fd50::1:1", "ff02::1"],
    intervals: ["fd77::/112", "fd77::1:0-fd77::1:4", "2001:db8::/64", "fd99:3::3"],
    networks: ["fd77::/112", "fd77::/64", "fd77::1:4/127", "fd77::1-fd77::1:4", "fd00::/8"],
    masked: ["& ffff::ffff == fd77::4", "& ffff::ffff == fd77::1", "& ::ffff:ffff == ::1:4"],
    wide: "fd77::/111",
    wider: "fd50::/64",
    pairs: "{ fd77::1 . fd77::2, fd77::1:0-fd77::1:4 . fd50::/16 }",
    fewMark: "{ fd77::1 : 0x7, fd99:3::3 : 0x21 }",
    raw: ["@nh,56,8 64", "@nh,64,32 0xfd770000", "@nh,48,8 17", "@nh,160,32 0x00010004"],
    own: ["ip6 hoplimit set 5", "ip6 hoplimit set 64", "ip6 dscp set ef"],
  },
};

const PORTS = [22, 53, 80, 443, 8080, 31000];

export function generatePacket(random: Random, family: Family): SentPacket {
  const { sources, destinations, icmpTypes } = WORDS[family];
  return {
    family,
    proto: random.of(["tcp", "udp", "icmp"] as const),
    src: random.of(sources),
    dst: random.of(destinations),
    sport: random.of([1000, 2000, 40000, 40001]),
    dport: random.of(PORTS),
    ttl: random.of([1, 5, 64, 200]),
    tos: random.of([0, 0x20, 0x28, 0xb8, 3]),
    flags: random.of([2, 18, 16, 4, 1, 24, 0]),
    icmpType: random.of(icmpTypes),
    payload: random.of([0, 8, 100, 700]),
  };
}

/** A table with rules in chains at PREROUTING before and behind connection tracking; nothing gets past it. */
export function generateTable(random: Random, family: Family): string {
  return new TableGenerator(random, WORDS[family]).table();
}

class TableGenerator {
  private readonly random: Random;
  private readonly words: Words;

  constructor(random: Random, words: Words) {
    this.random = random;
    this.words = words;
  }

  table(): string {
    const { random } = this;
    const { ip, type, sources, destinations, intervals, wide, wider } = this.words;
    const family = random.of([ip, "inet"]);
    const chains = ["c1", "c2", "c3", "c4"];
    const lines = [`table ${family} t {`];
    const put = (text: string): number => lines.push(`\t${text}`);
    put(`set a1 {\n\t\ttype ${type}\n\t\telements = { ${random.some(sources, 3).join(", ")} }\n\t}\n`);
    put(
      `set a2 {\n\t\ttype ${type}\n\t\tflags interval\n\t\telements = { ${random.some(intervals, 2).join(", ")} }\n\t}\n`,
    );
    put(
      `set a3 {\n\t\ttype ${type} . inet_proto . inet_service\n\t\telements = { ${random
        .some(destinations, 3)
        .map((address) => `${address} . ${random.of(["tcp", "udp"])} . ${random.of(PORTS)}`)
        .join(", ")} }\n\t}\n`,
    );
    put(
      `set a4 {\n\t\ttype ${type} . inet_service\n\t\tflags interval\n\t\telements = { ${wide} . 1-${random.of([60, 100, 500])}, ${destinations[2]} . ${random.of(PORTS)}, ${wider} . 9000-65000 }\n\t}\n`,
    );
    // Swept once an hour: the test does not depend on when the kernel does it.
    put(
      `set d1 {\n\t\ttype ${type}\n\t\tsize 3\n\t\tflags dynamic,timeout\n\t\ttimeout 1h\n\t\tgc-interval 1h\n\t}\n`,
    );
    put(
      `set d2 {\n\t\ttype ${type} . inet_service\n\t\tsize 64\n\t\tflags dynamic,timeout\n\t\ttimeout 1h\n\t}\n`,
    );
    put(
      `map m1 {\n\t\ttype inet_service : mark\n\t\telements = { 22 : 1, 53 : 2, 80 : 3, 443 : 0x44 }\n\t}\n`,
    );
    put(
      `map v1 {\n\t\ttype inet_proto . inet_service : verdict\n\t\telements = { tcp . ${random.of(PORTS)} : jump c3, udp . ${random.of(PORTS)} : goto c4, tcp . 1 : drop }\n\t}\n`,
    );
    for (const [i, chain] of chains.entries()) {
      // Chains go to later ones only: a circle would not be loaded.
      const later = chains.slice(i + 1).filter((name) => name !== "c3" && name !== "c4");
      const targets = i >= 2 ? [] : [...later, "c3", "c4"];
      put(`chain ${chain} {\n${this.rules(targets, 3 + random.below(4), i < 2)}\t}\n`);
    }
    for (const [i, priority] of [-310, -150, -150, 10].entries()) {
      const tracked = priority > -200;
      const body = this.rules(chains, 5 + random.below(6), true, tracked, priority < -200);
      put(
        `chain base${i} {\n\t\ttype filter hook prerouting priority ${priority}; policy ${random.of(["accept", "accept", "drop"])};\n${body}\t}\n`,
      );
    }
    put("chain last {\n\t\ttype filter hook prerouting priority 400; policy drop;\n\t\tcounter\n\t}");
    lines.push("}");
    return `${lines.join("\n")}\n`;
  }

  private rules(
    targets: readonly string[],
    count: number,
    maps: boolean,
    tracked = false,
    early = false,
  ): string {
    const { random } = this;
    let text = "";
    const add = (rule: string): void => {
      if (!contradicts(rule)) text += `\t\t${rule}\n`;
    };
    for (let i = 0; i < count; i++) {
      const matches = Array.from({ length: random.below(3) }, () => this.match(tracked));
      const kind = random.below(12);
      if (kind === 0 && maps && targets.includes("c4")) {
        add([...matches, "meta l4proto . th dport vmap @v1"].join(" "));
        continue;
      }
      if (kind === 1 && maps && targets.length > 0) {
        const at = `numgen inc mod 3 vmap { 0 : jump ${random.of(targets)}, 1 : continue, 2 : ${random.of(["accept", "return"])} }`;
        add([...matches, at].join(" "));
        continue;
      }
      add([...matches, "counter", ...this.action(targets, early)].join(" "));
    }
    return text;
  }

  private match(tracked: boolean): string {
    const { random } = this;
    const { ip, ttl, protocol, icmp, icmpNames, sources, destinations, networks, masked, pairs, raw } =
      this.words;
    const not = random.next() < 0.3 ? "!= " : "";
    const choices: (() => string)[] = [
      () => `${ip} saddr ${not}${random.of(sources)}`,
      () => `${ip} daddr ${not}${random.of(destinations)}`,
      () => `${ip} saddr ${not}${random.of(networks)}`,
      () => `${ip} saddr ${random.of(masked)}`,
      () => `${ip} saddr ${not}@a1`,
      () => `${ip} saddr ${not}@a2`,
      () => `${ip} daddr . meta l4proto . th dport ${not}@a3`,
      () => `${ip} daddr . tcp dport ${not}@a4`,
      () => `${ip} saddr ${not}@d1`,
      () => `${ip} saddr . udp dport ${not}@d2`,
      () => `${ip} saddr . ${ip} daddr ${not}${pairs}`,
      () => `tcp dport ${not}${random.of(PORTS)}`,
      () => `udp dport ${not}${random.of(PORTS)}`,
      () => `th dport ${not}{ 22, 80-500 }`,
      () => `tcp sport ${random.of(["< 2000", ">= 40000", "1000-40000", "!= 1000-2000"])}`,
      () =>
        `tcp flags ${random.of(["syn", "syn,ack", "== syn", "!= syn", "& (syn|ack) == syn", "& (fin|rst) != 0"])}`,
      () => `${ip} ${ttl} ${random.of(["5", "< 64", "> 5", "!= 64", "1-5"])}`,
      () => `${ip} dscp ${not}${random.of(["cs1", "ef", "af11", "0x0a"])}`,
      () => `${ip} ecn ${not}${random.of(["not-ect", "ce"])}`,
      () => `${ip} length ${random.of(["< 100", "> 600", "20-140"])}`,
      () => `${ip} ${protocol} ${not}${random.of(["tcp", "udp", icmp === "icmp" ? "icmp" : "ipv6-icmp"])}`,
      () => `${icmp} type ${not}${random.of(icmpNames)}`,
      () => `meta l4proto ${not}${random.of(["tcp", `{ udp, ${icmp === "icmp" ? "icmp" : "ipv6-icmp"} }`])}`,
      () => `meta length ${random.of(["< 100", "> 600", "28-128"])}`,
      () => `meta mark ${not}${random.of(["0x1", "0x0", "0x44", "0x10-0x80"])}`,
      () => `meta mark & ${random.of(["0x1 == 0x1", "0xf0 != 0x0"])}`,
      () => `meta protocol ${not}${random.of(["ip", "ip6"])}`,
      () => `iifname ${not}${random.of(['"nlive1"', '"nliv*"', '"eth0"', '{ "lo", "nlive1" }'])}`,
      () => `meta iiftype ether`,
      () => `meta pkttype ${not}host`,
      () =>
        `jhash ${ip} saddr mod 4 seed 0x${random.below(1000).toString(16)} ${random.of(["0", "< 2", "3"])}`,
      () => `jhash ${ip} saddr . tcp sport mod 5 seed 0x2a offset 10 ${random.of(["10", "> 12"])}`,
      () => `numgen inc mod ${random.of([2, 3])} ${random.of(["0", "1"])}`,
      () => `@th,16,16 ${random.of(PORTS)}`,
      () => random.of(raw),
    ];
    if (tracked) {
      choices.push(
        () =>
          `ct state ${random.of(["new", "invalid", "established,related", "!= new", "{ new, untracked }", "untracked"])}`,
        () => `ct mark ${random.of(["0x5", "0x0"])}`,
        () => "ct direction original",
        () => `ct original ${ip} saddr ${not}${networks[0]}`,
        () => `ct protocol ${random.of(["tcp", "udp"])}`,
      );
    }
    return random.of(choices)();
  }

  private action(targets: readonly string[], early: boolean): string[] {
    const { random } = this;
    const { ip, fewMark, own } = this.words;
    const choices: (() => string)[] = [
      () => "",
      () => "",
      () =>
        `meta mark set ${random.of(["0x1", "0x44", "meta mark | 0x10", "meta mark & 0xf", "meta mark ^ 0x5", "tcp dport map @m1"])}`,
      () => `meta mark set ${ip} saddr map ${fewMark}`,
      () => random.of(own),
      () => `add @d1 { ${ip} saddr }`,
      () => `update @d2 { ${ip} saddr . udp dport }`,
      () => `delete @d1 { ${ip} saddr }`,
      () => `quota ${random.of(["over ", "until "])}${random.of([400, 2000])} bytes counter`,
      () => "limit rate 3/day burst 4 packets counter",
      () => random.of(["accept", "return", "drop"]),
      () => random.of(["accept", "return"]),
    ];
    if (early) choices.push(() => "notrack");
    else choices.push(() => `ct mark set ${random.of(["0x5", "meta mark"])}`);
    for (const target of targets) choices.push(() => `${random.of(["jump", "goto"])} ${target}`);
    const chosen = random.of(choices)();
    return chosen === "" ? [] : [chosen];
  }
}

/** nft refuses a rule that asks two transport protocols, in whatever words. */
function contradicts(rule: string): boolean {
  const asked = ["tcp", "udp", "icmp", "icmpv6"].filter((name) => new RegExp(`\\b${name} [a-z]`).test(rule));
  const named = /\b(l4proto|protocol|nexthdr|th|@th|@nh)\b/.test(rule);
  // Two comparisons of one field are listed as one, and not always as the same one (nft 1.0.6).
  const fields = [...rule.matchAll(/\b(ip|ip6|tcp|udp|icmp|icmpv6|meta|ct|fib) ([a-z]+)/g)].map(
    ([field]) => field,
  );
  const repeated = new Set(fields).size < fields.length;
  return asked.length > 1 || (asked.length === 1 && named) || repeated;
}
