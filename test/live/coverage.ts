import { readFileSync } from "node:fs";
import type { Family } from "../../src/address/ip.ts";
import { MATCHES } from "../../src/kernel/netfilter/match/registry.ts";
import type { Rule } from "../../src/kernel/netfilter/rule.ts";
import { TARGETS } from "../../src/kernel/netfilter/target/registry.ts";
import { REASONS } from "../../src/kernel/reason.ts";
import type { World } from "../../src/world/world.ts";
import { NFT_KEYS, nftKeysOf, whyNoNft } from "./nft-coverage.ts";
import type { Probed } from "./probing.ts";

const LACKED = "this kernel lacks it: judged by recordings alone";
const NO_OVS = "this kernel has no Open vSwitch: judged by traces of a real one";

/** What no packet of the lab can decide on, and why. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["match ah", "nothing is encrypted"],
  ["match esp", "nothing is encrypted"],
  ["match ipcomp", "nothing is compressed"],
  ["match dccp", "no probe speaks DCCP"],
  ["match mh", "nobody is mobile"],
  ["match dst", "no probe has the header"],
  ["match hbh", "no probe has the header"],
  ["match rt", "no probe has the header"],
  ["match srh", "no probe has the header"],
  ["match cgroup", "not generated: which group a sender is in no host says"],
  ["match nfacct", "not modelled, which the verdict says: quotas are in no dump"],
  ["match osf", "not modelled, which the verdict says: fingerprints are in no dump"],
  ["target SNPT", "judged by its own test"],
  ["target DNPT", "judged by its own test"],
  ["target LED", "this kernel lacks it"],
  ["target SECMARK", "no security marks"],
  ["match cpu", "which processor it is nobody can say"],
  ["match realm", "routes have no realms"],
  ["match time", "a walk's clock has no date"],
  ["match sctp", "no probe speaks SCTP yet"],
  ["target NFQUEUE", "not modelled: nobody stands behind the queue"],
  ["target TPROXY", "judged by its own test"],
  ["target SYNPROXY", "judged by its own test"],
  ["target CONNSECMARK", "no security marks"],
  ["reason no-proxy-socket", "judged by its own test"],
  ["reason proxied-elsewhere", "judged by its own test"],
  ["reason bad-syn-cookie", "judged by its own test"],
  ["reason vxlan-no-vni", "judged by recordings"],
  ["reason vxlan-no-port", "judged by recordings"],
  ["reason unmodelled-device", "no such device is built"],
  ["reason no-listener-sctp", "this kernel has no SCTP: judged by recordings alone"],
  ["reason no-protocol", "probes speak TCP, UDP and ICMP"],
  ["reason vlan-filtered", "no bridge here filters by VLAN: judged by recordings"],
  ["reason device-down", "every device is up: judged by recordings"],
  ["reason conntrack-clash", "takes two packets at once"],
  ["reason conntrack-full", "the limit is all namespaces' one"],
  ["reason nat-exhausted", "a probe begins without connections"],
  ["reason fragment-timeout", "takes half a minute"],
  ["reason loop-budget", "takes servers that answer each other"],
  ["disposition LOOPED", "takes servers that answer each other"],
  ["reason left-model", "nothing is outside the model"],
  ["disposition UNKNOWN", "nothing is outside the model"],
  ["reason unreachable-error", "said of causes, not of walks"],
  ["reason match-drop", "takes a connection's end, which comes when a probe is over"],
  ["reason output-blocked", "the rule that dropped it is named"],
  ["reason connection-closed", "no probe goes on with a connection"],
  ["reason ipvlan-private", LACKED],
  ["reason bond-inactive", LACKED],
  ["reason dummy-device", LACKED],
  ["reason no-tunnel", LACKED],
  ["reason not-ipv4", LACKED],
  ["reason ipvs-no-server", LACKED],
  ["reason ipvs-server-gone", LACKED],
  ["reason ipvs-no-route", LACKED],
  ["reason ipvs-old-conntrack", LACKED],
  ["reason ipvs-no-connection", LACKED],
  ["reason tunnel-loop", "tunnels' ends are in the fabric: judged by recordings"],
  ["reason not-redirected", "no ifb is built: judged by recordings"],
  ["reason ovs-no-match", NO_OVS],
  ["reason ovs-drop", NO_OVS],
  ["reason ovs-no-port", NO_OVS],
  ["reason ovs-ttl", NO_OVS],
  ["reason ovs-too-deep", NO_OVS],
  ["reason ovs-controller", NO_OVS],
  ["reason ovs-unmodelled", NO_OVS],
  ["device unmodelled", "no such device is built"],
]);

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
const DEVICES = ["loopback", "veth", "bridge", "vxlan", "unmodelled"];

/** How many packets decided on what: on each match and target of rules that took them, devices, hooks, reasons. */
export class Coverage {
  readonly #counts = new Map<string, number>();
  packets = 0;

  constructor() {
    for (const name of MATCHES.keys()) this.#counts.set(`match ${name}`, 0);
    for (const name of [...TARGETS.keys(), ...VERDICTS]) this.#counts.set(`target ${name}`, 0);
    for (const name of HOOKS) this.#counts.set(`hook ${name}`, 0);
    for (const family of FAMILIES) this.#counts.set(`family ${family}`, 0);
    for (const name of DEVICES) this.#counts.set(`device ${name}`, 0);
    for (const { name } of REASONS) this.#counts.set(`reason ${name}`, 0);
    for (const key of NFT_KEYS) this.#counts.set(key, 0);
    for (const name of DISPOSITIONS) this.#counts.set(`disposition ${name}`, 0);
  }

  add(world: World, { recorded, outcome }: Probed): void {
    this.packets++;
    const met = new Set([`family ${recorded.query.dst.includes(":") ? 6 : 4}`]);
    for (const { ns, family, table, chain, rule } of recorded.rulesHit ?? []) {
      const host = world.hosts.get(ns);
      for (const key of nftKeysOf(host, table, chain, rule)) met.add(key);
      const loaded = family === 6 ? host?.ip6tables : host?.iptables;
      const rules = loaded?.tables.get(table)?.chains.get(chain)?.rules;
      const taken = rules?.[rule - 1];
      if (taken !== undefined) for (const key of keysOf(taken)) met.add(key);
    }
    for (const { ns, if: name } of recorded.frames ?? []) {
      const device = world.hosts.get(ns)?.devices.find((each) => each.name === name);
      if (device !== undefined) met.add(`device ${device.detail.kind}`);
    }
    for (const { hook } of outcome?.hooks ?? []) met.add(`hook ${hook.toUpperCase()}`);
    if (outcome !== undefined) {
      met.add(`reason ${outcome.verdict.reason}`);
      met.add(`disposition ${outcome.verdict.disposition}`);
      // What ended another of its packets, an answer or an error, decided on that.
      for (const { reason } of outcome.steps) if (reason !== undefined) met.add(`reason ${reason}`);
    }
    for (const key of met) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** Share of packets that ended otherwise than delivered, 0 … 1. */
  get undelivered(): number {
    return 1 - (this.#counts.get("disposition DELIVERED") ?? 0) / Math.max(1, this.packets);
  }

  /** What no packet decided on though this kernel has it and the model knows it. */
  get zeros(): string[] {
    return [...this.#counts].flatMap(([key, count]) =>
      count === 0 && this.#whyNot(key) === null ? [key] : [],
    );
  }

  /** Why nothing of a key was met, where that is no matter of chance. */
  #whyNot(key: string): string | null {
    const known = ELSEWHERE.get(key);
    if (known !== undefined) return known;
    if (key.startsWith("nft ")) return this.#hasNft ? whyNoNft(key) : "no world had nftables";
    const [kind, name = ""] = key.split(" ");
    if (kind === "family") return "not asked for";
    const unmet = FAMILIES.filter((family) => this.#counts.get(`family ${family}`) === 0);
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
    return NFT_KEYS.some((key) => (this.#counts.get(key) ?? 0) > 0);
  }

  /** Others' counts put in, as `counts` gives them. */
  merge(packets: number, counts: Readonly<Record<string, number>>): void {
    this.packets += packets;
    for (const [key, count] of Object.entries(counts)) {
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
    }
  }

  get counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  text(): string {
    const lines = [...this.#counts].map(([key, count]) => {
      const why = count === 0 ? this.#whyNot(key) : null;
      return `${String(count).padStart(8)}  ${key}${why === null ? "" : `  (${why})`}`;
    });
    const share = `${(100 * this.undelivered).toFixed(1)} % of packets ended otherwise than DELIVERED`;
    return [...lines, share, ""].join("\n");
  }
}

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
