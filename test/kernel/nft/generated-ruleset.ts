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

const SOURCES = ["10.77.0.1", "10.77.0.9", "10.77.1.4", "10.77.1.5", "10.99.3.3", "192.0.2.7"];
const DESTINATIONS = ["10.77.0.2", "10.77.0.3", "10.50.0.1", "10.50.1.1"];
const PORTS = [22, 53, 80, 443, 8080, 31000];

export function generatePacket(random: Random): SentPacket {
  return {
    proto: random.of(["tcp", "udp", "icmp"] as const),
    src: random.of(SOURCES),
    dst: random.of(DESTINATIONS),
    sport: random.of([1000, 2000, 40000, 40001]),
    dport: random.of(PORTS),
    ttl: random.of([1, 5, 64, 200]),
    tos: random.of([0, 0x20, 0x28, 0xb8, 3]),
    flags: random.of([2, 18, 16, 4, 1, 24, 0]),
    icmpType: random.of([0, 8, 8, 3, 13]),
    payload: random.of([0, 8, 100, 700]),
  };
}

/** A table with rules in chains at PREROUTING before and behind connection tracking; nothing gets past it. */
export function generateTable(random: Random): string {
  const family = random.of(["ip", "inet"]);
  const chains = ["c1", "c2", "c3", "c4"];
  const lines = [`table ${family} t {`];
  const put = (text: string): number => lines.push(`\t${text}`);
  put(`set a1 {\n\t\ttype ipv4_addr\n\t\telements = { ${random.some(SOURCES, 3).join(", ")} }\n\t}\n`);
  put(
    `set a2 {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { ${random.some(["10.77.0.0/24", "10.77.1.0-10.77.1.4", "192.0.2.0/25", "10.99.3.3"], 2).join(", ")} }\n\t}\n`,
  );
  put(
    `set a3 {\n\t\ttype ipv4_addr . inet_proto . inet_service\n\t\telements = { ${random
      .some(DESTINATIONS, 3)
      .map((address) => `${address} . ${random.of(["tcp", "udp"])} . ${random.of(PORTS)}`)
      .join(", ")} }\n\t}\n`,
  );
  put(
    `set a4 {\n\t\ttype ipv4_addr . inet_service\n\t\tflags interval\n\t\telements = { 10.77.0.0/23 . 1-${random.of([60, 100, 500])}, 10.50.0.1 . ${random.of(PORTS)}, 10.50.0.0/16 . 9000-65000 }\n\t}\n`,
  );
  // Swept once an hour: the test does not depend on when the kernel does it.
  put(
    "set d1 {\n\t\ttype ipv4_addr\n\t\tsize 3\n\t\tflags dynamic,timeout\n\t\ttimeout 1h\n\t\tgc-interval 1h\n\t}\n",
  );
  put(
    "set d2 {\n\t\ttype ipv4_addr . inet_service\n\t\tsize 64\n\t\tflags dynamic,timeout\n\t\ttimeout 1h\n\t}\n",
  );
  put(`map m1 {\n\t\ttype inet_service : mark\n\t\telements = { 22 : 1, 53 : 2, 80 : 3, 443 : 0x44 }\n\t}\n`);
  put(
    `map v1 {\n\t\ttype inet_proto . inet_service : verdict\n\t\telements = { tcp . ${random.of(PORTS)} : jump c3, udp . ${random.of(PORTS)} : goto c4, tcp . 1 : drop }\n\t}\n`,
  );
  for (const [i, chain] of chains.entries()) {
    // Chains go to later ones only: a circle would not be loaded.
    const later = chains.slice(i + 1).filter((name) => name !== "c3" && name !== "c4");
    const targets = i >= 2 ? [] : [...later, "c3", "c4"];
    put(`chain ${chain} {\n${rules(random, targets, 3 + random.below(4), i < 2)}\t}\n`);
  }
  for (const [i, priority] of [-310, -150, -150, 10].entries()) {
    const tracked = priority > -200;
    const body = rules(random, chains, 5 + random.below(6), true, tracked, priority < -200);
    put(
      `chain base${i} {\n\t\ttype filter hook prerouting priority ${priority}; policy ${random.of(["accept", "accept", "drop"])};\n${body}\t}\n`,
    );
  }
  put("chain last {\n\t\ttype filter hook prerouting priority 400; policy drop;\n\t\tcounter\n\t}");
  lines.push("}");
  return `${lines.join("\n")}\n`;
}

function rules(
  random: Random,
  targets: readonly string[],
  count: number,
  maps: boolean,
  tracked = false,
  early = false,
): string {
  let text = "";
  const add = (rule: string): void => {
    if (!contradicts(rule)) text += `\t\t${rule}\n`;
  };
  for (let i = 0; i < count; i++) {
    const matches = Array.from({ length: random.below(3) }, () => match(random, tracked));
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
    add([...matches, "counter", ...action(random, targets, early)].join(" "));
  }
  return text;
}

/** nft refuses a rule that asks two transport protocols, in whatever words. */
function contradicts(rule: string): boolean {
  const asked = ["tcp", "udp", "icmp"].filter((name) => new RegExp(`\\b${name} [a-z]`).test(rule));
  const named = /\b(l4proto|protocol|th|@th)\b/.test(rule);
  // Two comparisons of one field are listed as one, and not always as the same one (nft 1.0.6).
  const fields = [...rule.matchAll(/\b(ip|tcp|udp|icmp|meta|ct|fib) ([a-z]+)/g)].map(([field]) => field);
  const repeated = new Set(fields).size < fields.length;
  return asked.length > 1 || (asked.length === 1 && named) || repeated;
}

function match(random: Random, tracked: boolean): string {
  const not = random.next() < 0.3 ? "!= " : "";
  const choices: (() => string)[] = [
    () => `ip saddr ${not}${random.of(SOURCES)}`,
    () => `ip daddr ${not}${random.of(DESTINATIONS)}`,
    () =>
      `ip saddr ${not}${random.of(["10.77.0.0/24", "10.77.0.0/16", "10.77.1.4/31", "10.77.0.1-10.77.1.4"])}`,
    () => `ip saddr & 255.0.255.255 == ${random.of(["10.0.0.1", "10.0.1.4"])}`,
    () => `ip saddr ${not}@a1`,
    () => `ip saddr ${not}@a2`,
    () => `ip daddr . meta l4proto . th dport ${not}@a3`,
    () => `ip daddr . tcp dport ${not}@a4`,
    () => `ip saddr ${not}@d1`,
    () => `ip saddr . udp dport ${not}@d2`,
    () => `ip saddr . ip daddr ${not}{ 10.77.0.1 . 10.77.0.2, 10.77.1.0/24 . 10.50.0.0/15 }`,
    () => `tcp dport ${not}${random.of(PORTS)}`,
    () => `udp dport ${not}${random.of(PORTS)}`,
    () => `th dport ${not}{ 22, 80-500 }`,
    () => `tcp sport ${random.of(["< 2000", ">= 40000", "1000-40000", "!= 1000-2000"])}`,
    () =>
      `tcp flags ${random.of(["syn", "syn,ack", "== syn", "!= syn", "& (syn|ack) == syn", "& (fin|rst) != 0"])}`,
    () => `ip ttl ${random.of(["5", "< 64", "> 5", "!= 64", "1-5"])}`,
    () => `ip dscp ${not}${random.of(["cs1", "ef", "af11", "0x0a"])}`,
    () => `ip ecn ${not}${random.of(["not-ect", "ce"])}`,
    () => `ip length ${random.of(["< 100", "> 600", "20-140"])}`,
    () => `ip protocol ${not}${random.of(["tcp", "udp", "icmp"])}`,
    () =>
      `icmp type ${not}${random.of(["echo-request", "echo-reply", "{ destination-unreachable, timestamp-request }"])}`,
    () => `meta l4proto ${not}${random.of(["tcp", "{ udp, icmp }"])}`,
    () => `meta length ${random.of(["< 100", "> 600", "28-128"])}`,
    () => `meta mark ${not}${random.of(["0x1", "0x0", "0x44", "0x10-0x80"])}`,
    () => `meta mark & ${random.of(["0x1 == 0x1", "0xf0 != 0x0"])}`,
    () => `iifname ${not}${random.of(['"nlive1"', '"nliv*"', '"eth0"', '{ "lo", "nlive1" }'])}`,
    () => `meta iiftype ether`,
    () => `meta pkttype ${not}host`,
    () => `fib daddr type ${not}${random.of(["local", "unicast"])}`,
    () => `fib saddr . iif oif ${random.of(["missing", "exists"])}`,
    () => `jhash ip saddr mod 4 seed 0x${random.below(1000).toString(16)} ${random.of(["0", "< 2", "3"])}`,
    () => `jhash ip saddr . tcp sport mod 5 seed 0x2a offset 10 ${random.of(["10", "> 12"])}`,
    () => `numgen inc mod ${random.of([2, 3])} ${random.of(["0", "1"])}`,
    () => `@th,16,16 ${random.of(PORTS)}`,
    () => `@nh,64,8 64`,
  ];
  if (tracked) {
    choices.push(
      () =>
        `ct state ${random.of(["new", "invalid", "established,related", "!= new", "{ new, untracked }", "untracked"])}`,
      () => `ct mark ${random.of(["0x5", "0x0"])}`,
      () => "ct direction original",
      () => `ct original ip saddr ${not}10.77.0.0/24`,
      () => `ct protocol ${random.of(["tcp", "udp"])}`,
    );
  }
  return random.of(choices)();
}

function action(random: Random, targets: readonly string[], early: boolean): string[] {
  const choices: (() => string)[] = [
    () => "",
    () => "",
    () =>
      `meta mark set ${random.of(["0x1", "0x44", "meta mark | 0x10", "meta mark & 0xf", "meta mark ^ 0x5", "tcp dport map @m1"])}`,
    () => "meta mark set ip saddr map { 10.77.0.1 : 0x7, 10.99.3.3 : 0x21 }",
    () => `ip ttl set ${random.of([5, 64])}`,
    () => "ip dscp set ef",
    () => "add @d1 { ip saddr }",
    () => "update @d2 { ip saddr . udp dport }",
    () => "delete @d1 { ip saddr }",
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
