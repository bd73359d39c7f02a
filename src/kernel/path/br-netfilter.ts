import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import { conntrackConfirm } from "../conntrack/conntrack-in.ts";
import type { NetDevice } from "../device/net-device.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { isConnected, neighbourOutput, resolve } from "../neighbour/output.ts";
import * as HOOK from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import { reason } from "../reason.ts";
import { routeInput } from "../route/input-route.ts";
import type { Stack } from "../stack.ts";
import { pushFrame } from "./frame.ts";
import { endUntold } from "./ip-error.ts";
import { fragment } from "./ip-output.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const {
  ICMPV6_PKT_TOOBIG,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  RT_ERROR,
  RT_FORWARD,
  RT_NONE,
} = PACKET;
const { NF_ACCEPT, NF_DROP, NF_INET_FORWARD, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING } = HOOK;

/**
 * br_netfilter (net/bridge/br_netfilter_hooks.c): the IP hooks run on bridged frames. Each function is the bridge hook of
 * that name with its continuation. Runs per packet.
 */

const NO_ROUTE = reason("no-route");
const TOO_BIG = reason("too-big");

/** RFC 8200 5: what every link takes. */
const IPV6_MIN_MTU = 1280;

/** `br_nf_pre_routing` and `br_nf_pre_routing_finish`, or those of IPv6. Takes the packet over. */
export function nfBridgePreRouting(stack: Stack, bridge: NetDevice, port: NetDevice, packet: Packet): void {
  packet.nfBridge = true;
  packet.physIn = port.ifindex;
  packet.physOut = 0;
  packet.nfBridgeOtherHost = false;
  if (packet.pktType === PACKET_OTHERHOST) {
    packet.pktType = PACKET_HOST;
    packet.nfBridgeOtherHost = true;
  }
  packet.nfBridgeDaddr = packet.dst;
  packet.dev = bridge.ifindex;
  const verdict = nfHook(stack, NF_INET_PRE_ROUTING, packet, bridge.ifindex, 0);
  if (verdict !== NF_ACCEPT) {
    if (verdict === NF_DROP) stack.pool.release(packet);
    return;
  }
  if (packet.nfBridgeOtherHost) {
    packet.pktType = PACKET_OTHERHOST;
    packet.nfBridgeOtherHost = false;
  }
  if (packet.dst !== packet.nfBridgeDaddr) {
    // The destination was translated: where does it go now?
    const type = packet.pktType;
    const dropped = routeInput(stack, packet, bridge);
    if (dropped >= 0) {
      stack.kill(packet, dropped);
      return;
    }
    // Of IPv4 a route that says no is a route, too: what goes up to it is told so there.
    if (packet.rtInput === RT_ERROR && packet.family === 6) {
      endUntold(stack, packet);
      return;
    }
    packet.pktType = type;
    if (packet.rtInput === RT_FORWARD && packet.rtDev === bridge.slot) {
      bridgedDnat(stack, bridge, port, packet);
      return;
    }
    // Elsewhere: the frame is for the host now, which routes it on.
    packet.ethDst = bridge.mac;
    packet.pktType = PACKET_HOST;
    // IPv6 keeps the route that br_nf_pre_routing_finish_ipv6 found; ip_rcv_finish looks IPv4's up again.
    if (packet.family !== 6) packet.dropRoute();
  }
  stack.path.bridgeFrameFinish(stack, bridge, port, packet);
}

/**
 * `br_nf_pre_routing_finish_bridge`: re-bridge a translated packet, by way of the bridge device unless its MAC is known and has
 * proved true (NUD_CONNECTED): what the host has merely heard of (NUD_STALE, NUD_DELAY) is left to the neighbour's own output.
 */
function bridgedDnat(stack: Stack, bridge: NetDevice, port: NetDevice, packet: Packet): void {
  const nextHop = packet.rtNextHop;
  packet.rtInput = RT_NONE;
  const mac = isConnected(stack, bridge, packet.family, nextHop)
    ? resolve(stack, bridge, packet.family, nextHop)
    : -1;
  if (mac >= 0) {
    packet.ethDst = mac;
    stack.path.bridgeFrameFinish(stack, bridge, port, packet);
    return;
  }
  packet.nfBridgeSavedSrc = packet.ethSrc;
  packet.nfBridgeDnat = true;
  packet.dev = bridge.ifindex;
  neighbourOutput(stack, bridge, nextHop, packet);
}

/** `br_nf_pre_routing_finish_bridge_slow`: what went through the bridge device's neighbour goes on as a bridged frame. */
export function bridgedDnatSlow(stack: Stack, bridge: NetDevice, packet: Packet): void {
  packet.nfBridgeDnat = false;
  packet.ethSrc = packet.nfBridgeSavedSrc;
  packet.physOut = 0;
  const port = stack.device(packet.physIn);
  if (port === null) {
    stack.kill(packet, NO_ROUTE);
    return;
  }
  stack.path.bridgeFrameFinish(stack, bridge, port, packet);
}

/**
 * `br_nf_forward_ip`.
 *
 * @returns false when the packet ended here
 */
export function nfBridgeForward(stack: Stack, bridge: NetDevice, out: NetDevice, packet: Packet): boolean {
  const otherHost = packet.pktType === PACKET_OTHERHOST;
  if (otherHost) packet.pktType = PACKET_HOST;
  packet.physOut = out.ifindex;
  packet.dev = out.ifindex;
  const verdict = nfHook(stack, NF_INET_FORWARD, packet, bridge.ifindex, bridge.ifindex);
  if (verdict !== NF_ACCEPT) {
    if (verdict === NF_DROP) stack.pool.release(packet);
    return false;
  }
  if (otherHost) packet.pktType = PACKET_OTHERHOST;
  return true;
}

/** `br_nf_post_routing` and `br_nf_dev_queue_xmit`: POSTROUTING, then out by the port, cut again what conntrack joined. */
export function nfBridgePostRouting(
  stack: Stack,
  bridge: NetDevice,
  out: NetDevice,
  packet: Packet,
): boolean {
  if (packet.physOut !== 0) {
    const otherHost = packet.pktType === PACKET_OTHERHOST;
    if (otherHost) packet.pktType = PACKET_HOST;
    // The rules see no `-i` here; the port of entry `-m physdev` still knows.
    const verdict = nfHook(stack, NF_INET_POST_ROUTING, packet, 0, bridge.ifindex);
    if (verdict !== NF_ACCEPT) {
      if (verdict === NF_DROP) stack.pool.release(packet);
      return false;
    }
    if (otherHost) packet.pktType = PACKET_OTHERHOST;
    if (packet.fragMaxSize !== 0 && packet.length > Math.min(Math.abs(packet.fragMaxSize), out.mtu)) {
      cutAgain(stack, bridge, out, packet);
      return true;
    }
  }
  pushFrame(stack, out, packet);
  return true;
}

/**
 * What conntrack joined leaves in pieces no larger than they came (`br_nf_ip_fragment`, `ip6_fragment`), and where the bridge
 * takes no such pieces not at all; of IPv6 the sender is told.
 */
function cutAgain(stack: Stack, bridge: NetDevice, out: NetDevice, packet: Packet): void {
  const { family } = packet;
  const fragMaxSize = Math.abs(packet.fragMaxSize);
  if (fragMaxSize > bridge.mtu) {
    if (family === 6) sendIcmpError(stack, packet, ICMPV6_PKT_TOOBIG, 0, bridge.mtu);
    stack.kill(packet, TOO_BIG);
    return;
  }
  const size = family === 6 ? Math.max(fragMaxSize, IPV6_MIN_MTU) : fragMaxSize;
  // br_dev_queue_push_xmit: whatever became of one, the next is sent
  fragment(stack, packet, size, (s, piece) => {
    s.path.transmit(s, out, piece);
    return 0;
  });
}

/** `br_nf_local_in`: a group frame's connection is confirmed before its copies meet the host's own stack. */
export function nfBridgeLocalIn(stack: Stack, packet: Packet): boolean {
  if (packet.pktType === PACKET_BROADCAST || packet.pktType === PACKET_MULTICAST) {
    if (conntrackConfirm(stack, packet) !== NF_ACCEPT) {
      stack.pool.release(packet);
      return false;
    }
  }
  return true;
}
