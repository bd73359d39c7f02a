import { groupScope6 } from "../../address/ip6-handle.ts";
import * as MAC from "../../address/mac.ts";
import { CHECKSUM_NONE } from "../../packet/checksum.ts";
import * as PACKET from "../../packet/packet.ts";
import { headerLength, isNeighbourDiscovery, networkLength, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as ERRNO from "../errno.ts";
import { TOO_BIG as TOO_BIG_ERROR, tellSender } from "../icmp/error.ts";
import { multicastMac, neighbourOutput } from "../neighbour/output.ts";
import * as HOOK from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import { reason } from "../reason.ts";
import { nextHopOf } from "../route/attach.ts";
import { isMember } from "../route/input-route.ts";
import { outputMtu } from "../route/output-mtu.ts";
import { isMulticast } from "../route/output-route.ts";
import * as ROUTE_TYPES from "../route/types.ts";
import type { Stack } from "../stack.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { MAC_BROADCAST } = MAC;
const { ETH_P_IP, ETH_P_IPV6, FRAGMENT6_HEADER, PACKET_BROADCAST, PACKET_LOOPBACK, RT_LOCAL_DELIVER } =
  PACKET;
const { NF_ACCEPT, NF_DROP, NF_INET_POST_ROUTING } = HOOK;
const { EMSGSIZE, EPERM } = ERRNO;
const { RTN_BROADCAST, RTN_MULTICAST } = ROUTE_TYPES;

const TOO_BIG = reason("too-big");
const IPV6_DISABLED = reason("ipv6-disabled");
const NOT_FOR_FORWARDING = reason("not-for-forwarding");

/**
 * `ip_output` (and `ip_mc_output`): POSTROUTING, fragmentation, then the neighbour. Takes the packet over.
 *
 * @returns 0, or EPERM when POSTROUTING dropped a packet made here
 */
export function ipOutput(stack: Stack, packet: Packet): number {
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  const from = packet.dev;
  packet.dev = out.ifindex;
  const six = packet.family === 6;
  packet.ethType = six ? ETH_P_IPV6 : ETH_P_IP;
  if (six && out.conf6.disabled) {
    stack.kill(packet, IPV6_DISABLED);
    return 0;
  }
  // `ip_mc_output`: to all, or to a group that the host is in by this device.
  if (!six && from === 0 && !out.isLoopback) {
    if (packet.rtType === RTN_BROADCAST) hearItself(stack, out, packet, PACKET_BROADCAST);
    else if (packet.rtType === RTN_MULTICAST && isMember(stack, packet.dst, out))
      hearItself(stack, out, packet, PACKET_LOOPBACK);
  }
  const verdict = nfHook(stack, NF_INET_POST_ROUTING, packet, from, out.ifindex);
  if (verdict !== NF_ACCEPT) {
    if (verdict === NF_DROP) stack.pool.release(packet);
    return verdict === NF_DROP ? EPERM : 0;
  }
  // POSTROUTING may not route, but mangle's marks and nat's reroute happen before; the device stands.
  return ipFinishOutput(stack, packet);
}

/** `__ip_finish_output`, `__ip6_finish_output`: cut what is too long, hand the rest to the neighbour. */
function ipFinishOutput(stack: Stack, packet: Packet): number {
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  const mtu = outputMtu(packet, out);
  if (networkLength(packet) > mtu || packet.fragMaxSize > 0) {
    if (isTooBig(packet, mtu)) {
      tellSender(stack, packet, TOO_BIG_ERROR, mtu);
      stack.kill(packet, TOO_BIG);
      return EMSGSIZE;
    }
    const pieces = Math.abs(packet.fragMaxSize);
    const size = pieces !== 0 && pieces < mtu ? pieces : mtu;
    // Pieces have room for a card's header before them, for no tunnel's.
    if (TUNNELS.has(out.kind)) packet.pieces = null;
    if (packet.length > size) return fragment(stack, packet, size, finishOutput2);
  }
  return finishOutput2(stack, packet);
}

const TUNNELS: ReadonlySet<string> = new Set(["vxlan", "geneve", "ipip"]);

/** Must it be cut and may not be? Of IPv6 only its sender cuts a packet, and who has put it together himself, in no larger pieces. */
function isTooBig(packet: Packet, mtu: number): boolean {
  const { family, df, forwarded, ignoreDf, fragMaxSize } = packet;
  if (family === 6)
    return fragMaxSize > mtu || (networkLength(packet) > mtu && (forwarded || df) && !ignoreDf);
  return df && (!ignoreDf || fragMaxSize > mtu);
}

/**
 * `ip_do_fragment`: cut a datagram into fragments of at most `size` bytes, or into the pieces it was joined of where none is
 * longer. The first keeps the packet and its number, the others get numbers that belong to their place in the datagram. Takes
 * the packet over.
 *
 * @param output 0, or the errno that ends it: the pieces behind are not sent
 */
export function fragment(
  stack: Stack,
  packet: Packet,
  size: number,
  output: (stack: Stack, fragment: Packet) => number,
): number {
  const bare = headerLength(packet);
  // A fragment of IPv6 has a header more.
  const header = packet.family === 6 ? FRAGMENT6_HEADER : bare;
  const total = packet.length - (packet.isFragment ? header : bare);
  const room = size - header;
  const lengths = fits(packet.pieces, room, total) ? packet.pieces : evenly(total, room & ~7);
  const start = packet.fragOffset;
  const more = packet.mf;
  const rest: Packet[] = [];
  if (packet.family !== 6) packet.df = packet.fragPmtu;
  // `ipv6_select_ident`: no two hosts' are alike.
  if (packet.family === 6) packet.id = (stack.state.nextIpId() ^ Math.imul(stack.host + 1, 0x9e37)) & 0xffff;
  // A tunnel's packet bears the number of the one inside, whose fragments may have come this way.
  const datagram = packet.inner === null ? packet.number : -packet.number;
  packet.fragMaxSize = 0;
  packet.pieces = null;
  packet.summed = CHECKSUM_NONE;
  const [first = total, ...others] = lengths;
  let offset = first;
  for (const length of others) {
    const piece = stack.pool.clone(packet);
    piece.number = stack.outbox.fragmentNumber(datagram, start + offset);
    piece.fragOffset = start + offset;
    piece.length = header + length;
    offset += length;
    piece.mf = more || offset < total;
    rest.push(piece);
  }
  packet.length = header + first;
  packet.mf = more || first < total;
  let errno = output(stack, packet);
  for (const piece of rest) {
    if (errno === 0) errno = output(stack, piece);
    else stack.pool.release(piece);
  }
  return errno;
}

/** Do the pieces that make up a datagram find room, and can it be told what the next one's offset is? */
function fits(pieces: readonly number[] | null, room: number, total: number): pieces is readonly number[] {
  if (pieces === null || pieces.reduce((sum, length) => sum + length, 0) !== total) return false;
  return pieces.every((length, i) => length <= room && (length % 8 === 0 || i === pieces.length - 1));
}

function evenly(total: number, step: number): number[] {
  return Array.from({ length: Math.ceil(total / step) }, (_, i) => Math.min(step, total - i * step));
}

/** What a host says to many it hears itself too, by the same device: a copy passes POSTROUTING on its own (`dev_loopback_xmit`). */
function hearItself(stack: Stack, out: NetDevice, packet: Packet, pktType: number): void {
  const echo = stack.pool.clone(packet);
  const verdict = nfHook(stack, NF_INET_POST_ROUTING, echo, 0, out.ifindex);
  if (verdict === NF_ACCEPT) {
    echo.pktType = pktType;
    // Its route says local as well, so it is not looked up again.
    echo.rtInput = RT_LOCAL_DELIVER;
    echo.dev = out.ifindex;
    stack.outbox.receive(stack, out, echo);
  } else if (verdict === NF_DROP) stack.pool.release(echo);
}

/**
 * `ip6_finish_output2`: what a host says to a group it is in it hears itself (`dev_loopback_xmit`); what is for a group of this
 * interface goes no further.
 *
 * @returns false when the packet has ended here
 */
function toGroup6(stack: Stack, out: NetDevice, packet: Packet): boolean {
  if (out.isLoopback) return true;
  const heard = !packet.forwarded && !isNeighbourDiscovery(packet);
  if (heard && stack.net.groups.isJoined6(packet.dst, out.ifindex))
    hearItself(stack, out, packet, PACKET_LOOPBACK);
  if (groupScope6(packet.dst) > 1) return true;
  stack.kill(packet, NOT_FOR_FORWARDING);
  return false;
}

/** `ip_finish_output2`, `ip6_finish_output2`: find the next hop's MAC, or the group's, and send the frame. 0, or an errno. */
function finishOutput2(stack: Stack, packet: Packet): number {
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  if (packet.family === 6) {
    if (packet.rtType === RTN_MULTICAST && !toGroup6(stack, out, packet)) return 0;
  } else if (
    (packet.rtType === RTN_BROADCAST || packet.rtType === RTN_MULTICAST) &&
    !(out.isLoopback || packet.rtUsesGateway)
  ) {
    packet.framed = out.hasHeader;
    packet.ethSrc = out.mac;
    packet.ethDst = isMulticast(packet.dst)
      ? multicastMac(4, packet.dst)
      : out.noArp
        ? out.mac
        : MAC_BROADCAST;
    stack.path.transmit(stack, out, packet);
    return stack.xmitErrno;
  }
  return neighbourOutput(stack, out, nextHopOf(packet), packet);
}
