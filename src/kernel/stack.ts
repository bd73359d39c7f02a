import { type Ip6, isMulticast6, samePrefix6 } from "../address/ip6-handle.ts";
import type { Packet } from "../packet/packet.ts";
import type { PacketPool } from "../packet/pool.ts";
import type { Chooser } from "./chooser.ts";
import type { ConntrackTable } from "./conntrack/table.ts";
import { type DevicePlace, type LowerPort, leadsToIp, type Stacking } from "./device/lower-port.ts";
import type { NetDevice } from "./device/net-device.ts";
import type { HostSession } from "./host-session.ts";
import { HostSets } from "./ipset/host-sets.ts";
import type { IpvsSettings } from "./ipvs/compiled-service.ts";
import * as COMPILED_SERVICE from "./ipvs/compiled-service.ts";
import type { ConnectionTable } from "./ipvs/connection-table.ts";
import type { IpvsState } from "./ipvs/ipvs-state.ts";
import type { Locality } from "./ipvs/scheduler/scheduler.ts";
import { OneAddress } from "./nat/range.ts";
import * as NEIGHBOUR from "./neighbour/neighbour.ts";
import { JumpStack } from "./netfilter/do-table.ts";
import { type HookTable, hookTableOf } from "./netfilter/hooks.ts";
import type { RecentLists } from "./netfilter/recent.ts";
import type { MatchCells, RuleContext } from "./netfilter/rule-context.ts";
import * as RULE_CONTEXT from "./netfilter/rule-context.ts";
import type { Target } from "./netfilter/target/target.ts";
import type { Netns } from "./netns.ts";
import { NftRun } from "./nft/compile/nft-run.ts";
import { HostNftSets } from "./nft/host-nft-sets.ts";
import type { FoundSocket, Outbox, SocketQuestion } from "./outbox.ts";
import type { Path } from "./path/path.ts";
import { type FailedNeighbours, FibResult, Flow } from "./route/fib.ts";
import { type InputWays, inputWaysOf } from "./route/input-ways.ts";
import { isLimitedBroadcast, isMulticast, isZeronet } from "./route/output-route.ts";
import { reverseRoute6, routedAs6 } from "./route/reverse-route6.ts";
import * as ROUTE_TYPES from "./route/types.ts";
import * as PAIR_MAP from "./session/pair-map.ts";
import type { Tape } from "./tape.ts";
import * as TAPE from "./tape.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { NEIGH_FAILED, NUD_FAILED } = NEIGHBOUR;
const { ABSENT } = PAIR_MAP;
const { NO_IPVS_SETTINGS } = COMPILED_SERVICE;
const { VIA_IN } = RULE_CONTEXT;
const { RTN_BLACKHOLE, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } = ROUTE_TYPES;
const { OP_DROP } = TAPE;

/** What every host of a walk shares. */
export interface Engine {
  readonly pool: PacketPool;
  readonly outbox: Outbox;
  readonly path: Path;
  chooser: Chooser;
  tape: Tape | null;
  /** Virtual time, milliseconds. */
  readonly clock: { now: number };
  /** Walk chains rule by rule even where an index exists. */
  literal: boolean;
  /** What is known of source ports and ICMP ids that connections were given by free choice: one, or -1. null: nothing is known. */
  chosenPort: ((stack: Stack, ct: number) => number) | null;
  /** ICMP id that the question gives its echoes, -1 where it leaves that to the machine. */
  givenIcmpId: number;
  /**
   * Does some rule of the machine, in whichever namespace, trace packets (`meta nftrace set`, iptables-nft's TRACE)? Then every chain
   * of nftables' asks each packet for its hash (`nft_trace_enabled`, `nft_trace_init`).
   */
  tracesPackets: boolean;
  /** Packets ended, with the last one's reason: what a run without a tape is asked for. */
  drops: number;
  lastReason: number;
  rulesEvaluated: number;
  routeLookups: number;
  readonly unknownTargets: Set<Target>;
  /** A host's kernel, by the host's number. */
  readonly stackOf: (host: number) => Stack;
  /** What else was met that is not modelled, in words. */
  readonly unmodelled: Set<string>;
}

/**
 * One host's kernel at work: its configuration (`net`), what packets left behind on it (`state`) and the walk around it.
 * The functions of `path/` take it as their first argument. It is also the context rules are evaluated in.
 */
export class Stack implements RuleContext {
  readonly host: number;
  readonly net: Netns;
  readonly state: HostSession;
  readonly engine: Engine;
  readonly hooks: HookTable;
  readonly inputWays: InputWays;
  readonly conntrack: ConntrackTable;
  readonly recent: RecentLists;
  readonly ipsets: HostSets;
  readonly nft: NftRun;
  readonly ipvs: IpvsState;
  readonly ipvsSettings: IpvsSettings;
  readonly flow = new Flow();
  readonly fibResult = new FibResult();
  readonly jumpStack = new JumpStack();
  readonly nullBinding = new OneAddress();
  /** By slot: what sits on a device, and what a device sits on. */
  private readonly stacking: Stacking;
  readonly leadsToIp: Uint8Array;
  readonly deviceName: (ifindex: number) => string;
  /** Who did not answer, here or before the dump was taken. */
  readonly failedNeighbours: FailedNeighbours;

  // where the packet stands: set by `nfHook`
  hook = -1;
  inName = -1;
  outName = -1;
  inIf = 0;
  outIf = 0;
  /** What dropped the packet in the table walked last: 0 a rule, −1 a policy. */
  dropBy = 0;
  /** A match drops the packet by itself (`xt_action_param.hotdrop`). */
  hotdrop = false;
  /** errno a local sender sees when OUTPUT drops, where it is not EPERM (`NF_DROP_ERR`); 0 otherwise. */
  dropErrno = 0;
  /** What became of the frame last handed to a device, before the device: 0, or ENOBUFS. */
  xmitErrno = 0;
  /** An ICMP message of this host's is on its way out: until it has left, no other can begin (`icmp_xmit_lock`). */
  icmpLeaves = false;
  /** What may still be sent to the host that an error is for was counted in this very jiffy (`ip_error`). */
  countedJustNow = false;
  /** How many redirections of traffic control lie within one another now (`mirred_nest_level`). */
  mirredNest = 0;
  /** How many frames that nftables' chains of devices send lie within one another now (`nf_dup_skb_recursion`). */
  egressNest = 0;
  /** A copy of a packet is on its way out: of that none is made (`nf_skb_duplicated`). */
  duplicates = false;
  /** The table that a packet is in has sent a copy of it. */
  hasCopied = false;

  constructor(host: number, net: Netns, state: HostSession, engine: Engine, stacking: Stacking) {
    this.host = host;
    this.stacking = stacking;
    this.leadsToIp = leadsToIp(net.devices, stacking);
    this.net = net;
    this.state = state;
    this.engine = engine;
    this.hooks = hookTableOf(net);
    this.inputWays = inputWaysOf(net);
    this.conntrack = state.conntrack;
    this.conntrack.accounts = net.conntrackAccounts;
    this.recent = state.recent;
    this.recent.adopt(net.recentLists);
    this.ipsets = new HostSets(net.host.ipsets ?? [], state.ipsets, engine.clock.now);
    const nftSets = new HostNftSets(net.nft, state.nftSets, engine.clock.now);
    this.nft = new NftRun(this, nftSets, engine.pool.take());
    engine.pool.release(this.nft.packet);
    this.ipvs = state.ipvs;
    this.ipvs.adopt(net.ipvs);
    this.ipvsSettings = net.ipvs?.settings ?? NO_IPVS_SETTINGS;
    this.failedNeighbours = {
      has: (device, address) => {
        const learned = state.neighbours.get(device, address);
        return (
          learned === NEIGH_FAILED ||
          (learned === ABSENT && net.neighbours.nud(device, address) === NUD_FAILED)
        );
      },
    };
    this.deviceName = (ifindex) => net.device(ifindex)?.name ?? "";
  }

  get tape(): Tape | null {
    return this.engine.tape;
  }
  get pool(): PacketPool {
    return this.engine.pool;
  }
  get path(): Path {
    return this.engine.path;
  }
  get outbox(): Outbox {
    return this.engine.outbox;
  }
  get chooser(): Chooser {
    return this.engine.chooser;
  }
  get literal(): boolean {
    return this.engine.literal;
  }
  get ipvsConnections(): ConnectionTable {
    return this.ipvs.connections;
  }
  get locality(): Locality {
    return this.ipvs.locality;
  }
  get now(): number {
    return this.engine.clock.now;
  }
  get rulesEvaluated(): number {
    return this.engine.rulesEvaluated;
  }
  set rulesEvaluated(value: number) {
    this.engine.rulesEvaluated = value;
  }
  get routeLookups(): number {
    return this.engine.routeLookups;
  }
  set routeLookups(value: number) {
    this.engine.routeLookups = value;
  }
  get unknownTargets(): Set<Target> {
    return this.engine.unknownTargets;
  }

  /** What sits on a device, null where nothing does. */
  lowerPort(dev: NetDevice): LowerPort | null {
    return this.stacking.ports[dev.slot] ?? null;
  }

  /** What a device sits on, null where that is unknown. */
  lowerOf(dev: NetDevice): DevicePlace | null {
    return this.stacking.lowers[dev.slot] ?? null;
  }

  device(ifindex: number): NetDevice | null {
    return this.net.device(ifindex);
  }

  nameOf(ifindex: number): number {
    return this.net.device(ifindex)?.nameId ?? -1;
  }

  groupOf(ifindex: number): number {
    return this.net.device(ifindex)?.plain.group ?? 0;
  }

  findSocket(question: SocketQuestion): FoundSocket | null {
    return this.engine.outbox.upcalls.findSocket(this, question);
  }

  countConnections(owner: object, packet: Packet, group: number): number {
    const cells = this.matchState(owner, 1);
    if (cells.get(0) === 0) cells.set(0, this.state.connectionCounts.newList());
    return this.state.connectionCounts.addByGroup(cells.get(0), packet, this.conntrack, group);
  }

  matchState(owner: object, size: number): MatchCells {
    return this.state.matchState(owner, size);
  }

  /**
   * `inet_addr_type` (ifindex 0) or `inet_addr_type_dev_table`: what the local table says of an address. Of IPv6, whether it is
   * this host's own, anycast or a group's.
   */
  addressType(address: number, ifindex: number, family = 4): number {
    return this.typeIn(this.device(ifindex)?.vrf ?? null, address, ifindex, family);
  }

  /** `inet_addr_type_dev_table`: what the table says in which a device's own addresses are, its VRF's or the local one. */
  addressTypeBy(address: number, dev: NetDevice | null, family = 4): number {
    return this.typeIn(dev?.vrf ?? null, address, 0, family);
  }

  private typeIn(vrf: NetDevice | null, address: number, ifindex: number, family: number): number {
    if (family === 6) {
      if (isMulticast6(address)) return RTN_MULTICAST;
    } else {
      if (isZeronet(address) || isLimitedBroadcast(address)) return RTN_BROADCAST;
      if (isMulticast(address)) return RTN_MULTICAST;
    }
    const fib = this.net.routing(family === 6 ? 6 : 4);
    const table = vrf?.vrfTable ?? null;
    const local = table === null ? fib.local : fib.tables.get(table);
    if (local === null || local === undefined) return RTN_UNICAST;
    const { keys, routes, longest } = local.columns ?? local.compile();
    // A balancer has thousands of addresses: the first that may match is looked up.
    const first = longest === null ? 0 : longest.lookup(address);
    if (first < 0) return RTN_UNICAST;
    for (let i = first * 2; i < keys.length; i += 2) {
      const key = keys[i] as number;
      const mask = keys[i + 1] as number;
      if (family === 6 ? !samePrefix6(address, key, mask) : (address & mask) !== key) continue;
      const route = routes[i >> 1];
      if (route === undefined) continue;
      if (ifindex !== 0 && route.nextHops[0]?.dev?.ifindex !== ifindex) continue;
      return route.type >= RTN_BLACKHOLE ? RTN_UNICAST : route.type;
    }
    return RTN_UNICAST;
  }

  /** `rpfilter_mt`'s look-up, of IPv6 by the device it came in by where another will not do better (`rt6_device_match`). */
  reverseRoute(packet: Packet, mark: number): number {
    const flow = this.flow;
    const { dst, family } = packet;
    const six = family === 6;
    const toOne = six ? !isMulticast6(dst) : !(isMulticast(dst) || isLimitedBroadcast(dst) || isZeronet(dst));
    flow.daddr = packet.src;
    flow.saddr = toOne ? dst : 0;
    flow.oif = six ? this.inIf : 0;
    flow.iif = this.net.loopback?.ifindex ?? 1;
    flow.mark = mark;
    flow.tos = packet.tos & 0x1e;
    flow.proto = six ? packet.protocol : 0;
    flow.uid = 0;
    flow.hasPorts = false;
    flow.via = this.inIf;
    flow.viaOnly = false;
    flow.neighbours = null;
    flow.inVrf = this.device(this.inIf)?.vrf?.ifindex ?? 0;
    const result = this.fibResult;
    this.net.routing(six ? 6 : 4).lookup(flow, result, this.deviceName);
    const route = result.route;
    if (result.error !== 0 || route === null) return -1;
    for (let i = 0; i < route.nextHops.length; i++) {
      const dev = route.nextHops[i]?.dev;
      if (dev?.ifindex === this.inIf || dev?.vrf?.ifindex === this.inIf) return route.type | VIA_IN;
    }
    return route.type;
  }

  reverseRoute6(packet: Packet, mark: number, loose: boolean): number {
    return reverseRoute6(this, packet, this.inIf, loose, mark, VIA_IN);
  }

  routedAs6(address: Ip6, ifindex: number): number {
    return routedAs6(this, address, ifindex);
  }

  isLoopback(ifindex: number): boolean {
    return this.net.device(ifindex)?.isLoopback ?? false;
  }

  /** Is it an address of this host, of whichever VRF (`__ip_dev_find`)? */
  isLocal(address: number, family = 4): boolean {
    if (this.addressType(address, 0, family) === RTN_LOCAL) return true;
    if (!this.net.hasVrfs) return false;
    return this.net.devices.some(({ addresses, addresses6 }) =>
      (family === 6 ? addresses6 : addresses).some((entry) => entry.address === address),
    );
  }

  /** Note that a packet ends here and why; the caller still owns it. */
  drop(packet: Packet, reasonNumber: number): void {
    this.engine.drops++;
    this.engine.lastReason = reasonNumber;
    this.engine.tape?.words4(OP_DROP, this.host, packet.number, reasonNumber, packet.dev);
  }

  /** End a packet: note why, and give it back. */
  kill(packet: Packet, reasonNumber: number): void {
    this.drop(packet, reasonNumber);
    this.engine.pool.release(packet);
  }
}
