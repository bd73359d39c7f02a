/**
 * Random tables of flows and packets for them, in the words of `ovs-ofctl add-flows` and `ovs-appctl ofproto/trace`. Ports are 1,
 * 2, 3, LOCAL, 4 (an access port of VLAN 10) and 5 (a VXLAN tunnel whose end and key the flow says).
 */

export interface RandomPacket {
  readonly in_port: number | "LOCAL";
  readonly kind: "tcp" | "udp" | "icmp" | "arp" | "tcp6";
  readonly src: string;
  readonly dst: string;
  readonly ethSrc: string;
  readonly ethDst: string;
  readonly vlan: number;
  readonly sport: number;
  readonly dport: number;
  readonly ttl: number;
  readonly tos: number;
  readonly arpOp: number;
}

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 0 … n−1 (mulberry32). */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

const MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "ff:ff:ff:ff:ff:ff"];
const FOURS = ["10.0.0.1", "10.0.0.2", "10.0.1.7", "10.128.3.4"];
const SIXES = ["fd00::1", "fd00::2", "fd00:0:0:1::7"];

export function randomPacket(r: Random): RandomPacket {
  const kind = r.of(["tcp", "tcp", "udp", "icmp", "arp", "tcp6"] as const);
  const addresses = kind === "tcp6" ? SIXES : FOURS;
  return {
    in_port: r.of([1, 2, 3, 4, "LOCAL"] as const),
    kind,
    src: r.of(addresses),
    dst: r.of(addresses),
    ethSrc: r.of(MACS.slice(0, 3)),
    ethDst: r.of(MACS),
    vlan: r.chance(25) ? r.of([7, 10]) : 0,
    sport: r.of([1000, 2000]),
    dport: r.of([80, 443, 53]),
    ttl: r.of([64, 64, 2, 1]),
    tos: r.of([0, 0, 0x20]),
    arpOp: r.of([1, 2]),
  };
}

/** As `ofproto/trace` takes it. */
export function packetText(p: RandomPacket): string {
  const eth = `in_port=${p.in_port},dl_src=${p.ethSrc},dl_dst=${p.ethDst}${p.vlan === 0 ? "" : `,dl_vlan=${p.vlan}`}`;
  switch (p.kind) {
    case "arp":
      return `arp,${eth},arp_op=${p.arpOp},arp_spa=${p.src},arp_tpa=${p.dst},arp_sha=${p.ethSrc},arp_tha=00:00:00:00:00:00`;
    case "icmp":
      return `icmp,${eth},nw_src=${p.src},nw_dst=${p.dst},nw_ttl=${p.ttl},nw_tos=${p.tos},icmp_type=8,icmp_code=0`;
    case "tcp6":
      return `tcp6,${eth},ipv6_src=${p.src},ipv6_dst=${p.dst},nw_ttl=${p.ttl},nw_tos=${p.tos},tp_src=${p.sport},tp_dst=${p.dport},tcp_flags=syn`;
    case "tcp":
      return `tcp,${eth},nw_src=${p.src},nw_dst=${p.dst},nw_ttl=${p.ttl},nw_tos=${p.tos},tp_src=${p.sport},tp_dst=${p.dport},tcp_flags=syn`;
    default:
      return `udp,${eth},nw_src=${p.src},nw_dst=${p.dst},nw_ttl=${p.ttl},nw_tos=${p.tos},udp_src=${p.sport},udp_dst=${p.dport}`;
  }
}

/** What a packet has to be for the fields and actions of a flow. */
type Kind = "any" | "ip" | "tcp" | "udp" | "arp" | "ipv6" | "tcp6" | "icmp";

const COMMON: readonly ((r: Random) => string)[] = [
  (r) => `in_port=${r.of(["1", "2", "3", "4", "LOCAL"])}`,
  (r) => `dl_src=${r.of(MACS)}`,
  (r) => `dl_dst=${r.of([...MACS, "01:00:00:00:00:00/01:00:00:00:00:00"])}`,
  (r) => `reg0=${r.of(["0", "0x5", "0x5/0xff", "0x100/0xf00"])}`,
  (r) => `reg${r.below(3)}=${r.of(["0", "0x7", "0x1/0x1"])}`,
  (r) => `metadata=${r.of(["0", "0x9", "0x1/0x3"])}`,
  (r) => `dl_vlan=${r.of(["7", "10", "0xffff"])}`,
  (r) => `vlan_tci=${r.of(["0x0000/0x1fff", "0x1000/0x1000", "0x1007"])}`,
  (r) => `tun_id=${r.of(["0", "0x11"])}`,
  (r) => `pkt_mark=${r.of(["0", "0x4/0x4"])}`,
  (r) => `xreg0=${r.of(["0x500000000/0xff00000000", "0"])}`,
];
const OF_KIND: Readonly<Record<Kind, readonly ((r: Random) => string)[]>> = {
  any: [],
  ip: [
    (r) => `nw_src=${r.of(["10.0.0.0/24", "10.0.0.1", "10.0.0.0/255.0.0.1", ...FOURS])}`,
    (r) => `nw_dst=${r.of(["10.0.0.0/16", "10.128.0.0/9", ...FOURS])}`,
    (r) => `nw_ttl=${r.of([64, 63, 1])}`,
    (r) => `nw_tos=${r.of([0, 32])}`,
    (r) => `nw_proto=${r.of([6, 17, 1])}`,
    () => "ip_frag=no",
  ],
  tcp: [
    (r) => `nw_dst=${r.of(FOURS)}`,
    (r) => `tp_dst=${r.of(["80", "443", "0x50/0xfff0"])}`,
    (r) => `tp_src=${r.of(["1000", "2000"])}`,
    (r) => `tcp_flags=${r.of(["+syn-ack", "-syn", "+ack"])}`,
  ],
  udp: [(r) => `nw_src=${r.of(FOURS)}`, (r) => `tp_dst=${r.of(["53", "80"])}`],
  arp: [
    (r) => `arp_op=${r.of([1, 2])}`,
    (r) => `arp_tpa=${r.of([...FOURS, "10.0.0.0/8"])}`,
    (r) => `arp_spa=${r.of(FOURS)}`,
    (r) => `arp_sha=${r.of(MACS)}`,
  ],
  ipv6: [
    (r) => `ipv6_src=${r.of([...SIXES, "fd00::/64"])}`,
    (r) => `ipv6_dst=${r.of([...SIXES, "fd00::/32"])}`,
  ],
  tcp6: [(r) => `ipv6_dst=${r.of(SIXES)}`, (r) => `tp_dst=${r.of(["80", "443"])}`],
  icmp: [(r) => `icmp_type=${r.of([8, 0])}`, (r) => `nw_dst=${r.of(FOURS)}`],
};

const KINDS: readonly Kind[] = ["any", "any", "ip", "ip", "tcp", "tcp", "udp", "arp", "ipv6", "tcp6", "icmp"];

function randomMatch(r: Random): { readonly kind: Kind; readonly text: string } {
  const kind = r.of(KINDS);
  const fields = new Map<string, string>();
  const add = (text: string) => fields.set(/^\w+/.exec(text)?.[0] ?? "", text);
  for (const make of COMMON) if (r.chance(8)) add(make(r));
  for (const make of OF_KIND[kind]) if (r.chance(30)) add(make(r));
  if (fields.has("vlan_tci")) fields.delete("dl_vlan");
  if (fields.has("xreg0")) for (const reg of ["reg0", "reg1"]) fields.delete(reg);
  return { kind, text: [...(kind === "any" ? [] : [kind]), ...fields.values()].join(",") };
}

const OUTPUTS = ["output:1", "output:2", "output:3", "LOCAL", "IN_PORT", "output:4"];

function randomActions(r: Random, kind: Kind, table: number, depth: number): string {
  const isIp = kind !== "any" && kind !== "arp";
  const is4 = isIp && kind !== "ipv6" && kind !== "tcp6";
  const ports = kind === "tcp" || kind === "udp" || kind === "tcp6";
  const actions: string[] = [];
  const maybe = (percent: number, text: () => string) => {
    if (r.chance(percent)) actions.push(text());
  };
  maybe(20, () => `load:${r.of(["0x5", "0x105", "0x7"])}->NXM_NX_REG${r.below(3)}[]`);
  maybe(10, () => `load:0x3->NXM_NX_REG${r.below(3)}[${r.of(["0..1", "4..7", "8..31"])}]`);
  maybe(
    8,
    () => `move:NXM_NX_REG${r.below(3)}[0..7]->NXM_NX_REG${r.below(3)}[${r.of(["8..15", "0..7", "24..31"])}]`,
  );
  maybe(8, () => `set_field:0x9->metadata`);
  maybe(6, () => "set_field:0x4/0x4->pkt_mark");
  maybe(10, () => `mod_dl_dst:${r.of(MACS.slice(0, 3))}`);
  maybe(6, () => "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]");
  maybe(6, () => "move:NXM_OF_ETH_SRC[0..15]->NXM_NX_REG1[0..15]");
  maybe(8, () => `mod_vlan_vid:${r.of([7, 9])}`);
  maybe(6, () => "strip_vlan");
  if (isIp) maybe(20, () => "dec_ttl");
  if (isIp) maybe(6, () => "mod_nw_tos:32");
  if (is4) {
    maybe(8, () => `mod_nw_src:${r.of(FOURS)}`);
    maybe(8, () => `mod_nw_dst:${r.of(FOURS)}`);
    maybe(5, () => "move:NXM_NX_REG0[0..15]->NXM_OF_IP_DST[0..15]");
  }
  if (kind === "ipv6" || kind === "tcp6") maybe(20, () => `set_field:${r.of(SIXES)}->ipv6_dst`);
  if (ports) maybe(10, () => "mod_tp_dst:8080");
  if (kind === "arp") {
    maybe(25, () => "load:0x2->NXM_OF_ARP_OP[]");
    maybe(20, () => "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]");
    maybe(20, () => "load:0x0a000063->NXM_OF_ARP_SPA[]");
    maybe(20, () => "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]");
  }
  maybe(50, () => r.of(OUTPUTS));
  maybe(6, () => "output:NXM_NX_REG0[0..1]");
  maybe(6, () => r.of(["FLOOD", "ALL", "NORMAL"]));
  maybe(8, () => `set_tunnel:0x11,set_field:192.0.2.9->tun_dst,output:5`);
  if (depth < 1) maybe(8, () => `clone(${randomActions(r, kind, table, depth + 1)})`);
  if (table < 4) maybe(35, () => `resubmit(,${table + 1 + r.below(4 - table)})`);
  maybe(5, () => `resubmit(${r.of([1, 2])},${Math.min(table + 1, 4)})`);
  if (isIp && depth < 1 && table < 4)
    maybe(
      10,
      () => `ct(${r.chance(50) ? "commit," : ""}zone=${r.of([0, 7])},table=${Math.min(table + 1, 4)})`,
    );
  maybe(12, () => r.of(OUTPUTS));
  maybe(5, () => `group:${r.of([1, 2])}`);
  maybe(3, () => "push:NXM_NX_REG0[],pop:NXM_NX_REG2[]");
  maybe(3, () => "exit");
  maybe(4, () => "write_metadata:0x1");
  return actions.length === 0 ? r.of(["drop", "output:2", "output:3"]) : actions.join(",");
}

/** About `count` flows in five tables; clauses of conjunctions among them. */
export function randomFlows(r: Random, count: number): string[] {
  const flows: string[] = [];
  const seen = new Set<string>();
  let priority = 60_000;
  const put = (table: number, text: string, actions: string, own?: number) => {
    // Of equal priority nobody says which of two that overlap is taken: every flow has its own.
    const at = own ?? priority - r.below(2000) - flows.length * 7;
    if (seen.has(`${table} ${at}`) && own === undefined) return;
    seen.add(`${table} ${at}`);
    flows.push(`table=${table},priority=${at}${text === "" ? "" : `,${text}`},actions=${actions}`);
  };
  for (let i = 0; i < count; i++) {
    const table = r.of([0, 0, 1, 2, 3, 4]);
    priority = 60_000 - r.below(50_000);
    const { kind, text } = randomMatch(r);
    const state =
      isIp(kind) && table > 0 && r.chance(20)
        ? `,ct_state=${r.of(["+trk+new", "-trk", "+trk+est", "+trk-inv"])}`
        : "";
    put(table, `${text}${state}`.replace(/^,/, ""), randomActions(r, kind, table, 0));
  }
  if (r.chance(50)) {
    const table = r.of([0, 1, 2]);
    const at = 30_000 + r.below(500);
    for (const source of r.chance(50) ? ["10.0.0.1", "10.0.0.2"] : ["10.0.0.0/24"])
      put(table, `ip,nw_src=${source}`, "conjunction(10,1/2)", at);
    for (const port of [80, 443])
      if (r.chance(80)) put(table, `tcp,tp_dst=${port}`, "conjunction(10,2/2)", at);
    if (r.chance(80)) put(table, "conj_id=10,ip", "load:0x7->NXM_NX_REG1[],output:3", at);
  }
  if (r.chance(70)) flows.push(`table=0,priority=0,actions=${r.of(["NORMAL", "drop", "resubmit(,1)"])}`);
  return flows;
}

function isIp(kind: Kind): boolean {
  return kind !== "any" && kind !== "arp";
}

/** The groups that flows name. */
export const GROUPS = [
  "group_id=1,type=all,bucket=actions=output:2,bucket=actions=mod_dl_dst:02:00:00:00:00:09,output:3",
  "group_id=2,type=indirect,bucket=actions=resubmit(,4)",
];
