import * as MAC from "../../address/mac.ts";
import { checksumVerified } from "../../packet/checksum.ts";
import * as PACKET from "../../packet/packet.ts";
import { isIcmp, type Packet, protocolKey } from "../../packet/packet.ts";
import { hasPorts } from "../../packet/ports.ts";
import { udpliteCoverage } from "../../packet/wire/udplite.ts";
import type { NfVerdict } from "../netfilter/hook.ts";
import * as HOOK from "../netfilter/hook.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { beginsConnection, inverseType, isIcmpError, isUntrackedIcmp6 } from "./icmp.ts";
import { sctpPacket } from "./sctp.ts";
import * as STATUS from "./status.ts";
import { ctInfoDirection } from "./status.ts";
import type { ConntrackTable } from "./table.ts";
import * as TCP from "./tcp.ts";
import { reopens, tcpPacket } from "./tcp.ts";
import { type ConntrackTimeouts, policyOf } from "./timeouts.ts";
import * as ZONE from "./zone.ts";
import { zoneOfTemplate } from "./zone.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { MAC_ZERO } = MAC;
const { IPPROTO_UDPLITE, IPPROTO_GRE, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, NDISC_REDIRECT } = PACKET;
const { NF_ACCEPT, NF_DROP, NF_INET_PRE_ROUTING } = HOOK;
const {
  CT_NONE,
  CT_OF_UNTRACKED,
  CT_UNTRACKED,
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DYING,
  IPS_EXPECTED,
  IPS_NAT_MASK,
  IPS_SEEN_REPLY,
  IPS_TIMEOUT_POLICY,
} = STATUS;
const { TCP_INVALID, TCP_PASSED_BY } = TCP;
const { NO_TEMPLATE } = ZONE;

const CONNTRACK_CLASH = reason("conntrack-clash");
const CONNTRACK_FULL = reason("conntrack-full");
const NAT_EXHAUSTED = reason("nat-exhausted");

/**
 * `nf_conntrack_in`: find or make the entry a packet belongs to. Hooked at PREROUTING and OUTPUT, priority −200.
 * Runs per packet.
 */
export function conntrackIn(stack: Stack, packet: Packet): NfVerdict {
  // Seen before (loopback), or told not to look.
  if (packet.ct === CT_OF_UNTRACKED) packet.ct = CT_NONE;
  if (packet.ct !== CT_NONE) return NF_ACCEPT;
  const zone = zoneOfTemplate(packet.ctTemplate, packet.mark);
  packet.ctTemplate = NO_TEMPLATE;
  const table = stack.conntrack;
  const { protocol, family, icmpType } = packet;
  const key = protocolKey(packet);
  const icmp = isIcmp(packet);
  let sport: number;
  let dport: number;
  if (icmp) {
    if (family === 6 && isUntrackedIcmp6(icmpType)) {
      packet.ct = CT_UNTRACKED;
      return NF_ACCEPT;
    }
    if (isIcmpError(icmpType, family)) {
      attachError(table, packet, zone);
      return NF_ACCEPT;
    }
    if (family === 6 && icmpType === NDISC_REDIRECT) {
      // `nf_conntrack_icmpv6_redirect`: what it quotes is looked for in the first option only, before which Linux puts a MAC.
      if (packet.ndLladdr === MAC_ZERO) attachError(table, packet, zone);
      return NF_ACCEPT;
    }
    if (inverseType(icmpType, family) < 0) return NF_ACCEPT;
    sport = packet.icmpId;
    dport = (packet.icmpType << 8) | packet.icmpCode;
  } else if (hasPorts(protocol)) {
    if (packet.fragOffset !== 0) return NF_ACCEPT;
    sport = packet.sport;
    dport = packet.dport;
  } else {
    // `udplite_error`: it is INVALID.
    const { content } = packet;
    if (protocol === IPPROTO_UDPLITE && content !== null && udpliteCoverage(content) < 0) return NF_ACCEPT;
    sport = 0;
    dport = 0;
  }
  let node = table.find(packet.src, packet.dst, sport, dport, key, zone);
  const isUnseen = node < 0;
  if (node >= 0 && reopens(table, node >> 1, packet, node & 1)) {
    table.remove(node >> 1);
    node = -1;
  }
  let isNew = false;
  if (node < 0 && isFull(stack) && !earlyDrop(stack)) {
    stack.drop(packet, CONNTRACK_FULL);
    return NF_DROP;
  }
  if (node < 0) {
    if (icmp) {
      if (!beginsConnection(icmpType, family)) return NF_ACCEPT;
      const ct = table.create(
        packet.src,
        packet.dst,
        sport,
        dport,
        sport,
        (inverseType(icmpType, family) << 8) | packet.icmpCode,
        key,
        zone,
      );
      node = ct * 2;
    } else {
      node = table.create(packet.src, packet.dst, sport, dport, dport, sport, key, zone) * 2;
    }
    isNew = true;
    if (isUnseen) table.noteFresh(node >> 1);
    if (table.expectations.size > 0) expected(table, node >> 1, packet, dport, key, zone);
  }
  const ct = node >> 1;
  let info: number;
  if ((node & 1) === 1) info = IP_CT_ESTABLISHED_REPLY;
  else if ((table.status(ct) & IPS_SEEN_REPLY) !== 0) info = IP_CT_ESTABLISHED;
  else info = (table.status(ct) & IPS_EXPECTED) !== 0 ? IP_CT_RELATED : IP_CT_NEW;
  packet.ct = ct;
  packet.ctInfo = info;
  const { net } = stack;
  const hasPolicy = (table.status(ct) & IPS_TIMEOUT_POLICY) !== 0;
  const timeouts = hasPolicy ? policyOf(table.extensions.policy(ct)) : net.conntrackTimeouts;
  let passedBy = false;
  if (protocol === IPPROTO_TCP) {
    const { tcpLoose, tcpLiberal } = net;
    const tracking = hasPolicy ? { tcpLoose, tcpLiberal, conntrackTimeouts: timeouts } : net;
    const made = tcpPacket(table, ct, info, packet, isNew, tracking);
    if (made === TCP_INVALID) {
      packet.ct = CT_NONE;
      packet.ctInfo = 0;
      return NF_ACCEPT;
    }
    passedBy = made === TCP_PASSED_BY;
  } else if (protocol === IPPROTO_UDP) {
    // `udp_error`
    if (stack.hook === NF_INET_PRE_ROUTING) checksumVerified(packet);
    udpPacket(table, ct, isNew, timeouts);
  } else if (protocol === IPPROTO_SCTP) {
    if (!sctpPacket(table, ct, info, packet, isNew, timeouts)) {
      packet.ct = CT_NONE;
      packet.ctInfo = 0;
      return NF_ACCEPT;
    }
  } else if (protocol === IPPROTO_GRE) grePacket(table, ct, timeouts);
  else table.refresh(ct, icmp ? (family === 6 ? timeouts.icmp6 : timeouts.icmp) : timeouts.generic);
  if (table.accounts && !passedBy) table.extensions.account(ct, node & 1, packet.length);
  if (info === IP_CT_ESTABLISHED_REPLY) table.setStatus(ct, IPS_SEEN_REPLY);
  return NF_ACCEPT;
}

/** `init_conntrack`: a connection that was announced, and its master is in the table, is RELATED and bears its mark. */
function expected(
  table: ConntrackTable,
  ct: number,
  { src, dst }: Packet,
  dport: number,
  key: number,
  zone: number,
): void {
  const isThere = (master: number) =>
    (table.status(master) & (IPS_CONFIRMED | IPS_DYING)) === IPS_CONFIRMED &&
    table.expires(master) > table.now;
  const master = table.expectations.take(src, dst, dport, key, zone, table.now, isThere);
  if (master < 0) return;
  table.setStatus(ct, IPS_EXPECTED);
  table.setMark(ct, table.mark(master));
}

/** Would one connection more be too many (`nf_conntrack_max`; 0: any number)? */
function isFull({ net, conntrack }: Stack): boolean {
  return net.conntrackMax > 0 && conntrack.size >= net.conntrackMax;
}

/** Each connection stands in two chains of the kernel's table; a full table looks through this many for one to give up. */
const EVICTION_CHAINS = 8;

/**
 * `early_drop`: a full table gives up a connection that is not ASSURED, if there is one in the chains it looks through. Which
 * chains those are depends on a secret of the boot: one is found where that many hold one on average, and is the oldest.
 */
function earlyDrop({ net, conntrack }: Stack): boolean {
  let oldest = -1;
  let unassured = 0;
  conntrack.forEach((ct) => {
    if ((conntrack.status(ct) & IPS_ASSURED) !== 0) return;
    if (oldest < 0) oldest = ct;
    unassured++;
  });
  if (unassured * 2 * EVICTION_CHAINS < net.conntrackBuckets || oldest < 0) return false;
  conntrack.remove(oldest);
  return true;
}

/** `nf_conntrack_udp_packet`: a stream is ASSURED once it goes on two seconds after it began. */
function udpPacket(
  table: ConntrackTable,
  ct: number,
  isNew: boolean,
  { udp, udpStream }: ConntrackTimeouts,
): void {
  if (isNew) table.setStreamAt(ct, table.now + 2000);
  if ((table.status(ct) & IPS_SEEN_REPLY) === 0) {
    table.refresh(ct, udp);
    return;
  }
  const stream = table.now > table.streamAt(ct);
  table.refresh(ct, stream ? udpStream : udp);
  if (stream) table.setStatus(ct, IPS_ASSURED);
}

/** `nf_conntrack_gre_packet`: once it was answered it is ASSURED. */
function grePacket(table: ConntrackTable, ct: number, { gre, greStream }: ConntrackTimeouts): void {
  const answered = (table.status(ct) & IPS_SEEN_REPLY) !== 0;
  table.refresh(ct, answered ? greStream : gre);
  if (answered) table.setStatus(ct, IPS_ASSURED);
}

/** `nf_conntrack_inet_error`: an ICMP error belongs to the connection of the packet it quotes, in reverse. */
function attachError(table: ConntrackTable, packet: Packet, zone: number): void {
  const inner = packet.inner;
  // A later piece of a datagram has no ports to find its connection by (`nf_ct_get_tuplepr`).
  if (inner === null || inner.fragOffset !== 0) return;
  let sport: number;
  let dport: number;
  if (isIcmp(inner)) {
    const inverse = inverseType(inner.icmpType, inner.family);
    if (inverse < 0) return;
    sport = inner.icmpId;
    dport = (inverse << 8) | inner.icmpCode;
  } else {
    sport = hasPorts(inner.protocol) ? inner.dport : 0;
    dport = hasPorts(inner.protocol) ? inner.sport : 0;
  }
  const node = table.find(inner.dst, inner.src, sport, dport, protocolKey(inner), zone);
  if (node < 0) return;
  const ct = node >> 1;
  const reply = (node & 1) === 1;
  // The error must be addressed to whom this direction of the connection goes.
  if (packet.dst !== (reply ? table.replyDst(ct) : table.origDst(ct))) return;
  packet.ct = ct;
  packet.ctInfo = reply ? IP_CT_RELATED_REPLY : IP_CT_RELATED;
}

/** `nf_conntrack_confirm`: the entry enters the table as its first packet leaves the host or reaches a socket. */
export function conntrackConfirm(stack: Stack, packet: Packet): NfVerdict {
  const ct = packet.ct;
  if (ct < 0) return NF_ACCEPT;
  const table = stack.conntrack;
  const status = table.status(ct);
  if ((status & IPS_CONFIRMED) !== 0 || ctInfoDirection(packet.ctInfo) !== 0) return NF_ACCEPT;
  if ((status & IPS_DYING) !== 0) return NF_ACCEPT;
  if (table.confirm(ct)) return NF_ACCEPT;
  stack.drop(packet, (status & IPS_NAT_MASK) === 0 ? CONNTRACK_CLASH : NAT_EXHAUSTED);
  return NF_DROP;
}

/** `nf_conntrack_attach`: an error made here is RELATED to the packet that caused it, in the other direction. */
export function attachToCause(packet: Packet, cause: Packet): void {
  if (cause.ct < 0) {
    packet.ct = cause.ct === CT_NONE ? CT_NONE : CT_OF_UNTRACKED;
    packet.ctInfo = 0;
    return;
  }
  packet.ct = cause.ct;
  packet.ctInfo = ctInfoDirection(cause.ctInfo) === 0 ? IP_CT_RELATED_REPLY : IP_CT_RELATED;
}
