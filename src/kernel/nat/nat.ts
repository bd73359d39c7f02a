import { compare6, hash6, type Ip6, intern, word6 } from "../../address/ip6-handle.ts";
import * as PACKET from "../../packet/packet.ts";
import { isIcmp, type Packet } from "../../packet/packet.ts";
import * as CHOOSER from "../chooser.ts";
import { inverseType } from "../conntrack/icmp.ts";
import * as STATUS from "../conntrack/status.ts";
import { ctInfoDirection } from "../conntrack/status.ts";
import type { ConntrackTable } from "../conntrack/table.ts";
import * as TCP from "../conntrack/tcp.ts";
import { zoneId } from "../conntrack/zone.ts";
import type { NfVerdict } from "../netfilter/hook.ts";
import * as HOOK from "../netfilter/hook.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import { jhashAddress, jhashAddress6, reciprocalScale, swap32 } from "./jhash.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, KEY_IPV6 } = PACKET;
const { IPS_CONFIRMED, IPS_DST_NAT, IPS_DST_NAT_DONE, IPS_NAT_MASK, IPS_SRC_NAT, IPS_SRC_NAT_DONE } = STATUS;
const { CHOICE_SEQUENCE } = CHOOSER;
const { TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_TIME_WAIT } = TCP;
const { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_IN, NF_INET_POST_ROUTING } = HOOK;
const { OP_REWRITE } = TAPE;

/** Network address translation of a connection (net/netfilter/nf_nat_core.c). Runs per packet. */

export const NF_NAT_MANIP_SRC = 0;
export const NF_NAT_MANIP_DST = 1;
export type Manip = typeof NF_NAT_MANIP_SRC | typeof NF_NAT_MANIP_DST;

/** `HOOK2MANIP`. */
export function hookManip(hook: number): Manip {
  return hook === NF_INET_POST_ROUTING || hook === NF_INET_LOCAL_IN ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
}

/** What a translation may choose from (`struct nf_nat_range2`). */
export interface NatRange {
  /** Addresses of the connection's family, inclusive; `mapAddresses` false leaves the address. */
  readonly mapAddresses: boolean;
  readonly minAddress: number;
  readonly maxAddress: number;
  readonly ports: boolean;
  readonly minPort: number;
  readonly maxPort: number;
  /** `--random` or `--random-fully`: the port is any free one. */
  readonly random: boolean;
  /** DNAT's shifted port map: the port that `minPort` stands for, null without one. */
  readonly portBase: number | null;
  /** `--persistent`: a client gets the same address for every destination. */
  readonly persistent: boolean;
}

/** A range filled anew for every translation that has one address only (MASQUERADE, REDIRECT, the null binding). */
export class OneAddress implements NatRange {
  mapAddresses = true;
  minAddress = 0;
  maxAddress = 0;
  ports = false;
  minPort = 0;
  maxPort = 0;
  random = false;
  persistent = false;
  readonly portBase: number | null = null;

  set(address: number): this {
    this.minAddress = address;
    this.maxAddress = address;
    return this;
  }
}

export function natInitialized(table: ConntrackTable, ct: number, manip: Manip): boolean {
  return (table.status(ct) & (manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE)) !== 0;
}

/** `nf_nat_setup_info`: bind a connection's source or destination, once. */
export function natSetup(stack: Stack, ct: number, range: NatRange, manip: Manip): NfVerdict {
  const table = stack.conntrack;
  // What stands in the table already stays as it is: a rule that came later has no part in it.
  if ((table.status(ct) & IPS_CONFIRMED) !== 0) return NF_ACCEPT;
  if (natInitialized(table, ct, manip)) return NF_DROP;
  const proto = table.protoKey(ct);
  // What the connection looks like now, seen from the original direction: the reply tuple inverted.
  const icmp = isIcmpKey(proto);
  let src = table.replyDst(ct);
  let dst = table.replySrc(ct);
  let sport = icmp ? table.replySport(ct) : table.replyDport(ct);
  let dport = icmp ? table.origDport(ct) : table.replySport(ct);
  const srcBefore = src;
  const dstBefore = dst;
  const sportBefore = sport;
  const dportBefore = dport;
  const ports = hasPorts(proto & 0xff);

  if (manip === NF_NAT_MANIP_SRC) {
    const inRange = isInRange(src, sport, range, proto);
    const mapped = range.random || inRange ? -1 : findAppropriateSource(table, ct, src, sport, proto, range);
    const mappedSrc = mapped < 0 ? 0 : table.replyDst(mapped);
    const mappedSport = mapped < 0 ? 0 : icmp ? table.replySport(mapped) : table.replyDport(mapped);
    if (mapped >= 0 && !taken(table, mappedSrc, dst, mappedSport, dport, proto, ct)) {
      src = mappedSrc;
      sport = mappedSport;
    } else if (!(inRange && !range.random && !taken(table, src, dst, sport, dport, proto, ct))) {
      if (range.mapAddresses) src = pickAddress(range, src, dst, proto, manip, table.zone(ct));
      const keep =
        !range.random &&
        (!range.ports || (sport >= range.minPort && sport <= range.maxPort)) &&
        !taken(table, src, dst, sport, dport, proto, ct);
      if (!keep && (ports || icmp)) {
        const known = stack.engine.chosenPort?.(stack, ct) ?? -1;
        const chosen = freePort(stack, src, dst, sport, dport, proto, ct, range, true, known);
        if (chosen !== sport || range.random) table.setFreePort(ct);
        sport = chosen;
      }
    }
  } else {
    if (range.mapAddresses) dst = pickAddress(range, src, dst, proto, manip, table.zone(ct));
    if (range.ports && ports) {
      const inside = dport >= range.minPort && dport <= range.maxPort;
      const keep =
        !range.random &&
        range.portBase === null &&
        inside &&
        (range.minPort === range.maxPort || !taken(table, src, dst, sport, dport, proto, ct));
      if (!keep) {
        const chosen =
          range.minPort === range.maxPort
            ? range.minPort
            : freePort(stack, src, dst, sport, dport, proto, ct, range, false);
        dport = chosen;
      }
    } else if (icmp && !keepsId(table, src, dst, sport, dport, proto, ct, range)) {
      // A destination without a range keeps its port, taken or not; an ICMP id is another matter, and counts as the source's.
      const chosen = freePort(stack, src, dst, sport, dport, proto, ct, range, false);
      if (range.random) table.setFreePort(ct);
      sport = chosen;
    }
  }

  if (src !== srcBefore || dst !== dstBefore || sport !== sportBefore || dport !== dportBefore) {
    if (icmp) table.alterReply(ct, dst, src, sport, table.replyDport(ct));
    else table.alterReply(ct, dst, src, dport, sport);
    table.setStatus(ct, manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT);
    if (sport !== sportBefore) table.portsMoved = true;
  }
  table.setStatus(ct, manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE);
  return NF_ACCEPT;
}

/** `nf_in_range`, of a source. */
function isInRange(src: number, sport: number, range: NatRange, proto: number): boolean {
  if (range.mapAddresses && !between(src, range, proto)) return false;
  if (!range.ports || !(hasPorts(proto & 0xff) || isIcmpKey(proto))) return true;
  return sport >= range.minPort && sport <= range.maxPort;
}

/** `l4proto_in_range` and what follows it in `get_unique_tuple`, of an ICMP id. */
function keepsId(
  table: ConntrackTable,
  src: number,
  dst: number,
  sport: number,
  dport: number,
  proto: number,
  self: number,
  range: NatRange,
): boolean {
  if (range.random) return false;
  const free = () => !taken(table, src, dst, sport, dport, proto, self);
  if (!range.ports) return free();
  if (range.portBase !== null || sport < range.minPort || sport > range.maxPort) return false;
  return range.minPort === range.maxPort || free();
}

/**
 * `find_appropriate_src`: the last connection that came from the same address and port, if what it was given is within the range:
 * another of the same source is given the same. -1 none.
 */
function findAppropriateSource(
  table: ConntrackTable,
  self: number,
  src: number,
  sport: number,
  proto: number,
  range: NatRange,
): number {
  // Of one address, where no port was ever changed, it is what is chosen anyway.
  if (range.minAddress === range.maxAddress && !table.portsMoved) return -1;
  const icmp = isIcmpKey(proto);
  const zone = zoneId(table.zone(self), 0);
  let found = -1;
  table.forEach((ct) => {
    if (table.origSrc(ct) !== src || table.origSport(ct) !== sport || table.protoKey(ct) !== proto) return;
    if (zoneId(table.zone(ct), 0) !== zone || !natInitialized(table, ct, NF_NAT_MANIP_SRC)) return;
    const port = icmp ? table.replySport(ct) : table.replyDport(ct);
    if (isInRange(table.replyDst(ct), port, range, proto)) found = ct;
  });
  return found;
}

/** `nf_nat_alloc_null_binding`: no rule wanted a translation; keep the address, but see that the tuple is unique. */
export function natNullBinding(stack: Stack, ct: number, manip: Manip): NfVerdict {
  const table = stack.conntrack;
  const address = manip === NF_NAT_MANIP_SRC ? table.replyDst(ct) : table.replySrc(ct);
  const range = stack.nullBinding.set(address);
  return natSetup(stack, ct, range, manip);
}

/** `nf_nat_used_tuple`: would the answers to this tuple be taken for another connection's? */
function taken(
  table: ConntrackTable,
  src: number,
  dst: number,
  sport: number,
  dport: number,
  proto: number,
  self: number,
): boolean {
  return isIcmpKey(proto)
    ? table.isTakenFor(self, dst, src, sport, inverseCode(dport, proto), proto)
    : table.isTakenFor(self, dst, src, dport, sport, proto);
}

/** ICMP or ICMPv6, by a protocol with its family. */
function isIcmpKey(key: number): boolean {
  return key === IPPROTO_ICMP || key === (IPPROTO_ICMPV6 | KEY_IPV6);
}

function hasPorts(protocol: number): boolean {
  return protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_SCTP;
}

/** Type and code of the answer to a message. */
function inverseCode(typeAndCode: number, key: number): number {
  return (inverseType(typeAndCode >> 8, (key & KEY_IPV6) === 0 ? 4 : 6) << 8) | (typeAndCode & 0xff);
}

/**
 * `find_best_ips_proto`: one address of a range, by the kernel's own hash of the pair, so that a client keeps its address.
 *
 * @param src source and `dst` destination of the tuple, whichever of them is chosen
 */
function pickAddress(
  range: NatRange,
  src: number,
  dst: number,
  proto: number,
  manip: Manip,
  zone: number,
): number {
  if (range.minAddress === range.maxAddress) return range.minAddress;
  const id = zone & 0xffff;
  if ((proto & KEY_IPV6) !== 0) return pickAddress6(range, src, dst, manip, id);
  const min = range.minAddress >>> 0;
  const max = range.maxAddress >>> 0;
  const hash = jhashAddress(swap32(src), range.persistent ? 0 : swap32(dst) ^ id);
  return (min + reciprocalScale(hash, max - min + 1)) | 0;
}

function swapped(address: Ip6, i: number): number {
  return swap32(word6(address, i));
}

const picked = new Int32Array(4);

/** The same of IPv6: word by word, the whole of a word's values once an earlier one is below the last address's. */
function pickAddress6(range: NatRange, src: Ip6, dst: Ip6, manip: Manip, zone: number): Ip6 {
  const seed = range.persistent ? 0 : swapped(dst, 3) ^ zone;
  let hash = jhashAddress6(swapped(src, 0), swapped(src, 1), swapped(src, 2), swapped(src, 3), seed);
  let wholeWord = false;
  for (let i = 0; i < 4; i++) {
    const last = word6(range.maxAddress, i);
    const first = wholeWord ? 0 : word6(range.minAddress, i);
    // 32-bit arithmetic, as the kernel's: a range of all values has the size 0.
    const size = wholeWord ? 0xffffffff : (last - first + 1) >>> 0;
    picked[i] = first + reciprocalScale(hash, size);
    if (picked[i] !== last) wholeWord = true;
    // The destination is already written over where it is the one that is chosen.
    const other = manip === NF_NAT_MANIP_DST ? (picked[i] as number) : word6(dst, i);
    if (!range.persistent) hash = (hash ^ swap32(other)) >>> 0;
  }
  return intern(picked[0] as number, picked[1] as number, picked[2] as number, picked[3] as number);
}

/**
 * `nf_nat_l4proto_unique_tuple`: a port (or ICMP id) nobody uses, or the last that was tried, whose connection cannot be confirmed.
 * Where it starts looking is free choice; ours is a hash.
 */
function freePort(
  stack: Stack,
  src: number,
  dst: number,
  sport: number,
  dport: number,
  proto: number,
  self: number,
  range: NatRange,
  source: boolean,
  known = -1,
): number {
  let min: number;
  let size: number;
  if (range.ports) {
    min = range.minPort;
    size = range.maxPort - range.minPort + 1;
  } else if (isIcmpKey(proto)) {
    min = 0;
    size = 65536;
  } else if (sport < 512) {
    min = 1;
    size = 511;
  } else if (sport < 1024) {
    min = 600;
    size = 424;
  } else {
    min = 1024;
    size = 64512;
  }
  const six = (proto & KEY_IPV6) !== 0;
  let h =
    Math.imul(six ? hash6(src) : src, 0x9e3779b1) ^
    Math.imul(six ? hash6(dst) : dst, 0x85ebca77) ^
    Math.imul((sport << 16) | dport, 0xc2b2ae3d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  let start = (h >>> 8) % size;
  // NF_NAT_RANGE_PROTO_OFFSET: the port keeps its distance from the base; a destination's otherwise begins at the first.
  if (range.portBase !== null) start = (((dport - range.portBase) % size) + size) % size;
  else if (!source && !range.random) start = 0;
  else if (known >= min && known < min + size) start = known - min;
  let port = min;
  for (let attempts = Math.min(size, MAX_ATTEMPTS); ; attempts >>= 1) {
    for (let i = 0; i < attempts; i++) {
      port = min + ((start + i) % size);
      const left = attempts - i;
      const used =
        source || isIcmpKey(proto)
          ? takenHarder(stack, src, dst, port, dport, proto, self, left)
          : takenHarder(stack, src, dst, sport, port, proto, self, left);
      if (!used) return port;
    }
    // "Pick a new one and try again, with ever smaller search window."
    if (attempts >= size || attempts < 16) return port;
    h = Math.imul(h ^ (h >>> 13), 0x2c1b3c6d);
    start = (h >>> 8) % size;
  }
}

/** `NF_NAT_MAX_ATTEMPTS`; among the last `NF_NAT_HARDER_THRESH` of them a connection that is over gives way. */
const MAX_ATTEMPTS = 128;
const HARDER_ATTEMPTS = MAX_ATTEMPTS / 4;
const EITHER = [1, 1] as const;

/**
 * `nf_nat_used_tuple_harder` (Linux 6.1 has none of it): a new TCP connection may have the port of a translated one that is closed, if its
 * sequence numbers are beyond the other's, which is as likely as not.
 */
function takenHarder(
  stack: Stack,
  src: number,
  dst: number,
  sport: number,
  dport: number,
  proto: number,
  self: number,
  attemptsLeft: number,
): boolean {
  const table = stack.conntrack;
  if (!taken(table, src, dst, sport, dport, proto, self)) return false;
  if ((proto & 0xff) !== IPPROTO_TCP || attemptsLeft > HARDER_ATTEMPTS) return true;
  if (table.tcpState(self) !== TCP_CONNTRACK_SYN_SENT) return true;
  const node = table.find(dst, src, dport, sport, proto, table.zone(self));
  const old = node >> 1;
  if ((node & 1) === 0 || !mayKill(table, old)) return true;
  const key1 = Math.imul(table.origSport(self) + 1, 0x9e3779b1) ^ Math.imul(old + 1, 0x01000193) ^ sport;
  const key0 = (proto & KEY_IPV6) === 0 ? src : hash6(src);
  if (stack.chooser.flow(CHOICE_SEQUENCE, key0, key1, EITHER) !== 0) return true;
  // "Even if we can evict do not reuse if entry is offloaded."
  const offloaded = table.flowtable(old) !== 0;
  table.remove(old);
  return offloaded;
}

/** `nf_nat_may_kill`. */
function mayKill(table: ConntrackTable, ct: number): boolean {
  return table.tcpState(ct) >= TCP_CONNTRACK_TIME_WAIT && (table.status(ct) & IPS_SRC_NAT) !== 0;
}

/** `nf_nat_inet_in_range`: unsigned comparison of addresses. */
function between(address: number, { minAddress: min, maxAddress: max }: NatRange, proto: number): boolean {
  if ((proto & KEY_IPV6) !== 0) return compare6(address, min) >= 0 && compare6(address, max) <= 0;
  const a = address >>> 0;
  return a >= min >>> 0 && a <= max >>> 0;
}

/** `nf_nat_packet`: rewrite a packet of a bound connection, where this hook's half of the translation applies. */
export function natPacket(stack: Stack, packet: Packet, manip: Manip): NfVerdict {
  const table = stack.conntrack;
  const ct = packet.ct;
  const reply = ctInfoDirection(packet.ctInfo) === 1;
  let bit = manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT;
  if (reply) bit ^= IPS_NAT_MASK;
  if ((table.status(ct) & bit) === 0) return NF_ACCEPT;
  // The target is the other direction's tuple inverted.
  const icmp = isIcmp(packet);
  const address =
    manip === NF_NAT_MANIP_SRC
      ? reply
        ? table.origDst(ct)
        : table.replyDst(ct)
      : reply
        ? table.origSrc(ct)
        : table.replySrc(ct);
  let port = 0;
  if (icmp) port = reply ? table.origSport(ct) : table.replySport(ct);
  else if (manip === NF_NAT_MANIP_SRC) port = reply ? table.origDport(ct) : table.replyDport(ct);
  else port = reply ? table.origSport(ct) : table.replySport(ct);
  rewrite(
    stack,
    packet,
    packet,
    manip,
    address,
    port,
    manip === NF_NAT_MANIP_SRC && table.freePort(ct) && !reply,
  );
  return NF_ACCEPT;
}

/**
 * `nf_nat_ipv4_manip_pkt`, `nf_nat_ipv6_manip_pkt`: set one end of a packet.
 *
 * @param shown the packet whose rewriting the trace tells of; differs from `packet` for the one quoted in an error
 */
export function rewrite(
  stack: Stack,
  shown: Packet,
  packet: Packet,
  manip: Manip,
  address: number,
  port: number,
  free: boolean,
): void {
  const protocol = packet.protocol;
  const ports = hasPorts(protocol);
  const tape = stack.tape;
  if (tape !== null && shown === packet) {
    const oldPort = ports ? (manip === NF_NAT_MANIP_SRC ? packet.sport : packet.dport) : -1;
    const old = manip === NF_NAT_MANIP_SRC ? packet.src : packet.dst;
    if (old !== address || (ports && oldPort !== port)) {
      tape.words8(
        OP_REWRITE,
        stack.host,
        packet.number,
        manip | (free ? 2 : 0) | (packet.family === 6 ? KEY_IPV6 : 0),
        old,
        oldPort,
        address,
        ports ? port : -1,
        stack.hook,
      );
    }
  }
  if (manip === NF_NAT_MANIP_SRC) {
    packet.src = address;
    if (ports) packet.sport = port;
  } else {
    packet.dst = address;
    if (ports) packet.dport = port;
  }
  if (isIcmp(packet) && packet.inner === null) packet.icmpId = port;
}
