import { MAC_BROADCAST } from "../../address/mac.ts";
import {
  ETH_P_IP,
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  PACKET_BROADCAST,
  type Packet,
  RT_LOCAL_DELIVER,
} from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { multicastMac, neighbourOutput } from "../neighbour/output.ts";
import { NF_ACCEPT, NF_DROP, NF_INET_POST_ROUTING } from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import { reason } from "../reason.ts";
import { EMSGSIZE, EPERM } from "../route/fib.ts";
import { isMulticast } from "../route/output-route.ts";
import { RTN_BROADCAST, RTN_MULTICAST } from "../route/types.ts";
import type { Stack } from "../stack.ts";

const TOO_BIG = reason("too-big");

/**
 * `ip_output` (and `ip_mc_output`): POSTROUTING, fragmentation, then the neighbour. Takes the packet over.
 *
 * @returns 0, or EPERM when POSTROUTING dropped a packet made here
 */
export function ipOutput(stack: Stack, packet: Packet): number {
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  const from = packet.dev;
  packet.dev = out.ifindex;
  packet.ethType = ETH_P_IP;
  if (packet.rtType === RTN_BROADCAST && from === 0) {
    // What a host says to all it hears itself too (dev_loopback_xmit), by the same device.
    const echo = stack.pool.clone(packet);
    const verdict = nfHook(stack, NF_INET_POST_ROUTING, echo, 0, out.ifindex);
    if (verdict === NF_ACCEPT) {
      echo.pktType = PACKET_BROADCAST;
      // Its route says local as well, so it is not looked up again.
      echo.rtInput = RT_LOCAL_DELIVER;
      echo.dev = out.ifindex;
      stack.outbox.receive(stack, out, echo);
    } else if (verdict === NF_DROP) stack.pool.release(echo);
  }
  const verdict = nfHook(stack, NF_INET_POST_ROUTING, packet, from, out.ifindex);
  if (verdict !== NF_ACCEPT) {
    if (verdict === NF_DROP) stack.pool.release(packet);
    return verdict === NF_DROP ? EPERM : 0;
  }
  // POSTROUTING may not route, but mangle's marks and nat's reroute happen before; the device stands.
  return ipFinishOutput(stack, packet);
}

/** `__ip_finish_output`: cut what is too long, hand the rest to the neighbour. */
function ipFinishOutput(stack: Stack, packet: Packet): number {
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  const mtu = outputMtu(packet, out);
  if (packet.length > mtu || packet.fragMaxSize > 0) {
    if (packet.df && !packet.ignoreDf && (packet.length > mtu || packet.fragMaxSize > mtu)) {
      sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
      stack.kill(packet, TOO_BIG);
      return EMSGSIZE;
    }
    const pieces = Math.abs(packet.fragMaxSize);
    const size = pieces !== 0 && pieces < mtu ? pieces : mtu;
    if (packet.length > size) {
      fragment(stack, packet, size, finishOutput2);
      return 0;
    }
  }
  finishOutput2(stack, packet);
  return 0;
}

/** `ip_skb_dst_mtu`: the route's MTU where it has one, else the device's. */
export function outputMtu(packet: Packet, out: NetDevice): number {
  return packet.rtMtu !== 0 ? Math.min(packet.rtMtu, 65535) : out.mtu;
}

/**
 * `ip_do_fragment`: cut a datagram into fragments of at most `size` bytes. The first keeps the packet and its number, the
 * others get numbers that belong to their place in the datagram. Takes the packet over.
 */
export function fragment(
  stack: Stack,
  packet: Packet,
  size: number,
  output: (stack: Stack, fragment: Packet) => void,
): void {
  const step = (size - 20) & ~7;
  const total = packet.length - 20;
  const start = packet.fragOffset;
  const more = packet.mf;
  const rest: Packet[] = [];
  // A tunnel's packet bears the number of the one inside, whose fragments may have come this way.
  const datagram = packet.inner === null ? packet.number : -packet.number;
  for (let offset = step; offset < total; offset += step) {
    const piece = stack.pool.clone(packet);
    piece.number = stack.outbox.fragmentNumber(datagram, start + offset);
    piece.fragOffset = start + offset;
    piece.length = 20 + Math.min(step, total - offset);
    piece.mf = more || offset + step < total;
    piece.fragMaxSize = 0;
    rest.push(piece);
  }
  packet.length = 20 + Math.min(step, total);
  packet.mf = more || total > step;
  packet.fragMaxSize = 0;
  output(stack, packet);
  for (const piece of rest) output(stack, piece);
}

/** `ip_finish_output2`: find the next hop's MAC, or the group's, and send the frame. */
function finishOutput2(stack: Stack, packet: Packet): void {
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  if ((packet.rtType === RTN_BROADCAST || packet.rtType === RTN_MULTICAST) && !out.isLoopback) {
    packet.framed = out.hasHeader;
    packet.ethSrc = out.mac;
    packet.ethDst = isMulticast(packet.dst) ? multicastMac(packet.dst) : out.noArp ? out.mac : MAC_BROADCAST;
    stack.path.transmit(stack, out, packet);
    return;
  }
  neighbourOutput(stack, out, packet.rtNextHop, packet);
}
