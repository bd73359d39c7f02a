import {
  headerLength,
  IPPROTO_TCP,
  type Packet,
  PHASE_DATA,
  PHASE_REPLY,
  PHASE_REQUEST,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
} from "../../packet/packet.ts";
import {
  bitsOf,
  hasTcpOption,
  TCP_HEADER,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from "../../packet/tcp-options.ts";
import {
  CT_NONE,
  ctInfoDirection,
  IP_CT_DIR_ORIGINAL,
  IP_CT_ESTABLISHED_REPLY,
  IPS_SEQ_ADJUST,
  IPS_SYNPROXY,
  IPS_SYNPROXY_ISN,
} from "../conntrack/status.ts";
import { TCP_CONNTRACK_CLOSE, TCP_CONNTRACK_SYN_RECV, TCP_CONNTRACK_SYN_SENT } from "../conntrack/tcp.ts";
import { emit } from "../emit.ts";
import { reason } from "../reason.ts";
import { routeMeHarder, routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { NF_ACCEPT, NF_DROP, NF_STOLEN, type NfVerdict } from "./hook.ts";
import type { SynproxyTarget } from "./target/synproxy.ts";
import type { TargetAction } from "./target-action.ts";

/**
 * A handshake in a server's place, and with the server once the client has answered (net/netfilter/nf_synproxy_core.c). What the
 * proxy has to remember of a client is in the sequence number it begins with, which the client gives back: a kernel's is a hash
 * with the place of the client's segment size in a table of four, here it is that place, from 1. Runs per packet.
 */

/** What the rule lets the two sides agree on. */
export interface SynproxyOptions {
  readonly timestamp: boolean;
  readonly wscale: boolean;
  /** 0: none said. */
  readonly mss: number;
}

const XT_CONTINUE = -1;
const BAD_COOKIE = reason("bad-syn-cookie");

/** `msstab` of net/ipv4/syncookies.c and net/ipv6/syncookies.c. */
const MSS_TABLE = [536, 1300, 1440, 1460];
const MSS_TABLE6 = [1220, 1420, 1440, 8940];

const MSS_BYTES = 4;
const TIMESTAMP_BYTES = 12;
const WSCALE_BYTES = 4;

export function synproxyAction({ timestamp, wscale, mss }: SynproxyTarget): TargetAction {
  const options = { timestamp, wscale: wscale !== 0, mss };
  return { apply: (stack, packet) => synproxySegment(stack, packet, options) ?? XT_CONTINUE };
}

/** `synproxy_tg4`. null: none of its business, the rule's end is reached. */
export function synproxySegment(stack: Stack, packet: Packet, options: SynproxyOptions): NfVerdict | null {
  if (packet.protocol !== IPPROTO_TCP || packet.fragOffset !== 0) return NF_DROP;
  const flags = packet.tcpFlags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST);
  if (flags === TCP_SYN) return takeSyn(stack, packet, options);
  return flags === TCP_ACK ? takeClientAck(stack, packet, options) : null;
}

/** `nft_synproxy_eval_v4`: an ACK is the client's answer also where it ends or resets the connection. */
export function nftSynproxySegment(stack: Stack, packet: Packet, options: SynproxyOptions): NfVerdict | null {
  if (packet.fragOffset !== 0) return NF_DROP;
  if ((packet.tcpFlags & TCP_SYN) !== 0) return takeSyn(stack, packet, options);
  return (packet.tcpFlags & TCP_ACK) !== 0 ? takeClientAck(stack, packet, options) : null;
}

function takeSyn(stack: Stack, syn: Packet, options: SynproxyOptions): NfVerdict {
  sendClientSynAck(stack, syn, options);
  stack.pool.release(syn);
  return NF_STOLEN;
}

/** `synproxy_recv_client_ack` */
function takeClientAck(stack: Stack, ack: Packet, options: SynproxyOptions): NfVerdict {
  const isn = ack.ack - 1;
  if (isn < 1 || isn > MSS_TABLE.length) {
    stack.drop(ack, BAD_COOKIE);
    return NF_DROP;
  }
  sendServerSyn(stack, ack, isn, options);
  stack.pool.release(ack);
  return NF_STOLEN;
}

/** `synproxy_send_client_synack` */
function sendClientSynAck(stack: Stack, syn: Packet, options: SynproxyOptions): void {
  const timestamp = options.timestamp && hasTcpOption(syn, TCPOPT_TIMESTAMP);
  const mss = options.mss !== 0 && syn.mss !== 0 ? options.mss : 0;
  const answer = made(stack, syn, PHASE_REPLY, TCP_SYN | TCP_ACK);
  answer.seq = cookieOf(syn);
  answer.ack = syn.seq + 1;
  answer.mss = mss;
  answer.length += TCP_HEADER + (mss === 0 ? 0 : MSS_BYTES);
  // What has no time stamp to be remembered in is not agreed on; SACK is said in the room the time stamp leaves.
  if (timestamp) addTimestamp(answer, options.wscale && hasTcpOption(syn, TCPOPT_WINDOW));
  backwards(answer, syn);
  attach(answer, syn);
  send(stack, answer, syn);
}

/** `__cookie_v4_init_sequence`: the largest size of the table that the client's is not below. */
function cookieOf({ family, mss }: Packet): number {
  const table = family === 6 ? MSS_TABLE6 : MSS_TABLE;
  const asked = mss === 0 ? MSS_UNSAID : mss;
  let place = table.length;
  while (place > 1 && (table[place - 1] as number) > asked) place--;
  return place;
}

const MSS_UNSAID = 536;

/** `synproxy_send_server_syn`: what is not in the cookie is in the time stamp that the client echoes. */
function sendServerSyn(stack: Stack, ack: Packet, isn: number, options: SynproxyOptions): void {
  const timestamp = options.timestamp && hasTcpOption(ack, TCPOPT_TIMESTAMP);
  const syn = made(stack, ack, PHASE_REQUEST, TCP_SYN);
  // `snet->tmpl`
  syn.ctTemplate = 0;
  syn.seq = ack.seq - 1;
  // "ack_seq is used to relay our ISN to the synproxy hook to initialize sequence number translation once a connection tracking
  // entry exists."
  syn.ack = isn;
  syn.mss = (ack.family === 6 ? MSS_TABLE6 : MSS_TABLE)[isn - 1] as number;
  syn.length += TCP_HEADER + MSS_BYTES;
  if (timestamp) addTimestamp(syn, options.wscale);
  forwards(syn, ack);
  send(stack, syn, ack);
}

/** A time stamp, and beside it a window's scale or none. */
function addTimestamp(packet: Packet, scales: boolean): void {
  packet.length += TIMESTAMP_BYTES + (scales ? WSCALE_BYTES : 0);
  if (!scales) packet.tcpWithout = bitsOf([TCPOPT_WINDOW]);
}

/**
 * `ipv4_synproxy_hook`, `ipv6_synproxy_hook`: notes what the proxy began, answers the server's SYN-ACK, which the client never sees,
 * and moves the sequence numbers of what follows (`nf_ct_seq_adjust`).
 */
export function synproxyHook(stack: Stack, packet: Packet): NfVerdict {
  const { ct } = packet;
  if (ct < 0 || packet.protocol !== IPPROTO_TCP || stack.isLoopback(packet.iif)) return NF_ACCEPT;
  const table = stack.conntrack;
  const { tcpFlags: flags } = packet;
  const isReply = ctInfoDirection(packet.ctInfo) !== IP_CT_DIR_ORIGINAL;
  const state = table.tcpState(ct);
  if ((table.status(ct) & IPS_SYNPROXY) === 0) {
    // The SYN that the proxy itself sends: no other has a number without the flag.
    const isProxys = flags === TCP_SYN && packet.ack !== 0 && packet.iif === 0 && packet.socket < 0;
    if (isProxys && state === TCP_CONNTRACK_SYN_SENT)
      table.setStatus(ct, IPS_SYNPROXY | (packet.ack * IPS_SYNPROXY_ISN));
    return NF_ACCEPT;
  }
  const isn = (table.status(ct) / IPS_SYNPROXY_ISN) & 7;
  if (state === TCP_CONNTRACK_CLOSE && isReply && (flags & TCP_RST) !== 0) {
    if ((table.status(ct) & IPS_SEQ_ADJUST) === 0) packet.seq = isn + 1;
    else packet.seq += isn;
    return NF_ACCEPT;
  }
  if (state === TCP_CONNTRACK_SYN_RECV && (flags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK)) {
    acknowledgeServer(stack, packet);
    table.setStatus(ct, IPS_SEQ_ADJUST);
    acknowledgeClient(stack, packet);
    stack.pool.release(packet);
    return NF_STOLEN;
  }
  if ((table.status(ct) & IPS_SEQ_ADJUST) === 0) return NF_ACCEPT;
  if (isReply) packet.seq += isn;
  else if ((flags & TCP_ACK) !== 0) packet.ack -= isn;
  return NF_ACCEPT;
}

/** `synproxy_send_server_ack` */
function acknowledgeServer(stack: Stack, synAck: Packet): void {
  const ack = made(stack, synAck, PHASE_DATA, TCP_ACK);
  ack.seq = synAck.ack;
  ack.ack = synAck.seq + 1;
  ack.length += acknowledgementBytes(synAck);
  backwards(ack, synAck);
  send(stack, ack, synAck);
}

/** `synproxy_send_client_ack`: its window opens the one that the SYN-ACK closed. */
function acknowledgeClient(stack: Stack, synAck: Packet): void {
  const ack = made(stack, synAck, PHASE_DATA, TCP_ACK);
  ack.seq = synAck.seq + 1;
  ack.ack = synAck.ack;
  ack.length += acknowledgementBytes(synAck);
  forwards(ack, synAck);
  attach(ack, synAck);
  send(stack, ack, synAck);
}

function acknowledgementBytes(synAck: Packet): number {
  return TCP_HEADER + (hasTcpOption(synAck, TCPOPT_TIMESTAMP) ? TIMESTAMP_BYTES : 0);
}

/** `synproxy_build_ip`: a packet of the proxy's, which no socket sends. */
function made(stack: Stack, cause: Packet, phase: number, flags: number): Packet {
  const packet = emit(stack, stack.pool.take(), phase, cause.number);
  packet.family = cause.family;
  packet.protocol = IPPROTO_TCP;
  packet.tcpFlags = flags;
  packet.df = true;
  packet.ttl = cause.family === 6 ? stack.net.hopLimit6 : stack.net.defaultTtl;
  packet.length = headerLength(packet);
  return packet;
}

function forwards(packet: Packet, cause: Packet): void {
  packet.src = cause.src;
  packet.dst = cause.dst;
  packet.sport = cause.sport;
  packet.dport = cause.dport;
}

function backwards(packet: Packet, cause: Packet): void {
  packet.src = cause.dst;
  packet.dst = cause.src;
  packet.sport = cause.dport;
  packet.dport = cause.sport;
}

/** To the connection that the cause has; one that has none, or is not tracked, leaves it to conntrack. */
function attach(packet: Packet, cause: Packet): void {
  packet.ct = cause.ct < 0 ? CT_NONE : cause.ct;
  packet.ctInfo = cause.ct < 0 ? 0 : IP_CT_ESTABLISHED_REPLY;
}

/** `synproxy_send_tcp`, `synproxy_send_tcp_ipv6` */
function send(stack: Stack, packet: Packet, cause: Packet): void {
  packet.rtDev = cause.rtDev;
  const errno = packet.family === 6 ? routeOutput(stack, packet, 0, true) : routeMeHarder(stack, packet);
  if (errno !== 0) stack.pool.release(packet);
  else stack.path.localOut(stack, packet);
}
