import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  PACKET_HOST,
  type Packet,
} from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { NF_ACCEPT, NF_DROP, NF_INET_FORWARD } from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import { reason } from "../reason.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { ipOutput } from "./ip-output.ts";

const NOT_FOR_FORWARDING = reason("not-for-forwarding");
const TTL_EXCEEDED = reason("ttl-exceeded");
const TOO_BIG = reason("too-big");

const ICMP_REDIR_HOST = 1;
/** `ip_rt_redirect_number`, `ip_rt_redirect_load`, `ip_rt_redirect_silence` (net/ipv4/route.c), milliseconds. */
const REDIRECT_NUMBER = 9;
const REDIRECT_LOAD_MS = 20;
const REDIRECT_SILENCE_MS = 20_480;

/** `ip_forward`: TTL, MTU, redirects, FORWARD, and out. Takes the packet over. Runs per packet. */
export function ipForward(stack: Stack, dev: NetDevice, packet: Packet): void {
  if (packet.pktType !== PACKET_HOST) {
    stack.kill(packet, NOT_FOR_FORWARDING);
    return;
  }
  if (packet.ttl <= 1) {
    sendIcmpError(stack, packet, ICMP_TIME_EXCEEDED, 0, 0);
    stack.kill(packet, TTL_EXCEEDED);
    return;
  }
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  packet.forwarded = true;
  // A forwarded packet obeys the route's MTU and the device's, not what path MTU discovery learned.
  const mtu = stack.net.forwardUsePmtu && packet.rtMtu !== 0 ? packet.rtMtu : forwardMtu(stack, packet, out);
  if (packet.length > mtu && packet.df) {
    sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    stack.kill(packet, TOO_BIG);
    return;
  }
  packet.ttl--;
  if (packet.rtDoRedirect) sendRedirect(stack, packet);
  const verdict = nfHook(stack, NF_INET_FORWARD, packet, dev.ifindex, out.ifindex);
  if (verdict !== NF_ACCEPT) {
    if (verdict === NF_DROP) stack.pool.release(packet);
    return;
  }
  ipOutput(stack, packet);
}

function forwardMtu(stack: Stack, packet: Packet, out: NetDevice): number {
  const learned = stack.state.exceptions.get(packet.dst, 0);
  return packet.rtMtu !== 0 && packet.rtMtu !== learned ? packet.rtMtu : out.mtu;
}

/** `ip_rt_send_redirect`: tell the sender of a better gateway, seldom and at most nine times. */
function sendRedirect(stack: Stack, packet: Packet): void {
  const peers = stack.state.peers;
  const sentBefore = peers.get(packet.src, 0);
  let sent = sentBefore === ABSENT ? 0 : sentBefore;
  const last = sentBefore === ABSENT ? 0 : peers.get(packet.src, 1);
  const now = stack.now;
  if (sent > 0 && now > last + REDIRECT_SILENCE_MS) sent = 0;
  if (sent >= REDIRECT_NUMBER) {
    peers.set(packet.src, 1, now);
    return;
  }
  if (sent === 0 || now > last + REDIRECT_LOAD_MS * 2 ** sent) {
    sendIcmpError(stack, packet, ICMP_REDIRECT, ICMP_REDIR_HOST, packet.rtNextHop);
    peers.set(packet.src, 0, sent + 1);
    peers.set(packet.src, 1, now);
  }
}
