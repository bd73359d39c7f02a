import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PORT_UNREACH,
  ICMP_TIME_EXCEEDED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_ECHO_REQUEST,
  ICMPV6_PORT_UNREACH,
  IPPROTO_AH,
  IPPROTO_IPIP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isIcmp,
  KEY_IPV6,
  PACKET_HOST,
  type Packet,
  protocolKey,
  RT_LOCAL_DELIVER,
  RT_NONE,
  TCP_RST,
  TCP_SYN,
} from "../../packet/packet.ts";
import { SCTP_ABORT, SCTP_INIT } from "../../packet/sctp-chunk.ts";
import { IPS_CONFIRMED } from "../conntrack/status.ts";
import { sendIcmpError } from "../icmp/send.ts";
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_FORWARD,
  NF_INET_LOCAL_OUT,
  NF_STOLEN,
  type NfVerdict,
} from "../netfilter/hook.ts";
import { gatherFragments } from "../path/reassembly.ts";
import { reason } from "../reason.ts";
import { routeOutput } from "../route/output-route.ts";
import { learnPathMtu } from "../route/route-exceptions.ts";
import { RTN_LOCAL } from "../route/types.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { OP_IPVS } from "../tape.ts";
import { FTP_PORT } from "./compiled-service.ts";
import { CONN_NFCT, CONN_NO_OUTPUT, FORWARD_MASK } from "./connection-flags.ts";
import { advanceState } from "./connection-state.ts";
import { NO_CONNECTION } from "./connection-table.ts";
import { NOBODY, NOT_OURS, schedule } from "./schedule.ts";
import { SCTP_CLOSED } from "./sctp-state.ts";
import { TCP_CLOSE, TCP_FIN_WAIT, TCP_TIME_WAIT } from "./tcp-state.ts";
import { IP_HEADER, LEAST_TUNNEL_MTU, transmit, transmitError } from "./transmit.ts";

const NO_SERVER_LEFT = reason("ipvs-no-server");
const SERVER_GONE = reason("ipvs-server-gone");
const OLD_CONNTRACK = reason("ipvs-old-conntrack");

const IPPROTO_ESP = 50;

/** ICMP's source quench. */
const ICMP_SOURCE_QUENCH = 4;

/** Is a message of ICMP an error of the kinds that IPVS translates? Of ICMPv6 any error is. */
export function isTranslatedError({ family, icmpType: type }: Packet): boolean {
  if (family === 6) return type < ICMPV6_ECHO_REQUEST;
  return type === ICMP_DEST_UNREACH || type === ICMP_SOURCE_QUENCH || type === ICMP_TIME_EXCEEDED;
}

export function isBalanced(protocol: number): boolean {
  return protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_SCTP;
}

/**
 * `ip_vs_in_hook`, at LOCAL_IN and LOCAL_OUT: a packet for a virtual service goes to a real server. Runs per packet.
 */
export function ipvsIn(stack: Stack, packet: Packet): NfVerdict {
  if (packet.ipvsProperty) return NF_ACCEPT;
  if ((packet.pktType !== PACKET_HOST && stack.hook !== NF_INET_LOCAL_OUT) || packet.rtInput === RT_NONE)
    return NF_ACCEPT;
  const settings = stack.ipvsSettings;
  const { protocol } = packet;
  if (isIcmp(packet) && isTranslatedError(packet)) return ipvsErrorIn(stack, packet);
  if (!isBalanced(protocol)) {
    // Of AH and ESP IPVS knows more than their number (ip_vs_proto_ah_esp.c), which is not modelled.
    if (settings.ignoreTunneled && protocol !== IPPROTO_ESP && protocol !== IPPROTO_AH)
      packet.ipvsProperty = true;
    return NF_ACCEPT;
  }
  const state = stack.ipvs;
  const { connections, destinations } = state;
  state.expire(stack.now);
  const key = protocolKey(packet);
  let cp = connections.findIn(key, packet.src, packet.sport, packet.dst, packet.dport, false);
  /** A connection that ends as soon as this packet is on its way. */
  let ending = NO_CONNECTION;
  if (cp !== NO_CONNECTION && beginsConnection(packet)) {
    const dest = connections.dest(cp);
    const drained = settings.expireNodestConn && state.isAvailable(dest) && destinations.weight(dest) === 0;
    if (drained || (settings.connReuseMode !== 0 && endsBefore(stack, cp))) {
      if (usesOldConntrack(stack, packet)) return dropOld(stack, cp, packet);
      ending = cp;
      cp = NO_CONNECTION;
    }
  }
  if (cp !== NO_CONNECTION && !state.isAvailable(connections.dest(cp))) {
    if (!settings.expireNodestConn) {
      stack.drop(packet, SERVER_GONE);
      return NF_DROP;
    }
    if (usesOldConntrack(stack, packet)) return dropOld(stack, cp, packet);
    ending = cp;
    cp = NO_CONNECTION;
  }
  if (ending !== NO_CONNECTION) {
    connections.setFlags(ending, connections.flags(ending) & ~CONN_NFCT);
    connections.unhash(ending);
  }
  let fresh = false;
  if (cp === NO_CONNECTION) {
    cp = tryToSchedule(stack, packet);
    fresh = true;
    if (ending !== NO_CONNECTION) state.release(ending);
    if (cp === NOT_OURS) return NF_ACCEPT;
    if (cp === NOBODY) return NF_DROP;
  }
  stack.tape?.words8(
    OP_IPVS,
    stack.host,
    packet.number,
    connections.vaddr(cp),
    connections.vport(cp),
    connections.daddr(cp),
    connections.dport(cp),
    (connections.flags(cp) & FORWARD_MASK) | (key & KEY_IPV6),
    fresh ? 1 : 0,
  );
  advanceState(stack, cp, packet, false);
  const verdict = transmit(stack, cp, packet);
  state.put(cp, stack.now);
  return verdict;
}

/** `is_new_conn`. */
function beginsConnection({ protocol, tcpFlags, chunk }: Packet): boolean {
  if (protocol === IPPROTO_TCP) return (tcpFlags & TCP_SYN) !== 0;
  return protocol === IPPROTO_SCTP && chunk === SCTP_INIT;
}

/** `is_new_conn_expected`: has the connection ended, so that its client's port may begin anew? */
function endsBefore(stack: Stack, cp: number): boolean {
  const { connections } = stack.ipvs;
  if (connections.control(cp) !== NO_CONNECTION) return false;
  const state = connections.state(cp);
  if ((connections.proto(cp) & ~KEY_IPV6) === IPPROTO_SCTP) return state === SCTP_CLOSED;
  if (state === TCP_TIME_WAIT || state === TCP_CLOSE) return true;
  const oneSided = (connections.flags(cp) & CONN_NO_OUTPUT) !== 0;
  return (stack.ipvsSettings.connReuseMode & 2) !== 0 && state === TCP_FIN_WAIT && oneSided;
}

/** `ip_vs_conn_uses_old_conntrack`: whether the connection keeps its entry is not asked. */
function usesOldConntrack(stack: Stack, packet: Packet): boolean {
  return packet.ct >= 0 && (stack.conntrack.status(packet.ct) & IPS_CONFIRMED) !== 0;
}

/** The old connection goes, its conntrack entry with it; a repeated SYN finds both gone. */
function dropOld(stack: Stack, cp: number, packet: Packet): typeof NF_DROP {
  stack.ipvs.release(cp);
  stack.drop(packet, OLD_CONNTRACK);
  return NF_DROP;
}

/** `ip_vs_try_to_schedule`: a connection, `NOT_OURS`, or `NOBODY` after the sender was told. */
function tryToSchedule(stack: Stack, packet: Packet): number {
  const { protocol, tcpFlags, dst, dport } = packet;
  if (protocol === IPPROTO_TCP) {
    if ((tcpFlags & TCP_RST) !== 0) return NOT_OURS;
    if ((tcpFlags & TCP_SYN) === 0 && !stack.ipvsSettings.sloppyTcp) return NOT_OURS;
  }
  // sctp_conn_schedule: nothing but an INIT begins an association, or whatever is no ABORT where sloppy_sctp says so.
  if (protocol === IPPROTO_SCTP) {
    if (packet.chunk === SCTP_ABORT) return NOT_OURS;
    if (packet.chunk !== SCTP_INIT && !stack.ipvsSettings.sloppySctp) return NOT_OURS;
  }
  const service = stack.net.ipvs?.find(packet.mark, protocolKey(packet), dst, dport) ?? null;
  if (service === null) return NOT_OURS;
  const unmodelled = stack.net.ipvs?.unmodelled ?? [];
  for (let i = 0; i < unmodelled.length; i++) stack.engine.unmodelled.add(unmodelled[i] as string);
  const cp = schedule(stack, service, packet);
  if (cp !== NOBODY) return cp;
  // ip_vs_leave: other ports of an address with FTP are nobody's business here.
  if (service.mark === 0 && service.port === FTP_PORT && dport !== FTP_PORT) return NOT_OURS;
  tellPortUnreachable(stack, packet);
  stack.drop(packet, NO_SERVER_LEFT);
  return NOBODY;
}

/** Nobody is at the port that a packet is for: its sender is told so. */
export function tellPortUnreachable(stack: Stack, packet: Packet): void {
  if (packet.family === 6) sendIcmpError(stack, packet, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
  else sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
}

/** `ip_vs_in_icmp`, `ip_vs_in_icmp_v6`: an error about a server's packet, on its way from the client's side to the server. */
function ipvsErrorIn(stack: Stack, packet: Packet): NfVerdict {
  const quoted = packet.inner;
  if (quoted === null) return NF_ACCEPT;
  const six = packet.family === 6;
  if (quoted.protocol === IPPROTO_IPIP && !six) return tunnelErrorIn(stack, packet, quoted);
  if (!isBalanced(quoted.protocol)) return NF_ACCEPT;
  const state = stack.ipvs;
  state.expire(stack.now);
  const { connections } = state;
  const cp = connections.findIn(
    protocolKey(quoted),
    quoted.dst,
    quoted.dport,
    quoted.src,
    quoted.sport,
    false,
  );
  if (cp === NO_CONNECTION) return NF_ACCEPT;
  return transmitError(stack, cp, packet, quoted, stack.hook === NF_INET_FORWARD);
}

/** An error about a packet in a tunnel to a server comes to the tunnel's beginning, here: the client is told of it. */
function tunnelErrorIn(stack: Stack, packet: Packet, outer: Packet): NfVerdict {
  const request = outer.inner;
  if (packet.rtType !== RTN_LOCAL || request === null || !isBalanced(request.protocol)) return NF_ACCEPT;
  if (stack.net.ipvs?.hasTunnel(outer.dst) !== true) return NF_ACCEPT;
  const state = stack.ipvs;
  state.expire(stack.now);
  const { src, sport, dst, dport } = request;
  if (state.connections.findIn(protocolKey(request), src, sport, dst, dport, false) === NO_CONNECTION)
    return NF_ACCEPT;
  const { icmpType: type, icmpCode: code } = packet;
  let info = packet.icmpInfo;
  const tooBig = type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED;
  if (tooBig) {
    info = learnServersMtu(stack, outer.dst, info);
    if (info > LEAST_TUNNEL_MTU + IP_HEADER) info -= IP_HEADER;
  }
  if (!tooBig || request.df) {
    const cause = stack.pool.clone(request);
    cause.pktType = PACKET_HOST;
    cause.rtInput = RT_LOCAL_DELIVER;
    cause.rtType = RTN_LOCAL;
    sendIcmpError(stack, cause, type, code, info);
    stack.pool.release(cause);
  }
  stack.pool.release(packet);
  return NF_STOLEN;
}

/**
 * `ipv4_update_pmtu`, and what `ip_vs_in_icmp` reads then: the MTU of the server's cached route, which is the one of before where
 * nothing was known of the path; only the next packet finds the new one.
 */
function learnServersMtu(stack: Stack, server: number, mtu: number): number {
  const { exceptions } = stack.state;
  const known = exceptions.pathMtu(4, server, stack.now);
  const probe = stack.pool.take();
  probe.dst = server;
  const error = routeOutput(stack, probe, 0, false);
  const old = probe.rtMtu === 0 ? (stack.net.devices[probe.rtDev]?.mtu ?? 0) : probe.rtMtu;
  const locked = probe.rtMtuLocked;
  stack.pool.release(probe);
  if (error !== 0) return mtu;
  if (mtu > old) return old;
  learnPathMtu(stack, 4, server, mtu, old, locked);
  return known === ABSENT ? old : exceptions.pathMtu(4, server, stack.now);
}

/** `ip_vs_forward_icmp`, `ip_vs_forward_icmp_v6`, at FORWARD. */
export function ipvsForwardError(stack: Stack, packet: Packet): NfVerdict {
  if (!isIcmp(packet)) return NF_ACCEPT;
  if (packet.family === 4 && !gatherFragments(stack, packet)) return NF_STOLEN;
  return isTranslatedError(packet) ? ipvsErrorIn(stack, packet) : NF_ACCEPT;
}
