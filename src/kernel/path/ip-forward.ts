import * as IP6_HANDLE from "../../address/ip6-handle.ts";
import { isLinkLocal6, isMulticast6 } from "../../address/ip6-handle.ts";
import { checksumForwarded } from "../../packet/checksum.ts";
import * as PACKET from "../../packet/packet.ts";
import { networkLength, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as ERROR from "../icmp/error.ts";
import { TOO_BIG as TOO_BIG_ERROR, tellSender } from "../icmp/error.ts";
import { peerAllows } from "../icmp/error-rate.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { sendRedirect6 } from "../neighbour/ndisc-redirect.ts";
import * as HOOK from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import { reason } from "../reason.ts";
import { forwardMtu } from "../route/output-mtu.ts";
import type { Stack } from "../stack.ts";
import { ipOutput } from "./ip-output.ts";
import { takeRedirect } from "./redirect-rate.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IP6_ANY, IP6_LOOPBACK } = IP6_HANDLE;
const { ICMP_REDIRECT, ICMPV6_DEST_UNREACH, ICMPV6_NOT_NEIGHBOUR, PACKET_HOST } = PACKET;
const { HOPS_EXCEEDED } = ERROR;
const { NF_ACCEPT, NF_DROP, NF_INET_FORWARD } = HOOK;

const NOT_FOR_FORWARDING = reason("not-for-forwarding");
const TTL_EXCEEDED = reason("ttl-exceeded");
const TOO_BIG = reason("too-big");
const NOT_FORWARDING = reason("not-forwarding");
const MARTIAN_SOURCE = reason("martian-source");
const BEYOND_SCOPE = reason("beyond-scope");
const PROXIED_ELSEWHERE = reason("proxied-elsewhere");

const ICMP_REDIR_HOST = 1;
/** Of IPv6 one a second for each destination, after a burst (`ip6_forward`). */
const REDIRECT6_MS = 1000;

/** `ip_forward`, `ip6_forward`: TTL, MTU, redirects, FORWARD, and out. Takes the packet over. Runs per packet. */
export function ipForward(stack: Stack, dev: NetDevice, packet: Packet): void {
  const six = packet.family === 6;
  if (six && !stack.net.forwarding6) {
    stack.kill(packet, NOT_FORWARDING);
    return;
  }
  // `if (unlikely(skb->sk)) goto drop`, and of IPv6 likewise.
  if (packet.proxyPort !== 0) {
    stack.kill(packet, PROXIED_ELSEWHERE);
    return;
  }
  if (packet.pktType !== PACKET_HOST) {
    stack.kill(packet, NOT_FOR_FORWARDING);
    return;
  }
  if (packet.ttl <= 1) {
    tellSender(stack, packet, HOPS_EXCEEDED, 0);
    stack.kill(packet, TTL_EXCEEDED);
    return;
  }
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  packet.forwarded = true;
  if (six) {
    const refused = refuses6(stack, dev, out, packet);
    if (refused >= 0) {
      stack.kill(packet, refused);
      return;
    }
  }
  // A forwarded packet obeys the route's MTU (of IPv6 one that is locked) and the device's, not what path MTU discovery learned.
  const mtu = forwardMtu(packet, out);
  const mustFit = (six || packet.df) && (!packet.ignoreDf || packet.fragMaxSize > mtu);
  if (networkLength(packet) > mtu && mustFit) {
    tellSender(stack, packet, TOO_BIG_ERROR, mtu);
    stack.kill(packet, TOO_BIG);
    return;
  }
  packet.ttl--;
  checksumForwarded(packet);
  if (packet.rtDoRedirect) sendRedirect(stack, packet);
  const verdict = nfHook(stack, NF_INET_FORWARD, packet, dev.ifindex, out.ifindex);
  if (verdict !== NF_ACCEPT) {
    if (verdict === NF_DROP) stack.pool.release(packet);
    return;
  }
  ipOutput(stack, packet);
}

/** What IPv6 does not forward: the reason, -1 for none. Of what goes back by where it came from the sender is told a better way. */
function refuses6(stack: Stack, dev: NetDevice, out: NetDevice, packet: Packet): number {
  const { src } = packet;
  if (packet.iif === out.ifindex) {
    const target = packet.rtUsesGateway ? packet.rtNextHop : packet.dst;
    if (peerAllows(stack, 6, packet.dst, REDIRECT6_MS)) sendRedirect6(stack, dev, out, packet, target);
    return -1;
  }
  // "This check is security critical."
  if (src === IP6_ANY || src === IP6_LOOPBACK || isMulticast6(src)) return MARTIAN_SOURCE;
  if (!isLinkLocal6(src)) return -1;
  sendIcmpError(stack, packet, ICMPV6_DEST_UNREACH, ICMPV6_NOT_NEIGHBOUR, 0);
  return BEYOND_SCOPE;
}

/** `ip_rt_send_redirect`: tell the sender of a better gateway. */
function sendRedirect(stack: Stack, packet: Packet): void {
  if (!takeRedirect(stack.state, packet.src, stack.now)) return;
  sendIcmpError(stack, packet, ICMP_REDIRECT, ICMP_REDIR_HOST, packet.rtNextHop);
}
