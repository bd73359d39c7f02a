import { readFileSync } from "node:fs";
import type { Family } from "../../src/address/ip.ts";
import type { DeviceDetail } from "../../src/kernel/device/device.ts";
import { MATCHES } from "../../src/kernel/netfilter/match/registry.ts";
import type { Rule } from "../../src/kernel/netfilter/rule.ts";
import { TARGETS } from "../../src/kernel/netfilter/target/registry.ts";
import { REASONS } from "../../src/kernel/reason.ts";
import type { World } from "../../src/world/world.ts";
import { COUNTED_ALONE, ELSEWHERE, LACKED, OF_FAULTS } from "./coverage-elsewhere.ts";
import { packetsDecided, type RuleName } from "./decided.ts";
import { NFT_KEYS, nftKeysOf, whyNoNft } from "./nft-coverage.ts";
import type { Probed } from "./probing.ts";
import type { WorldKind } from "./random-world.ts";

const DISPOSITIONS = [...new Set(REASONS.map(({ disposition }) => disposition))];
const FAMILIES: readonly Family[] = [4, 6];

/** What only packets of one family end by. */
const ONLY_OF: ReadonlyMap<string, Family> = new Map([
  ["reason rp-filter", 4],
  ["reason broadcast-refused", 4],
  ["reason ipv6-disabled", 6],
  ["reason beyond-scope", 6],
]);
const HOOKS = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
const DEVICES: readonly DeviceDetail["kind"][] = [
  ...(["loopback", "veth", "ether", "bridge", "vxlan", "macvlan", "tun", "ifb"] as const),
  ...(["dummy", "ipip", "ipvlan", "vlan", "geneve", "bond", "vrf", "unmodelled"] as const),
];
/** What traffic control's words are read as: queues, filters, and what a filter did. */
const TC = ["tbf", "u32", "matchall", "flower", "mirred redirect", "mirred mirror", "mirred drop", "gact"];
/** So many packets whose fate hung on it are enough to know of each key that it is not nothing. */
const ENOUGH = 2;
/** Rules of a world that are looked into: each is a walk of all its packets. */
const MOST_A_WORLD = 40;
/** Packets of a rule that are looked into. */
const MOST_OF_A_RULE = 5;

/**
 * How many packets met what, and how many decided on it: what is of rules decides where the packet would have fared otherwise
 * without it, which is looked into until it is known of a few packets; the others are met by deciding.
 */
export class Coverage {
  readonly #met = new Map<string, number>();
  readonly #decided = new Map<string, number>();
  readonly #kind: WorldKind;
  packets = 0;

  /** @param kind of the worlds: what only others can have is said to be theirs */
  constructor(kind: WorldKind = "all") {
    this.#kind = kind;
    const keys = [
      ...[...MATCHES.keys()].map((name) => `match ${name}`),
      ...[...TARGETS.keys(), ...VERDICTS].map((name) => `target ${name}`),
      ...HOOKS.map((name) => `hook ${name}`),
      ...FAMILIES.map((family) => `family ${family}`),
      ...DEVICES.map((name) => `device ${name}`),
      ...TC.map((name) => `tc ${name}`),
      ...REASONS.map(({ name }) => `reason ${name}`),
      ...NFT_KEYS,
      ...DISPOSITIONS.map((name) => `disposition ${name}`),
    ];
    for (const key of keys) for (const counts of [this.#met, this.#decided]) counts.set(key, 0);
  }

  /** A world's packets, in their order. */
  add(world: World, all: readonly Probed[]): void {
    this.packets += all.length;
    for (const probed of all) {
      const met = [...keysBesideRules(world, probed), ...rulesOf(world, probed).flatMap(({ keys }) => keys)];
      for (const key of new Set(met)) count(this.#met, key);
    }
    this.#lookInto(world, all);
  }

  /** Of the rules that took packets those first that tell of what is least met and not known yet. */
  #lookInto(world: World, all: readonly Probed[]): void {
    const unknown = ({ keys }: TakenRule): number =>
      [...new Set(keys)]
        .filter((key) => (this.#decided.get(key) ?? ENOUGH) < ENOUGH)
        .reduce((sum, key) => sum + 1 / Math.max(1, this.#met.get(key) ?? 1), 0);
    const rules = new Map(
      all.flatMap((probed) => rulesOf(world, probed).map((taken) => [JSON.stringify(taken.rule), taken])),
    );
    const open = [...rules.values()].filter(mayDecide).sort((a, b) => unknown(b) - unknown(a));
    for (const taken of open.slice(0, MOST_A_WORLD)) {
      if (unknown(taken) === 0) continue;
      const packets = packetsDecided(world, all, taken.rule, MOST_OF_A_RULE);
      for (const key of taken.keys) count(this.#decided, key, packets.length);
      for (const hook of packets.flatMap(({ hooks }) => hooks)) count(this.#decided, `hook ${hook}`);
    }
  }

  /** Share of packets that ended otherwise than delivered, 0 … 1. */
  get undelivered(): number {
    return 1 - (this.#met.get("disposition DELIVERED") ?? 0) / Math.max(1, this.packets);
  }

  /** What no packet met though this kernel has it and the model knows it. */
  get zeros(): string[] {
    return [...this.#met.keys()].filter((key) => this.#met.get(key) === 0 && this.#whyNot(key) === null);
  }

  /** What packets met, but none of those looked into hung on, though some could. */
  get undecided(): string[] {
    return [...this.#met.keys()].filter(
      (key) => this.#met.get(key) !== 0 && this.#decidedOn(key) === 0 && this.#whyNot(key) === null,
    );
  }

  /** What no packet of these worlds can decide on, by the reason why. */
  get impossible(): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>();
    for (const key of this.#met.keys()) {
      const why = this.#decidedOn(key) === 0 ? this.#whyNot(key) : null;
      if (why !== null) found.set(why, [...(found.get(why) ?? []), key]);
    }
    return found;
  }

  #decidedOn(key: string): number {
    return isOfRules(key) && !COUNTED_ALONE.has(key)
      ? (this.#decided.get(key) ?? 0)
      : (this.#met.get(key) ?? 0);
  }

  /** Why nothing of a key was met, where that is no matter of chance. */
  #whyNot(key: string): string | null {
    const known = ELSEWHERE.get(key);
    if (known !== undefined) return known;
    if (this.#kind !== "all" && this.#kind !== "faults" && OF_FAULTS.has(key)) return "met by --kind faults";
    if (key.startsWith("nft "))
      return this.#hasNft ? whyNoNft(key) : "no world had nftables: met by --kind nft";
    const [kind, name = ""] = key.split(" ");
    if (kind === "family") return "not asked for";
    const unmet = FAMILIES.filter((family) => this.#met.get(`family ${family}`) === 0);
    const only = ONLY_OF.get(key);
    if (only !== undefined && unmet.includes(only)) return `of IPv${only}, which no packet was`;
    if ((kind !== "match" && kind !== "target") || VERDICTS.includes(name)) return null;
    const having = FAMILIES.filter((family) => kernelHas(family, kind, name));
    if (having.length === 0) return LACKED;
    return having.every((family) => unmet.includes(family))
      ? `of IPv${having[0]}, which no packet was`
      : null;
  }

  get #hasNft(): boolean {
    return NFT_KEYS.some((key) => (this.#met.get(key) ?? 0) > 0);
  }

  /** Others' counts put in, as `counts` gives them. */
  merge(packets: number, counts: CoverageCounts): void {
    this.packets += packets;
    for (const [key, [met, decided]] of Object.entries(counts)) {
      count(this.#met, key, met);
      count(this.#decided, key, decided);
    }
  }

  get counts(): CoverageCounts {
    return Object.fromEntries(
      [...this.#met].map(([key, met]) => [key, [met, this.#decided.get(key) ?? 0]] as const),
    );
  }

  text(): string {
    const lines = [...this.#met].map(([key, met]) => {
      const why = this.#decidedOn(key) === 0 ? this.#whyNot(key) : null;
      return `${String(met).padStart(8)}  ${this.#decidedText(key).padStart(8)}  ${key}${why === null ? "" : `  (${why})`}`;
    });
    const share = `${(100 * this.undelivered).toFixed(1)} % of packets ended otherwise than DELIVERED`;
    return [HEAD, ...lines, share, ""].join("\n");
  }

  #decidedText(key: string): string {
    const decided = this.#decidedOn(key);
    return isOfRules(key) && !COUNTED_ALONE.has(key) && decided >= ENOUGH ? `${decided}+` : String(decided);
  }
}

const HEAD = `packets: that met it; that decided on it (N+: no more were looked into)`;

/** Packets that met each key, and packets that decided on it. */
export type CoverageCounts = Readonly<Record<string, readonly [met: number, decided: number]>>;

function count(counts: Map<string, number>, key: string, more = 1): void {
  const before = counts.get(key);
  if (before !== undefined) counts.set(key, before + more);
}

function isOfRules(key: string): boolean {
  return /^(match|target|hook|nft) /.test(key);
}

/** A rule whose target changes no packet, or that has none, decides nothing. */
function mayDecide({ keys }: TakenRule): boolean {
  return keys.some(
    (key) => /^(target|nft does) /.test(key) && key !== "nft does match" && !COUNTED_ALONE.has(key),
  );
}

interface TakenRule {
  readonly rule: RuleName;
  readonly keys: readonly string[];
}

/** The rules that took a packet, and what they are made of. */
function rulesOf(world: World, { recorded }: Probed): TakenRule[] {
  return (recorded.rulesHit ?? []).flatMap(({ ns, family, table, chain, rule }) => {
    const host = world.hosts.get(ns);
    const loaded = family === 6 ? host?.ip6tables : host?.iptables;
    const taken = loaded?.tables.get(table)?.chains.get(chain)?.rules[rule - 1];
    const keys = [...nftKeysOf(host, table, chain, rule), ...(taken === undefined ? [] : keysOf(taken))];
    const name: RuleName = { host: ns, family: family === 6 ? 6 : 4, table, chain, index: rule };
    return keys.length === 0 ? [] : [{ rule: name, keys }];
  });
}

/** What the rules of a world are made of: what packets may decide on there. */
export function keysOfRules({ hosts }: World): Set<string> {
  const found = new Set<string>();
  for (const host of hosts.values()) {
    for (const loaded of [host.iptables, host.ip6tables])
      for (const { chains } of loaded?.tables.values() ?? [])
        for (const { rules } of chains.values())
          for (const rule of rules) for (const key of keysOf(rule)) found.add(key);
    for (const { family, name, chains } of host.nft?.tables ?? [])
      for (const chain of chains)
        for (const [i] of chain.rules.entries())
          for (const key of nftKeysOf(host, `${family} ${name}`, chain.name, i + 1)) found.add(key);
  }
  return found;
}

function keysBesideRules(world: World, { recorded, outcome }: Probed): string[] {
  const met = [`family ${recorded.query.dst.includes(":") ? 6 : 4}`];
  for (const { ns, if: name } of recorded.frames ?? []) {
    const device = world.hosts.get(ns)?.devices.find((each) => each.name === name);
    if (device !== undefined) met.push(`device ${device.detail.kind}`);
  }
  if (outcome === undefined) return met;
  for (const { hook } of outcome.hooks) met.push(`hook ${hook.toUpperCase()}`);
  met.push(`reason ${outcome.verdict.reason}`, `disposition ${outcome.verdict.disposition}`);
  for (const { reason, kind, text } of outcome.steps) {
    // What ended another of its packets, an answer or an error, decided on that.
    if (reason !== undefined) met.push(`reason ${reason}`);
    if (kind === "tc")
      met.push(...TC_WORDS.flatMap(([pattern, key]) => (pattern.test(text) ? [`tc ${key}`] : [])));
  }
  return met;
}

const TC_WORDS: readonly (readonly [RegExp, string])[] = [
  [/^tbf of/, "tbf"],
  [/ u32: /, "u32"],
  [/ matchall: /, "matchall"],
  [/ flower: /, "flower"],
  [/ redirects it /, "mirred redirect"],
  [/ sends a copy /, "mirred mirror"],
  [/ drops it/, "mirred drop"],
];

const VERDICTS = ["ACCEPT", "DROP", "RETURN", "jump", "goto"];

function keysOf(rule: Rule): string[] {
  const target = rule.target?.kind;
  return [
    ...rule.matches.map(({ kind }) => `match ${kind}`),
    ...(target === undefined ? [] : [`target ${target}`]),
  ];
}

function kernelHas(family: Family, kind: "match" | "target", name: string): boolean {
  const file = `/proc/net/ip${family === 6 ? "6" : ""}_tables_${kind === "match" ? "matches" : "targets"}`;
  try {
    return readFileSync(file, "utf8").split("\n").includes(name);
  } catch {
    return false;
  }
}
