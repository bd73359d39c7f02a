import type { Ip6 } from "../../address/ip6-handle.ts";
import type { Ipv4 } from "../../address/ipv4.ts";
import type { Packet } from "../../packet/packet.ts";
import type { Chooser } from "../chooser.ts";
import type { ConntrackTable } from "../conntrack/table.ts";
import type { SetMembership } from "../ipset/set-query.ts";
import type { ConnectionTable } from "../ipvs/connection-table.ts";
import type { FoundSocket, SocketQuestion } from "../outbox.ts";
import type { RecentLists } from "./recent.ts";

/** What a match or target may ask beside the packet itself: where the packet stands, and the host's state. */
export interface RuleContext {
  /** `NF_INET_*`. */
  hook: number;
  /** Interfaces as this hook sees them: process-wide ids of their names (`device/interface-name.ts`), -1 where there is none. */
  inName: number;
  outName: number;
  /** ifindex of the same, 0 where there is none. */
  inIf: number;
  outIf: number;
  readonly conntrack: ConntrackTable;
  readonly chooser: Chooser;
  readonly recent: RecentLists;
  readonly ipsets: SetMembership;
  /** IPVS's connections. */
  readonly ipvsConnections: ConnectionTable;
  /** Virtual time, milliseconds since the Session began. */
  readonly now: number;
  /** `RTN_*` of an address as `inet_addr_type_dev_table` says; `ifindex` 0 for any device (`inet_addr_type`). */
  addressType(address: Ipv4, ifindex: number): number;
  /**
   * The route back to a packet's sender, as `ipt_rpfilter` looks it up: `RTN_*`, with `VIA_IN` where it leaves by the device
   * the packet came in by; -1 where there is none.
   */
  reverseRoute(packet: Packet, mark: number): number;
  /** The same of IPv6 (`ip6t_rpfilter`), which looks for the way by that device first unless it is `loose`. */
  reverseRoute6(packet: Packet, mark: number, loose: boolean): number;
  /** What routing says of an address of IPv6: bits `1 << RTN_*` of LOCAL, ANYCAST and UNREACHABLE; `ifindex` 0 for any device. */
  routedAs6(address: Ip6, ifindex: number): number;
  /** Is it a loopback device? */
  isLoopback(ifindex: number): boolean;
  /** Interned interface-name id of an ifindex, -1 when there is none. */
  nameOf(ifindex: number): number;
  /** The socket here that a packet would come to, null none. */
  findSocket(question: SocketQuestion): FoundSocket | null;
  /**
   * Put a packet's connection on the list that a match keeps (`nf_conncount_count`).
   *
   * @param owner the match
   * @param group the address, as the path holds it, whose connections are counted
   * @returns how many it has; 0 where the last has just ended
   */
  countConnections(owner: object, packet: Packet, group: number): number;
  /** Set by a match that drops the packet by itself: nothing behind it is asked (`xt_action_param.hotdrop`). */
  hotdrop: boolean;
  /** The group of a device; 0 also where there is none. */
  groupOf(ifindex: number): number;
  /**
   * The integers a stateful match keeps (an `nth` counter, a token bucket): journaled, private to this rule on this host,
   * zero at first, gone with the rule.
   */
  matchState(owner: object, size: number): MatchCells;
}

/** @see RuleContext.reverseRoute */
export const VIA_IN = 0x100;

/** @see RuleContext.matchState */
export interface MatchCells {
  get(index: number): number;
  set(index: number, value: number): void;
}

/** A compiled match. Runs per packet: allocates nothing. */
export interface MatchTest {
  test(packet: Packet, context: RuleContext): boolean;
  /** It is nothing but a fresh choice (`CHOICE_STATISTIC`) of these odds, in 2³¹ parts, below all of them. */
  readonly chance?: number | null;
}
