import { formatIp } from "../address/ip.ts";
import { formatOnPath, socketAddressOnPath } from "../address/ip6-handle.ts";
import { formatIpv4 } from "../address/ipv4.ts";
import { formatMac } from "../address/mac.ts";
import { hookName } from "../kernel/netfilter/hook.ts";
import { FIRST_TABLE_6 } from "../kernel/netfilter/hooks.ts";
import type { Rule } from "../kernel/netfilter/rule.ts";
import { formatRule } from "../kernel/netfilter/save/format.ts";
import type { CompiledTable } from "../kernel/netfilter/table.ts";
import type { Netns } from "../kernel/netns.ts";
import type { CompiledNft, CompiledNftTable } from "../kernel/nft/compile/nft-table.ts";
import type { NftChain, NftRule } from "../kernel/nft/ruleset.ts";
import { formatNftRule } from "../kernel/nft/text/format-statement.ts";
import { formatFlow } from "../kernel/ovs/dump-flows.ts";
import { REASONS, type ReasonEntry, type ReasonName, reasonName } from "../kernel/reason.ts";
import {
  OP_ARP,
  OP_CHAIN_END,
  OP_DELIVER,
  OP_DROP,
  OP_EMIT,
  OP_FLOW,
  OP_FRAME,
  OP_HOOK,
  OP_IPVS,
  OP_NEIGHBOUR,
  OP_NFT_CHAIN_END,
  OP_NFT_POLICY,
  OP_NFT_RULE,
  OP_OVS,
  OP_POLICY,
  OP_REWRITE,
  OP_ROUTE,
  OP_RULE,
  OP_TBF,
  OP_TC,
  OP_TUN,
  S_DST,
  S_ETH_DST,
  S_ETH_SRC,
  S_INFO,
  S_INFO2,
  S_KIND,
  S_L4,
  S_NUMBER,
  S_SRC,
  type Tape,
} from "../kernel/tape.ts";
import type { TcFilter } from "../kernel/tc/traffic-control.ts";
import { FIRST_DISCOVERY_NUMBER, IPPROTO_ICMP, IPPROTO_ICMPV6, KEY_IPV6 } from "../packet/packet.ts";
import { originText, ownerOf } from "../world/origin-text.ts";
import type { Network } from "./network.ts";
import { packetView } from "./packet-view.ts";
import type { Run } from "./run.ts";
import {
  type ArpFrame,
  DIRECTIONS,
  type Direction,
  type Frame,
  type HookStep,
  type HookVisit,
  type NdpFrame,
  type PacketView,
  PHASES,
  type Phase,
  type Rewrite,
  type RuleHit,
  type Step,
} from "./trace.ts";

/** Everything a tape tells of one walk. */
export interface Decoded {
  readonly frames: readonly Frame[];
  readonly arp: readonly ArpFrame[];
  readonly ndp: readonly NdpFrame[];
  readonly hooks: readonly HookVisit[];
  readonly rules: readonly RuleHit[];
  readonly rewrites: readonly Rewrite[];
  readonly steps: readonly Step[];
  readonly drops: readonly Drop[];
  /** Every frame, ARP's too, in order, with where its bytes can be made from. */
  readonly sightings: readonly Sighting[];
  /** Frames that reached a host they were not addressed to. */
  readonly strays: readonly Drop[];
}

/** A frame on a device, and where its snapshot lies on the tape. */
export interface Sighting {
  readonly snapshot: number;
  readonly host: string;
  readonly device: string;
  readonly direction: Direction;
  /** 0: ARP. */
  readonly packet: number;
  readonly phase: Phase;
  /** Virtual milliseconds since the query began. */
  readonly at: number;
}

/** A packet's end, apart from frames that were merely for another host. */
export interface Drop {
  readonly packet: number;
  readonly phase: Phase;
  readonly host: string;
  readonly reason: ReasonName;
  readonly step: string;
}

/** `RTN_*` by number, for people. */
const ROUTE_TYPES = [
  "",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
];

/** Forwarding methods by number (`IP_VS_CONN_F_FWD_MASK`). */
const IPVS_METHODS: Readonly<Record<number, string>> = { 0: "translation", 2: "tunnel", 3: "direct routing" };

/** Read a tape back: the readable trace is made here and nowhere else. */
export function decode(network: Network, tape: Tape, run: Run): Decoded {
  return new Decoder(network, tape, run).decode();
}

interface OpenVisit {
  readonly visit: Omit<HookVisit, "steps" | "before"> & { readonly steps: HookStep[]; before: PacketView };
  readonly host: number;
}

class Decoder {
  private readonly network: Network;
  private readonly tape: Tape;
  private readonly run: Run;
  private readonly frames: Frame[] = [];
  private readonly arp: ArpFrame[] = [];
  private readonly ndp: NdpFrame[] = [];
  private readonly sightings: Sighting[] = [];
  private readonly hooks: HookVisit[] = [];
  private readonly rules: RuleHit[] = [];
  private readonly rewrites: Rewrite[] = [];
  private readonly steps: Step[] = [];
  private readonly drops: Drop[] = [];
  /** Hosts whose ARP questions went out by a device with no known other end. */
  private readonly askedOutside = new Set<number>();
  private readonly strays: Drop[] = [];
  /** Packet numbers of the tape to those shown: in order of first appearance on a wire. */
  private readonly numbers = new Map<number, number>();
  private readonly phases = new Map<number, Phase>();
  /** The hook each packet of each host is in. */
  private readonly open = new Map<string, OpenVisit>();
  private time = 0;

  constructor(network: Network, tape: Tape, run: Run) {
    this.network = network;
    this.tape = tape;
    this.run = run;
  }

  decode(): Decoded {
    this.numberPackets();
    const { data, length } = this.tape;
    let instant = 0;
    for (let at = 0; at < length; at += data[at + 1] as number) {
      while (instant + 1 < this.run.times.length && (this.run.times[instant + 1]?.tape as number) <= at)
        instant++;
      this.time = this.run.times[instant]?.at ?? 0;
      this.record(data, at);
    }
    const { frames, arp, ndp, sightings, hooks, rules, rewrites, steps, drops, strays } = this;
    return { frames, arp, ndp, sightings, hooks, rules, rewrites, steps, drops, strays };
  }

  private numberPackets(): void {
    const { data, length } = this.tape;
    for (let at = 0; at < length; at += data[at + 1] as number) {
      if (data[at] === OP_FRAME) this.seenAt(data[at + 5] as number);
    }
    for (let at = 0; at < length; at += data[at + 1] as number) {
      if (data[at] === OP_EMIT) this.seen(data[at + 3] as number, data[at + 5] as number);
      if (data[at] === OP_HOOK) this.seenAt(data[at + 9] as number);
    }
  }

  private seen(raw: number, phase: number): void {
    if (raw === 0 || isDiscovery(raw) || this.numbers.has(raw)) return;
    this.numbers.set(raw, this.numbers.size + 1);
    this.phases.set(raw, PHASES[phase] ?? "request");
  }

  private seenAt(snapshot: number): void {
    const { data } = this.tape;
    this.seen(data[snapshot + S_NUMBER] as number, (data[snapshot + S_KIND] as number) & 0xf);
  }

  private packet(raw: number): { packet: number; phase: Phase } {
    // As recordings number them.
    if (isDiscovery(raw)) return { packet: raw - FIRST_DISCOVERY_NUMBER + 1001, phase: "notice" };
    return { packet: this.numbers.get(raw) ?? 0, phase: this.phases.get(raw) ?? "request" };
  }

  private net(host: number): Netns {
    return this.network.host(host) as Netns;
  }

  private device(host: number, ifindex: number): string {
    return this.net(host).device(ifindex)?.name ?? "";
  }

  private step(
    raw: number,
    host: number,
    kind: Step["kind"],
    text: string,
    more: Partial<Pick<Step, "device" | "verdict" | "reason" | "packetView">> = {},
  ): string {
    // What a neighbour is asked and answers is no part of a packet's way, but where it ends there.
    if (isDiscovery(raw)) return "";
    const id = `s${this.steps.length + 1}`;
    this.steps.push({
      id,
      ...this.packet(raw),
      at: this.time,
      host: this.net(host).name,
      kind,
      text,
      ...more,
    });
    return id;
  }

  private record(d: Int32Array, at: number): void {
    const host = d[at + 2] as number;
    switch (d[at]) {
      case OP_FRAME:
        this.sight(d, at, host);
        this.frame(d, at, host);
        return;
      case OP_ARP:
        this.sight(d, at, host);
        this.arpFrame(d, at, host);
        return;
      case OP_HOOK:
        this.hook(d, at, host);
        return;
      case OP_RULE:
      case OP_CHAIN_END:
      case OP_POLICY:
        this.ruleStep(d, at, host);
        return;
      case OP_NFT_RULE:
      case OP_NFT_CHAIN_END:
      case OP_NFT_POLICY:
        this.nftStep(d, at, host);
        return;
      case OP_REWRITE:
        this.rewrite(d, at, host);
        return;
      case OP_ROUTE: {
        const errno = d[at + 8] as number;
        const family = familyOf(d[at + 5] as number);
        const type = ROUTE_TYPES[(d[at + 5] as number) & 0xff] ?? "";
        const to = formatOnPath(family, d[at + 4] as number);
        const device = this.device(host, d[at + 6] as number);
        const hop = formatOnPath(family, d[at + 7] as number);
        const named = this.routeName(host, family, d[at + 9] as number);
        const text =
          errno !== 0
            ? `no usable route to ${to} (errno ${errno})`
            : type === "local"
              ? `${to} is local`
              : hop === to
                ? `route to ${to}: ${device}, on link${named}`
                : `route to ${to}: via ${hop} dev ${device}${named}`;
        this.step(d[at + 3] as number, host, "route", text, { device });
        return;
      }
      case OP_DROP: {
        const raw = d[at + 3] as number;
        const named = reasonName(d[at + 4] as number);
        if (raw === 0 || isDiscovery(raw)) {
          // What has no number is an ARP question.
          const { disposition } = REASONS[d[at + 4] as number] as ReasonEntry;
          if (disposition === "UNKNOWN") this.askedOutside.add(host);
          return;
        }
        // Whoever could have answered is outside: that nobody did says nothing.
        const name = named === "no-neighbour" && this.askedOutside.has(host) ? "left-model" : named;
        if (name === "other-host") {
          // A frame for somebody else on a shared cable ends everywhere but at its destination: no step of its way.
          this.strays.push({ ...this.packet(raw), host: this.net(host).name, reason: name, step: "" });
          return;
        }
        const sentence = REASONS.find((reason) => reason.name === name)?.sentence ?? name;
        const step = this.step(raw, host, "drop", sentence, {
          device: this.device(host, d[at + 5] as number),
          verdict: name === "rule-reject" ? "reject" : "drop",
          reason: name,
        });
        this.drops.push({ ...this.packet(raw), host: this.net(host).name, reason: name, step });
        return;
      }
      case OP_DELIVER: {
        const family = familyOf(d[at + 4] as number);
        const protocol = (d[at + 4] as number) & 0xff;
        const end = (word: number): string =>
          socketAddressOnPath(family, d[at + word] as number, d[at + word + 1] as number);
        const text =
          protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6
            ? `delivered to ${formatOnPath(family, d[at + 5] as number)}`
            : `delivered to ${end(5)} from ${end(7)}`;
        this.step(d[at + 3] as number, host, "deliver", text);
        return;
      }
      case OP_EMIT:
        this.step(d[at + 3] as number, host, "emit", `${this.net(host).name} makes the packet`);
        return;
      case OP_IPVS: {
        const kind = d[at + 8] as number;
        const family = (kind & KEY_IPV6) === 0 ? 4 : 6;
        const service = socketAddressOnPath(family, d[at + 4] as number, d[at + 5] as number);
        const server = socketAddressOnPath(family, d[at + 6] as number, d[at + 7] as number);
        const method = IPVS_METHODS[kind & ~KEY_IPV6] ?? "an unmodelled tunnel";
        const text = `IPVS ${service} → ${server} by ${method}${d[at + 9] === 1 ? "" : ", as before"}`;
        this.step(d[at + 3] as number, host, "ipvs", text);
        return;
      }
      case OP_TC: {
        const filter = this.net(host).host.tc.filters[d[at + 4] as number];
        const to = this.device(host, d[at + 6] as number);
        const what = ["lets it pass", "drops it", `redirects it to ${to}`, `sends a copy to ${to}`][
          d[at + 5] as number
        ];
        if (filter !== undefined)
          this.step(d[at + 3] as number, host, "tc", `${filterName(filter)} ${what}`, { device: filter.dev });
        return;
      }
      case OP_OVS:
        this.openVswitch(d, at, host);
        return;
      case OP_FLOW: {
        const [from, to] = [this.device(host, d[at + 4] as number), this.device(host, d[at + 5] as number)];
        const text = `a flow table carries it on from ${from} by ${to}, past routing and all hooks`;
        this.step(d[at + 3] as number, host, "flow", text, { device: to });
        return;
      }
      case OP_TBF: {
        const device = this.device(host, d[at + 4] as number);
        const bucket = this.net(host).host.tc.qdiscs.find(
          ({ dev, kind }) => dev === device && kind === "tbf",
        );
        const settings = bucket?.options.replace(/\brefcnt \d+ ?/, "") ?? "";
        this.step(d[at + 3] as number, host, "tc", `tbf of ${device}: ${settings}`, { device });
        return;
      }
      case OP_TUN: {
        const device = this.device(host, d[at + 4] as number);
        const peer = socketAddressOnPath(4, d[at + 6] as number, d[at + 7] as number);
        const text =
          d[at + 5] === 1
            ? `the daemon takes it from ${device} and sends it to ${peer}`
            : `the daemon puts what ${peer} sent into ${device}`;
        this.step(d[at + 3] as number, host, "user-space", text, { device });
        return;
      }
      case OP_NEIGHBOUR:
        this.steps.push({
          id: `s${this.steps.length + 1}`,
          packet: 0,
          phase: "request",
          at: this.time,
          host: this.net(host).name,
          device: this.device(host, d[at + 3] as number),
          kind: "neighbour",
          text: this.questionText(d[at + 5] as number, d[at + 4] as number),
        });
        return;
    }
  }

  private openVswitch(d: Int32Array, at: number, host: number): void {
    const bridge = this.net(host).ovsBridges[d[at + 4] as number];
    if (bridge === undefined) return;
    const { name, flows } = bridge.plain;
    const flow = flows?.[d[at + 5] as number];
    const inPort = d[at + 7] as number;
    const port = bridge.byNumber.get(inPort)?.plain.name;
    const device = port === undefined ? {} : { device: port };
    const number = d[at + 6] as number;
    const table = flow?.table ?? (number < 0 ? "of a name" : String(number));
    const text =
      flow === undefined
        ? `${name} table ${table}: no flow matches`
        : `${name} table ${table}: ${formatFlow({ ...flow, cookie: "0x0", table: "0", stats: null })}`;
    this.step(d[at + 3] as number, host, "ovs", text, device);
  }

  private routeName(host: number, family: number, index: number): string {
    if (index < 0) return "";
    const { routes, routes6 } = this.net(host).host;
    const route = family === 6 ? routes6[index] : routes[index];
    if (route === undefined) return "";
    if (route.dst.length === 0) return " (default)";
    return ` (${formatIp(route.dst.address)}/${route.dst.length})`;
  }

  private questionText(bits: number, address: number): string {
    return `${(bits & 1) === 0 ? "asks who has" : "nobody has"} ${formatOnPath(familyOf(bits), address)}`;
  }

  private sight(d: Int32Array, at: number, host: number): void {
    const snapshot = d[at + 5] as number;
    this.sightings.push({
      snapshot,
      host: this.net(host).name,
      device: this.device(host, d[at + 3] as number),
      direction: DIRECTIONS[d[at + 4] as number] ?? "in",
      at: this.time,
      ...this.packet(d[snapshot + S_NUMBER] as number),
    });
  }

  private frame(d: Int32Array, at: number, host: number): void {
    const snapshot = d[at + 5] as number;
    const raw = d[snapshot + S_NUMBER] as number;
    const view = packetView(d, snapshot);
    const device = this.device(host, d[at + 3] as number);
    const direction = DIRECTIONS[d[at + 4] as number] ?? "in";
    if (isDiscovery(raw)) {
      const { eth, ip, nd = { type: 0 } } = view;
      const place = { at: this.time, host: this.net(host).name, device, direction };
      const { packet } = this.packet(raw);
      this.ndp.push({ packet, ...place, ...(eth === undefined ? {} : { eth }), ip, nd });
      return;
    }
    this.frames.push({
      ...this.packet(raw),
      at: this.time,
      host: this.net(host).name,
      device,
      direction,
      ...view,
    });
    this.step(raw, host, "frame", direction, { device, packetView: view });
  }

  private arpFrame(d: Int32Array, at: number, host: number): void {
    const s = d[at + 5] as number;
    this.arp.push({
      at: this.time,
      host: this.net(host).name,
      device: this.device(host, d[at + 3] as number),
      direction: DIRECTIONS[d[at + 4] as number] ?? "in",
      eth: { src: formatMac(d[s + S_ETH_SRC] as number), dst: formatMac(d[s + S_ETH_DST] as number) },
      arp: {
        op: d[s + S_L4] === 1 ? "request" : "reply",
        sha: formatMac(d[s + S_INFO] as number),
        spa: formatIpv4(d[s + S_SRC] as number),
        tha: formatMac(d[s + S_INFO2] as number),
        tpa: formatIpv4(d[s + S_DST] as number),
      },
    });
  }

  private hook(d: Int32Array, at: number, host: number): void {
    const snapshot = d[at + 9] as number;
    const raw = d[snapshot + S_NUMBER] as number;
    const name = hookName(d[at + 4] as number);
    const inName = this.device(host, d[at + 5] as number);
    const outName = this.device(host, d[at + 6] as number);
    const physin = this.device(host, d[at + 7] as number);
    const physout = this.device(host, d[at + 8] as number);
    const before: PacketView = packetView(d, snapshot);
    const visit = {
      ...this.packet(raw),
      host: this.net(host).name,
      hook: name,
      ...(inName === "" ? {} : { in: inName }),
      ...(outName === "" ? {} : { out: outName }),
      ...(physin === "" ? {} : { physin }),
      ...(physout === "" ? {} : { physout }),
      before,
      steps: [] as HookStep[],
    };
    this.hooks.push(visit);
    this.open.set(`${host} ${raw}`, { visit, host });
    this.step(raw, host, "hook", name, { packetView: before });
  }

  private ruleStep(d: Int32Array, at: number, host: number): void {
    const raw = d[at + 3] as number;
    const mark = (d[at + 4] as number) >>> 0;
    const place = d[at + 5] as number;
    const index = d[at + 6] as number;
    const evaluated = d[at + 7] as number;
    const number = place >>> 24;
    const net = this.net(host);
    const table = (
      number < FIRST_TABLE_6 ? net.iptables?.tables[number] : net.ip6tables?.tables[number - FIRST_TABLE_6]
    ) as CompiledTable;
    const chain = table.chainAt(place & 0xffffff);
    const kind = d[at] === OP_RULE ? "rule" : d[at] === OP_POLICY ? "policy" : "return";
    const visit = this.open.get(`${host} ${raw}`)?.visit;
    visit?.steps.push({ table: table.name, chain: chain.name, kind, index: index + 1, mark, evaluated });
    if (kind === "rule") {
      const rule = chain.rules[index] as Rule;
      const text = formatRule(chain.name, rule);
      const source = originText(this.network.world, rule.origin);
      const owner = ownerOf(this.network.world, rule.origin);
      this.rules.push({
        ...this.packet(raw),
        host: this.net(host).name,
        backend: "iptables",
        hook: visit?.hook ?? "",
        table: table.name,
        chain: chain.name,
        index: index + 1,
        text,
        ...(source === undefined ? {} : { source }),
        ...(owner === undefined ? {} : { owner }),
      });
      this.step(raw, host, "rule", `${table.name}: ${text}`);
    } else if (kind === "policy" && chain.policy === "DROP") {
      this.step(raw, host, "rule", `${table.name}: -P ${chain.name} DROP`, { verdict: "drop" });
    }
  }

  /** The same of nftables: a table's name goes with its family. */
  private nftStep(d: Int32Array, at: number, host: number): void {
    const raw = d[at + 3] as number;
    const mark = (d[at + 4] as number) >>> 0;
    const place = d[at + 5] as number;
    const index = d[at + 6] as number;
    const evaluated = d[at + 7] as number;
    const { nft } = this.net(host);
    const { plain } = (nft as CompiledNft).tables[place >>> 24] as CompiledNftTable;
    const chain = plain.chains[place & 0xffffff] as NftChain;
    const table = `${plain.family} ${plain.name}`;
    const kind = d[at] === OP_NFT_RULE ? "rule" : d[at] === OP_NFT_POLICY ? "policy" : "return";
    const visit = this.open.get(`${host} ${raw}`)?.visit;
    visit?.steps.push({ table, chain: chain.name, kind, index: index + 1, mark, evaluated });
    if (kind === "rule") {
      const rule = chain.rules[index] as NftRule;
      const text = formatNftRule(rule);
      const source = originText(this.network.world, rule.origin);
      const owner = ownerOf(this.network.world, rule.origin);
      this.rules.push({
        ...this.packet(raw),
        host: this.net(host).name,
        backend: "nft",
        hook: visit?.hook ?? "",
        table,
        chain: chain.name,
        index: index + 1,
        text,
        ...(source === undefined ? {} : { source }),
        ...(owner === undefined ? {} : { owner }),
      });
      this.step(raw, host, "rule", `${table} ${chain.name}: ${text}`);
    } else if (kind === "policy" && chain.base?.policy === "drop") {
      this.step(raw, host, "rule", `${table} ${chain.name}: policy drop`, { verdict: "drop" });
    }
  }

  /** A hook's tables may see a packet only after nat rewrote it: `before` is how the first of them met it. */
  private meetRewritten(key: string, field: "src" | "dst", address: string, port: number): void {
    const open = this.open.get(key);
    if (open === undefined || open.visit.steps.length > 0) return;
    const { before } = open.visit;
    const ports = port < 0 ? undefined : field === "src" ? { sport: port } : { dport: port };
    open.visit.before = {
      ...before,
      ip: { ...before.ip, [field]: address },
      ...(before.tcp === undefined || ports === undefined ? {} : { tcp: { ...before.tcp, ...ports } }),
      ...(before.sctp === undefined || ports === undefined ? {} : { sctp: { ...before.sctp, ...ports } }),
      ...(before.udp === undefined || ports === undefined ? {} : { udp: { ...before.udp, ...ports } }),
    };
  }

  private rewrite(d: Int32Array, at: number, host: number): void {
    const raw = d[at + 3] as number;
    const bits = d[at + 4] as number;
    const field = (bits & 1) === 0 ? "src" : "dst";
    const family = familyOf(bits);
    const end = (address: number, port: number): string =>
      port < 0 ? formatOnPath(family, address) : socketAddressOnPath(family, address, port);
    const from = end(d[at + 5] as number, d[at + 6] as number);
    const to = end(d[at + 7] as number, d[at + 8] as number);
    const free = (bits & 2) !== 0;
    const address = formatOnPath(family, d[at + 7] as number);
    this.meetRewritten(`${host} ${raw}`, field, address, d[at + 8] as number);
    this.rewrites.push({
      ...this.packet(raw),
      host: this.net(host).name,
      field,
      from,
      to,
      ...(free ? { free: true as const } : {}),
    });
    this.step(raw, host, "rewrite", `${field} ${from} → ${to}${free ? " (any free port)" : ""}`);
  }
}

/** The family of the addresses of a record, by the operand that says it. */
function familyOf(bits: number): 4 | 6 {
  return (bits & KEY_IPV6) === 0 ? 4 : 6;
}

/** Is a packet of neighbour discovery, by its number? */
function isDiscovery(raw: number): boolean {
  return raw >= FIRST_DISCOVERY_NUMBER;
}

/** `ingress of veth1, pref 1 u32`. */
function filterName({ dev, hook, head }: TcFilter): string {
  const [, pref = "", kind = ""] = /pref (\d+) (\S+)/.exec(head) ?? [];
  return `${hook} of ${dev}, pref ${pref} ${kind}:`;
}
