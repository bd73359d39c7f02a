import type { NetDevice } from "../kernel/device/net-device.ts";
import { emit } from "../kernel/emit.ts";
import { outerOf } from "../kernel/path/encapsulation.ts";
import { reason } from "../kernel/reason.ts";
import { hopLimit } from "../kernel/route/hop-limit.ts";
import { outputMtu } from "../kernel/route/output-mtu.ts";
import { routeOutput } from "../kernel/route/output-route.ts";
import type { App, Socket, TunPeer } from "../kernel/socket/socket.ts";
import type { Stack } from "../kernel/stack.ts";
import { OP_TUN } from "../kernel/tape.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_NET_UNREACH,
  INNER_DATAGRAM,
  INNER_NONE,
  INNER_QUOTED,
  IPPROTO_ICMP,
  IPPROTO_UDP,
  PACKET_HOST,
  type Packet,
  PHASE_ERROR,
} from "../packet/packet.ts";
import { MESSAGE_BYTES } from "./packet-size.ts";

/**
 * What a daemon with a TUN and a socket does (flannel's `udp` backend, backend/udp/proxy_amd64.c): each packet that the kernel
 * hands to the TUN leaves whole in a datagram to the daemon that has its destination, and what such a datagram holds goes
 * into the TUN. Each of the two takes one from the TTL.
 */

const LEFT_MODEL = reason("left-model");
const NOT_IPV4 = reason("not-ipv4");
const NO_PEER = reason("no-tun-peer");
const TTL_EXCEEDED = reason("ttl-exceeded");
const NOT_SENT = reason("not-sent");

const HEADER = 20;
/** An error of the daemon's own: its TTL, and how much of the packet it quotes behind the header. */
const ERROR_TTL = 8;
const QUOTED = 8;

/** The kernel hands a packet to a TUN. Takes it over. */
export function fromTun(stack: Stack, device: NetDevice, packet: Packet): void {
  const socket = stack.net.tunSockets.find(({ app }) => app.kind === "tun" && app.device === device.name);
  const app = socket?.app;
  if (socket === undefined || app?.kind !== "tun") {
    stack.kill(packet, LEFT_MODEL);
    return;
  }
  if (packet.family === 6) {
    stack.kill(packet, NOT_IPV4);
    return;
  }
  const peer = peerOf(app, packet.dst);
  if (peer === undefined) {
    sayUnreachable(stack, device, packet);
    stack.kill(packet, NO_PEER);
    return;
  }
  if (packet.ttl <= 1) {
    stack.kill(packet, TTL_EXCEEDED);
    return;
  }
  packet.ttl--;
  stack.tape?.words8(OP_TUN, stack.host, packet.number, device.ifindex, 1, peer.address, peer.port, 0, 0);
  send(stack, socket, peer, packet);
}

function peerOf({ peers }: Extract<App, { kind: "tun" }>, address: number): TunPeer | undefined {
  return peers.find(
    ({ subnet }) => subnet.length === 0 || ((subnet.address ^ address) & (-1 << (32 - subnet.length))) === 0,
  );
}

function send(stack: Stack, socket: Socket, peer: TunPeer, packet: Packet): void {
  const outer = outerOf(stack, packet, INNER_DATAGRAM);
  outer.protocol = IPPROTO_UDP;
  outer.src = typeof socket.address === "number" ? socket.address : 0;
  outer.dst = peer.address;
  outer.sport = socket.port;
  outer.dport = peer.port;
  outer.payload = packet.length;
  outer.length = HEADER + MESSAGE_BYTES + packet.length;
  outer.uid = 0;
  outer.id = stack.state.nextIpId();
  if (routeOutput(stack, outer, 0, false) !== 0) {
    stack.pool.release(outer);
    stack.kill(packet, NOT_SENT);
    return;
  }
  outer.ttl = hopLimit(stack, outer);
  // IP_PMTUDISC_WANT, as a socket begins: what fits the way must not be cut.
  outer.df = outer.length <= outputMtu(outer, stack.net.devices[outer.rtDev] as NetDevice);
  outer.inner = packet;
  stack.path.localOut(stack, outer);
}

/** `send_net_unreachable`: no one has the address, which the daemon says from the TUN's own. */
function sayUnreachable(stack: Stack, device: NetDevice, cause: Packet): void {
  const own = device.addresses[0];
  if (own === undefined) return;
  const error = emit(stack, stack.pool.take(), PHASE_ERROR, cause.number);
  error.protocol = IPPROTO_ICMP;
  error.icmpType = ICMP_DEST_UNREACH;
  error.icmpCode = ICMP_NET_UNREACH;
  error.src = own.address;
  error.dst = cause.src;
  error.ttl = ERROR_TTL;
  const quoted = stack.pool.take();
  quoted.copyHeaders(cause);
  quoted.framed = false;
  error.inner = quoted;
  error.encapsulation = INNER_QUOTED;
  error.payload = HEADER + QUOTED;
  error.length = HEADER + MESSAGE_BYTES + error.payload;
  error.pktType = PACKET_HOST;
  stack.outbox.raise(stack, device, error);
}

/** Is a datagram for a daemon's socket? Then it is given back, and what it held comes in by the TUN. */
export function toTun(stack: Stack, packet: Packet): boolean {
  const { inner } = packet;
  const socket = stack.net.tunSockets.find(
    ({ address, port, proto }) =>
      proto === "udp" && port === packet.dport && (address === null || address === packet.dst),
  );
  if (socket === undefined || packet.family === 6 || socket.app.kind !== "tun") return false;
  const device = stack.net.deviceNamed(socket.app.device);
  const { src, sport, encapsulation } = packet;
  packet.inner = null;
  packet.encapsulation = INNER_NONE;
  stack.pool.release(packet);
  // The kernel takes nothing else from a TUN than IP.
  if (inner === null) return true;
  if (encapsulation !== INNER_DATAGRAM || device === null) {
    stack.kill(inner, NOT_SENT);
    return true;
  }
  if (inner.ttl <= 1) {
    stack.kill(inner, TTL_EXCEEDED);
    return true;
  }
  inner.scrub(true);
  // What a daemon writes is a new packet.
  inner.flowHash = 0;
  inner.hasFlowPorts = false;
  inner.ttl--;
  inner.framed = false;
  stack.tape?.words8(OP_TUN, stack.host, inner.number, device.ifindex, 0, src, sport, 0, 0);
  if (device.up) stack.outbox.raise(stack, device, inner);
  else stack.kill(inner, NOT_SENT);
  return true;
}
