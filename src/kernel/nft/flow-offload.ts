import {
  ETH_P_IP,
  ETH_P_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  KEY_IPV6,
  networkLength,
  type Packet,
  protocolKey,
  TCP_FIN,
  TCP_RST,
} from "../../packet/packet.ts";
import {
  ctInfoDirection,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_SEEN_REPLY,
  IPS_SEQ_ADJUST,
} from "../conntrack/status.ts";
import { TCP_CONNTRACK_ESTABLISHED } from "../conntrack/tcp.ts";
import type { NetDevice } from "../device/net-device.ts";
import { NameIds } from "../name-ids.ts";
import { NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } from "../nat/manip.ts";
import { NF_ACCEPT, NF_STOLEN, type NfVerdict } from "../netfilter/hook.ts";
import { forwardMtu } from "../route/output-mtu.ts";
import { routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { OP_FLOW, OP_REWRITE } from "../tape.ts";

/**
 * Flow tables of nftables in software: connections that a rule has put into one pass by routing and all hooks from then on, from
 * the device that they come in by to the one that they leave by (net/netfilter/nf_flow_table_ip.c, nft_flow_offload.c). Runs per
 * packet.
 */

/** While a flow is in a table its connection does not expire (`nf_ct_offload_timeout`). */
const DAY_MS = 86_400_000;
/** `net.netfilter.nf_flowtable_tcp_timeout`, `nf_flowtable_udp_timeout`: an idle flow leaves its table. */
const IDLE_MS = 30_000;

const flowtables = new NameIds();

/** The number of a flow table, from 1: what a connection's entry can keep. */
export function flowtableNumber(family: string, table: string, name: string): number {
  return flowtables.of(`${family} ${table} ${name}`) + 1;
}

/** `nft_flow_offload_eval`. @returns false: not for this packet's connection, the rule ends */
export function addFlow(stack: Stack, packet: Packet, flowtable: number): boolean {
  const { ct, protocol } = packet;
  const table = stack.conntrack;
  if (ct < 0 || packet.rtDev < 0) return false;
  const status = table.status(ct);
  if (protocol === IPPROTO_TCP) {
    if ((packet.tcpFlags & (TCP_FIN | TCP_RST)) !== 0) return false;
    if (table.tcpState(ct) !== TCP_CONNTRACK_ESTABLISHED || (status & IPS_ASSURED) === 0) return false;
  } else if (protocol !== IPPROTO_UDP) return false;
  if ((status & IPS_SEQ_ADJUST) !== 0 || (status & IPS_CONFIRMED) === 0) return false;
  if (carriedBy(stack, ct) !== 0) return false;
  const direction = ctInfoDirection(packet.ctInfo);
  const back = wayBack(stack, packet, direction);
  if (back === 0) return false;
  const out = (stack.net.devices[packet.rtDev] as NetDevice).ifindex;
  table.extensions.setFlow(
    ct,
    flowtable,
    direction === 0 ? back : out,
    direction === 0 ? out : back,
    table.now,
  );
  table.refresh(ct, DAY_MS);
  return true;
}

/**
 * The flow table that carries a connection now, 0 none. One that has been idle too long was taken out of it by then
 * (`nf_flow_offload_gc_step`), with what is left of the time that conntrack gives it (`flow_offload_fixup_ct`).
 */
function carriedBy(stack: Stack, ct: number): number {
  const table = stack.conntrack;
  const flowtable = table.extensions.flowtable(ct);
  if (flowtable === 0) return 0;
  const ended = table.extensions.flowUsed(ct) + IDLE_MS;
  if (table.now <= ended) return flowtable;
  const { tcp, udp, udpStream } = stack.net.conntrackTimeouts;
  const isTcp = (table.proto(ct) & ~KEY_IPV6) === IPPROTO_TCP;
  const replied = (table.status(ct) & IPS_SEEN_REPLY) !== 0;
  const whole = isTcp ? (tcp[table.tcpState(ct)] as number) : replied ? udpStream : udp;
  table.extensions.setFlow(ct, 0, 0, 0, table.now);
  const left = Math.max(0, whole - IDLE_MS);
  if (table.expires(ct) - ended > left) table.refresh(ct, ended + left - table.now);
  return 0;
}

/**
 * `nft_flow_route`: the device by which answers go back to who sent a direction's packets, ifindex; 0: there is no way. It is the
 * one that they came in by, where routing can have it so.
 */
function wayBack(stack: Stack, packet: Packet, direction: number): number {
  const { ct, family, number } = packet;
  const { conntrack, pool } = stack;
  const probe = pool.take();
  probe.number = number;
  probe.family = family;
  probe.src = direction === 0 ? conntrack.replySrc(ct) : conntrack.origSrc(ct);
  probe.dst = direction === 0 ? conntrack.origSrc(ct) : conntrack.replySrc(ct);
  probe.mark = packet.mark;
  probe.tos = packet.tos;
  const errno = routeOutput(stack, probe, packet.iif, true);
  const by = errno === 0 ? (stack.net.devices[probe.rtDev]?.ifindex ?? 0) : 0;
  pool.release(probe);
  return by;
}

/** `nf_flow_offload_ip_hook`, `nf_flow_offload_ipv6_hook`, at the ingress of a device of the flow table. */
export function flowHook(stack: Stack, packet: Packet, flowtable: number): NfVerdict {
  const { protocol, ethType, src, dst, sport, dport } = packet;
  if (ethType !== ETH_P_IP && ethType !== ETH_P_IPV6) return NF_ACCEPT;
  if ((protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) || packet.isFragment || packet.ttl <= 1)
    return NF_ACCEPT;
  const table = stack.conntrack;
  const node = table.find(src, dst, sport, dport, protocolKey(packet), 0);
  const ct = node >> 1;
  const direction = (node & 1) as 0 | 1;
  if (node < 0 || carriedBy(stack, ct) !== flowtable || table.extensions.flowIn(ct, direction) !== packet.iif)
    return NF_ACCEPT;
  if (protocol === IPPROTO_TCP && (packet.tcpFlags & (TCP_FIN | TCP_RST)) !== 0) {
    // `flow_offload_teardown`: conntrack has to see how it ends.
    table.extensions.setFlow(ct, 0, 0, 0, table.now);
    return NF_ACCEPT;
  }
  const toOrigin = direction === 1;
  packet.src = toOrigin ? table.origDst(ct) : table.replyDst(ct);
  packet.dst = toOrigin ? table.origSrc(ct) : table.replySrc(ct);
  packet.sport = toOrigin ? table.origDport(ct) : table.replyDport(ct);
  packet.dport = toOrigin ? table.origSport(ct) : table.replySport(ct);
  const by = table.extensions.flowIn(ct, toOrigin ? 0 : 1);
  if (routeOutput(stack, packet, by, true) !== 0 || !fitsWay(stack, packet)) {
    packet.src = src;
    packet.dst = dst;
    packet.sport = sport;
    packet.dport = dport;
    packet.dropRoute();
    return NF_ACCEPT;
  }
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  stack.tape?.words4(OP_FLOW, stack.host, packet.number, packet.iif, out.ifindex);
  tellRewrite(stack, packet, NF_NAT_MANIP_SRC, src, sport, packet.src, packet.sport);
  tellRewrite(stack, packet, NF_NAT_MANIP_DST, dst, dport, packet.dst, packet.dport);
  table.extensions.useFlow(ct, table.now);
  table.refresh(ct, DAY_MS);
  packet.ttl--;
  packet.forwarded = true;
  stack.path.neighbourOutput(stack, out, packet.rtNextHop, packet);
  return NF_STOLEN;
}

/** What is too long for its way goes the usual one, where its sender is told. */
function fitsWay(stack: Stack, packet: Packet): boolean {
  const out = stack.net.devices[packet.rtDev];
  return out !== undefined && networkLength(packet) <= forwardMtu(packet, out);
}

function tellRewrite(
  stack: Stack,
  { number, family }: Packet,
  manip: number,
  from: number,
  fromPort: number,
  to: number,
  toPort: number,
): void {
  if (from === to && fromPort === toPort) return;
  const what = manip | (family === 6 ? KEY_IPV6 : 0);
  stack.tape?.words8(OP_REWRITE, stack.host, number, what, from, fromPort, to, toPort, stack.hook);
}
