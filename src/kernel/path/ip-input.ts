import * as IP6_HANDLE from "../../address/ip6-handle.ts";
import { groupScope6, isMulticast6 } from "../../address/ip6-handle.ts";
import type { Extension } from "../../packet/extension.ts";
import * as PACKET from "../../packet/packet.ts";
import { deviceKey, isNeighbourDiscovery, type Packet } from "../../packet/packet.ts";
import type { DevicePlace } from "../device/lower-port.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as ERROR from "../icmp/error.ts";
import { tellSender } from "../icmp/error.ts";
import { icmpReceive } from "../icmp/receive.ts";
import { icmp6Receive } from "../icmp/receive6.ts";
import * as HOOK from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import { reason } from "../reason.ts";
import { routeInput } from "../route/input-route.ts";
import { deliver as taken } from "../socket/deliver.ts";
import { sctpReceive } from "../socket/sctp.ts";
import { tcpReceive } from "../socket/tcp.ts";
import { udpReceive } from "../socket/udp.ts";
import { udpliteReceive } from "../socket/udplite.ts";
import type { Stack } from "../stack.ts";
import { ipError } from "./ip-error.ts";
import { ipForward } from "./ip-forward.ts";
import { ipipReceive } from "./ipip.ts";
import { ipvlanOwner } from "./ipvlan.ts";
import * as REASSEMBLY from "./reassembly.ts";
import { isSabotaged, sabotage } from "./sabotage.ts";
import { vrfReceive } from "./vrf.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IP6_LOOPBACK } = IP6_HANDLE;
const {
  IPPROTO_AH,
  IPPROTO_ROUTING,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  IPPROTO_PIM,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_OTHERHOST,
  RT_ERROR,
  RT_FORWARD,
  RT_LOCAL_DELIVER,
  RT_NONE,
} = PACKET;
const { PROTOCOL_UNKNOWN } = ERROR;
const { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING } = HOOK;
const { LOCAL } = REASSEMBLY;

const OTHER_HOST = reason("other-host");
const NO_ROUTE = reason("no-route");
const NO_PROTOCOL = reason("no-protocol");
const MARTIAN_SOURCE = reason("martian-source");
const MARTIAN_DESTINATION = reason("martian-destination");
const IPV6_DISABLED = reason("ipv6-disabled");
const UNMODELLED = reason("unmodelled-device");

/** `ip_rcv`, `ipv6_rcv`: PREROUTING, then routing, then forwarding or local delivery. Takes the packet over. Runs per packet. */
export function ipReceive(stack: Stack, dev: NetDevice, packet: Packet): void {
  if (packet.pktType === PACKET_OTHERHOST) {
    // Ports and other hosts' frames on a shared cable: ordinary, and no reason of a verdict.
    stack.kill(packet, OTHER_HOST);
    return;
  }
  // `skb_orphan`: whoever sent it, it is nobody's here.
  packet.uid = -1;
  packet.socket = -1;
  packet.proxyPort = 0;
  packet.l3Slave = 0;
  // `ip_rcv_core`, `ip6_rcv_core` clear what the bridge's hooks left in the control block: joined there, it is cut again only if
  // it must be.
  if (packet.fragMaxSize > 0) packet.fragMaxSize = -packet.fragMaxSize;
  packet.fragPmtu = false;
  if (packet.family === 6) {
    // What br_netfilter has routed already seems to come by the device it is to leave by.
    const routed = packet.rtInput === RT_FORWARD ? stack.net.devices[packet.rtDev] : undefined;
    packet.iif = (routed ?? dev).ifindex;
    const refused = refuses6(dev, packet);
    if (refused >= 0) {
      stack.kill(packet, refused);
      return;
    }
  }
  // ip_sabotage_in: what br_netfilter already ran through PREROUTING on the bridge does not run again.
  // In a VRF it does.
  if (packet.nfBridge && !isSabotaged(packet) && dev.vrf === null) sabotage(packet);
  else {
    const verdict = nfHook(stack, NF_INET_PRE_ROUTING, packet, dev.ifindex, 0);
    if (verdict !== NF_ACCEPT) {
      if (verdict === NF_DROP) stack.pool.release(packet);
      return;
    }
  }
  ipReceiveFinish(stack, dev, packet);
}

/** `ip6_rcv_core`: the reason to drop a packet before anything has looked at it, -1 for none. */
function refuses6(dev: NetDevice, { src, dst, pktType }: Packet): number {
  if (dev.conf6.disabled) return IPV6_DISABLED;
  if (isMulticast6(src)) return MARTIAN_SOURCE;
  if (dev.isLoopback || dev.kind === "vrf") return -1;
  if (src === IP6_LOOPBACK) return MARTIAN_SOURCE;
  if (dst === IP6_LOOPBACK) return MARTIAN_DESTINATION;
  // A group of this very interface, or of no scope at all, is not spoken to from outside.
  const outside = pktType !== PACKET_LOOPBACK && isMulticast6(dst) && groupScope6(dst) <= 1;
  return outside ? MARTIAN_DESTINATION : -1;
}

/** `ip_rcv_finish`, `ip6_rcv_finish`: a packet that came by loopback has its route already. */
function ipReceiveFinish(stack: Stack, dev: NetDevice, packet: Packet): void {
  const owner = ipvlanOwner(stack, dev, packet);
  if (owner !== null && ownedDelivery(stack, dev, owner, packet)) return;
  // From here on what came by a VRF's device is in the VRF; only IPv4's routing still asks by which device it came.
  const at = dev.vrf === null ? dev : vrfReceive(stack, dev, dev.vrf, packet);
  if (at === null) return;
  if (
    packet.rtInput === RT_NONE ||
    (!dev.isLoopback && packet.rtInput !== RT_LOCAL_DELIVER) ||
    packet.rtDev < 0
  ) {
    const dropped = routeInput(stack, packet, packet.family === 6 ? at : dev);
    if (dropped >= 0) {
      stack.kill(packet, dropped);
      return;
    }
  }
  switch (packet.rtInput) {
    case RT_LOCAL_DELIVER:
      localDeliver(stack, at, packet);
      return;
    case RT_FORWARD:
      if (isProxiedDiscovery(stack, at, packet)) localDeliver(stack, at, packet);
      else ipForward(stack, at, packet);
      return;
    case RT_ERROR:
      ipError(stack, dev, packet);
      return;
    default:
      // An output route kept over loopback that leads elsewhere: the address was not this host's.
      stack.kill(packet, NO_ROUTE);
  }
}

/** l3s: routed as in the ipvlan's namespace, through INPUT in this one, to the ipvlan's sockets (`ipvlan_nf_input`). */
function ownedDelivery(stack: Stack, card: NetDevice, owner: DevicePlace, packet: Packet): boolean {
  const above = stack.engine.stackOf(owner.host);
  if (routeInput(above, packet, owner.device) >= 0 || packet.rtInput !== RT_LOCAL_DELIVER) return false;
  const whole = localIn(stack, card, packet);
  if (whole === null) return true;
  whole.ct = -1;
  whole.dev = owner.device.ifindex;
  deliver(above, owner.device, whole);
  return true;
}

/**
 * `ip6_forward_proxy_check`: neighbour discovery sent to an address that this host answers for is for the host itself. Here
 * `proxy_ndp` of `all` alone counts.
 */
function isProxiedDiscovery({ net }: Stack, dev: NetDevice, packet: Packet): boolean {
  if (net.neighbours.proxied.length === 0 || !isNeighbourDiscovery(packet)) return false;
  if (!net.forwarding6 || packet.pktType !== PACKET_HOST || packet.ttl <= 1) return false;
  return net.proxiesAll6 && net.neighbours.isProxied(deviceKey(6, dev.ifindex), packet.dst);
}

/** `ip_local_deliver`: reassembly, INPUT, then the protocol; `ip6_input`: INPUT before reassembly. */
function localDeliver(stack: Stack, dev: NetDevice, packet: Packet): void {
  const whole = localIn(stack, dev, packet);
  if (whole !== null) deliver(stack, dev, whole);
}

/** The whole datagram once INPUT has passed it; null where it waits or has ended. */
function localIn(stack: Stack, dev: NetDevice, packet: Packet): Packet | null {
  const six = packet.family === 6;
  const whole = six ? packet : reassembled(stack, packet);
  if (whole === null) return null;
  const verdict = nfHook(stack, NF_INET_LOCAL_IN, whole, dev.ifindex, 0);
  if (verdict === NF_ACCEPT) return six ? reassembled(stack, whole) : whole;
  if (verdict === NF_DROP) stack.pool.release(whole);
  return null;
}

function reassembled(stack: Stack, packet: Packet): Packet | null {
  return packet.isFragment ? stack.state.reassembly.add(stack, packet, LOCAL) : packet;
}

/** `ip_protocol_deliver_rcu`, `ip6_protocol_deliver_rcu`. */
function deliver(stack: Stack, dev: NetDevice, whole: Packet): void {
  // `ipv6_rthdr_rcv`: a way through several hosts does not lead to many; who takes no part in one says nothing of it.
  const isToMany = whole.pktType !== PACKET_HOST || isMulticast6(whole.dst);
  if ((isToMany && isRouted(whole)) || whole.extensions.some(isSegmentRouting)) {
    stack.kill(whole, MARTIAN_DESTINATION);
    return;
  }
  // Nobody here takes an authentication header (`ah6_protocol`).
  if (whole.extensions.some(({ protocol }) => protocol === IPPROTO_AH)) {
    noProtocol(stack, whole);
    return;
  }
  switch (whole.protocol) {
    case IPPROTO_TCP:
      tcpReceive(stack, whole);
      return;
    case IPPROTO_UDP:
      udpReceive(stack, dev, whole);
      return;
    case IPPROTO_SCTP:
      if (!sctpReceive(stack, whole)) break;
      return;
    case IPPROTO_ICMP:
      if (whole.family === 6) break;
      icmpReceive(stack, dev, whole);
      return;
    case IPPROTO_ICMPV6:
      if (whole.family !== 6) break;
      icmp6Receive(stack, dev, whole);
      return;
    // The kernel takes them (CONFIG_IP_MULTICAST, CONFIG_IP_PIMSM_V2, which distributions have) and says nothing.
    case IPPROTO_IGMP:
      if (whole.family === 6) break;
      taken(stack, whole);
      return;
    case IPPROTO_PIM:
      taken(stack, whole);
      return;
    case IPPROTO_UDPLITE:
      udpliteReceive(stack, whole);
      return;
    case IPPROTO_IPIP:
      if (whole.family === 6 || stack.net.ipips.length === 0) break;
      ipipReceive(stack, whole);
      return;
    case IPPROTO_IPV6:
      // `tunnel6_rcv`
      if (whole.family !== 6 || !stack.net.devices.some(isTunnel6)) break;
      stack.engine.unmodelled.add("tunnels of IPv6 in IPv6");
      stack.kill(whole, UNMODELLED);
      return;
  }
  noProtocol(stack, whole);
}

/** The kernel's own `ip6tnl0` or another: what IPv6 carries IPv6 for. */
function isTunnel6({ plain: { detail } }: NetDevice): boolean {
  return detail.kind === "unmodelled" && /^(?:ip6tnl|tunnel6)$/.test(detail.type);
}

/** Where an IPv6 header names what is behind it, bytes from its beginning. */
const NEXT_HEADER = 6;
const IPV6_HEADER = 40;

function isRouted({ extensions }: Packet): boolean {
  return extensions.some(({ protocol }) => protocol === IPPROTO_ROUTING);
}

/** `ipv6_rpl_srh_rcv`, `ipv6_srh_rcv` (IPV6_SRCRT_TYPE_3 and 4): ways that `rpl_seg_enabled` and `seg6_enabled` let in, which are off. */
function isSegmentRouting({ protocol, bytes }: Extension): boolean {
  return protocol === IPPROTO_ROUTING && (bytes[2] === 3 || bytes[2] === 4);
}

/** Where what nobody takes is named: extension headers name the next one in their first byte. */
function placeOfUnknown({ extensions }: Packet): number {
  let [named, at] = [NEXT_HEADER, IPV6_HEADER];
  for (const { protocol, bytes } of extensions) {
    if (protocol === IPPROTO_AH) break;
    named = at;
    at += bytes.length;
  }
  return named;
}

function noProtocol(stack: Stack, packet: Packet): void {
  tellSender(stack, packet, PROTOCOL_UNKNOWN, placeOfUnknown(packet));
  stack.kill(packet, NO_PROTOCOL);
}
