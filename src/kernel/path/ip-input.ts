import {
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PKT_FILTERED,
  ICMP_PROT_UNREACH,
  IPPROTO_ICMP,
  IPPROTO_IPIP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  PACKET_OTHERHOST,
  type Packet,
  RT_ERROR,
  RT_FORWARD,
  RT_LOCAL_DELIVER,
  RT_NONE,
} from "../../packet/packet.ts";
import type { DevicePlace } from "../device/lower-port.ts";
import type { NetDevice } from "../device/net-device.ts";
import { icmpReceive } from "../icmp/receive.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING } from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import { reason } from "../reason.ts";
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from "../route/fib.ts";
import { routeInput } from "../route/input-route.ts";
import { tcpReceive } from "../socket/tcp.ts";
import { udpReceive } from "../socket/udp.ts";
import type { Stack } from "../stack.ts";
import { ipForward } from "./ip-forward.ts";
import { ipipReceive } from "./ipip.ts";
import { ipvlanOwner } from "./ipvlan.ts";

const OTHER_HOST = reason("other-host");
const NOT_FORWARDING = reason("not-forwarding");
const NO_ROUTE = reason("no-route");
const BLACKHOLE = reason("blackhole-route");
const PROHIBIT = reason("prohibit-route");
const UNREACHABLE = reason("unreachable-route");
const NO_PROTOCOL = reason("no-protocol");

/** `ip_rcv`: PREROUTING, then routing, then forwarding or local delivery. Takes the packet over. Runs per packet. */
export function ipReceive(stack: Stack, dev: NetDevice, packet: Packet): void {
  if (packet.pktType === PACKET_OTHERHOST) {
    // Ports and other hosts' frames on a shared cable: ordinary, and no reason of a verdict.
    stack.kill(packet, OTHER_HOST);
    return;
  }
  // `ip_rcv_core` clears what the bridge's hooks left in the control block: joined there, it is cut again only if it must be.
  if (packet.fragMaxSize > 0) packet.fragMaxSize = -packet.fragMaxSize;
  // ip_sabotage_in: what br_netfilter already ran through PREROUTING on the bridge does not run again.
  if (packet.nfBridge && !packet.nfBridgeSabotaged) packet.nfBridgeSabotaged = true;
  else {
    const verdict = nfHook(stack, NF_INET_PRE_ROUTING, packet, dev.ifindex, 0);
    if (verdict !== NF_ACCEPT) {
      if (verdict === NF_DROP) stack.pool.release(packet);
      return;
    }
  }
  ipReceiveFinish(stack, dev, packet);
}

/** `ip_rcv_finish`: a packet that came by loopback has its route already. */
export function ipReceiveFinish(stack: Stack, dev: NetDevice, packet: Packet): void {
  const owner = ipvlanOwner(stack, dev, packet);
  if (owner !== null && ownedDelivery(stack, dev, owner, packet)) return;
  if (
    packet.rtInput === RT_NONE ||
    (!dev.isLoopback && packet.rtInput !== RT_LOCAL_DELIVER) ||
    packet.rtDev < 0
  ) {
    const dropped = routeInput(stack, packet, dev);
    if (dropped >= 0) {
      stack.kill(packet, dropped);
      return;
    }
  }
  switch (packet.rtInput) {
    case RT_LOCAL_DELIVER:
      localDeliver(stack, dev, packet);
      return;
    case RT_FORWARD:
      ipForward(stack, dev, packet);
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

/** `ip_error`: the route said no. */
function ipError(stack: Stack, dev: NetDevice, packet: Packet): void {
  const errno = packet.rtError;
  if (!dev.conf.forwarding) {
    stack.kill(packet, NOT_FORWARDING);
    return;
  }
  let ended = NO_ROUTE;
  switch (errno) {
    case EINVAL:
      ended = BLACKHOLE;
      break;
    case EHOSTUNREACH:
      ended = UNREACHABLE;
      sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
      break;
    case ENETUNREACH:
      sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0);
      break;
    case EACCES:
      ended = PROHIBIT;
      sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0);
      break;
  }
  stack.kill(packet, ended);
}

/** `ip_local_deliver`: reassembly, INPUT, then the protocol. */
function localDeliver(stack: Stack, dev: NetDevice, packet: Packet): void {
  const whole = localIn(stack, dev, packet);
  if (whole !== null) deliver(stack, dev, whole);
}

/** The whole datagram once INPUT has passed it; null where it waits or has ended. */
function localIn(stack: Stack, dev: NetDevice, packet: Packet): Packet | null {
  let whole: Packet | null = packet;
  if (packet.isFragment) {
    whole = stack.state.reassembly.add(stack, packet, "local");
    if (whole === null) return null;
  }
  const verdict = nfHook(stack, NF_INET_LOCAL_IN, whole, dev.ifindex, 0);
  if (verdict === NF_ACCEPT) return whole;
  if (verdict === NF_DROP) stack.pool.release(whole);
  return null;
}

/** `ip_protocol_deliver_rcu`. */
function deliver(stack: Stack, dev: NetDevice, whole: Packet): void {
  switch (whole.protocol) {
    case IPPROTO_TCP:
      tcpReceive(stack, whole);
      return;
    case IPPROTO_UDP:
      udpReceive(stack, dev, whole);
      return;
    case IPPROTO_ICMP:
      icmpReceive(stack, dev, whole);
      return;
    case IPPROTO_IPIP:
      if (stack.net.ipips.length > 0) {
        ipipReceive(stack, whole);
        return;
      }
      noProtocol(stack, whole);
      return;
    default:
      noProtocol(stack, whole);
  }
}

function noProtocol(stack: Stack, packet: Packet): void {
  sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
  stack.kill(packet, NO_PROTOCOL);
}
