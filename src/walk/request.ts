import type { NetDevice } from "../kernel/device/net-device.ts";
import { outputMtu } from "../kernel/path/ip-output.ts";
import { localOut } from "../kernel/path/local-out.ts";
import { EMSGSIZE, EPERM } from "../kernel/route/fib.ts";
import { isMulticast, routeOutput } from "../kernel/route/output-route.ts";
import {
  ICMP_ECHO,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
  PHASE_REQUEST,
  TCP_SYN,
} from "../packet/packet.ts";
import type { Conversation } from "./conversation.ts";
import { DEFAULT_PAYLOAD, RAW_ECHO_PAYLOAD } from "./packet-size.ts";

/** How a query's client asks where it does not connect: a datagram, an echo request, a packet made by hand. */

/** A datagram on a connected socket. */
export function sendDatagram(owner: Conversation): void {
  const packet = owner.make(PHASE_REQUEST, 0);
  packet.protocol = IPPROTO_UDP;
  packet.sport = owner.clientPort;
  packet.dport = owner.query.dport ?? 0;
  packet.payload = owner.query.size ?? DEFAULT_PAYLOAD;
  packet.length = 28 + packet.payload;
  sendMessage(owner, packet);
}

/** An echo request on a ping socket. */
export function sendEcho(owner: Conversation): void {
  const packet = owner.make(PHASE_REQUEST, 0);
  packet.protocol = IPPROTO_ICMP;
  packet.icmpType = ICMP_ECHO;
  packet.icmpId = owner.clientIcmpId;
  packet.icmpSeq = 1;
  packet.payload = owner.query.size ?? DEFAULT_PAYLOAD;
  packet.length = 28 + packet.payload;
  sendMessage(owner, packet);
}

/** `sendto` on a datagram or ping socket: errors come back at once. */
function sendMessage(owner: Conversation, packet: Packet): void {
  const stack = owner.client;
  packet.df = owner.query.df;
  packet.id = stack.state.nextIpId();
  // IP_MULTICAST_TTL, which IP_TTL does not set
  if (isMulticast(packet.dst)) packet.ttl = 1;
  const error = routeOutput(stack, packet, packet.boundDev, false);
  if (error !== 0) {
    stack.pool.release(packet);
    owner.failErrno(error);
    return;
  }
  owner.bound(packet.src, packet.dst);
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  // IP_PMTUDISC_PROBE looks at the device, not at the route nor at what path MTU discovery learned.
  if (owner.query.df) packet.rtMtu = 0;
  if (owner.query.df && packet.length > outputMtu(packet, out)) {
    stack.pool.release(packet);
    owner.fail("too-big", EMSGSIZE);
    return;
  }
  const failed = localOut(stack, packet);
  if (failed !== 0 && owner.result === null) owner.failErrno(failed);
}

/** `IPPROTO_RAW`: a protocol without ports. */
const IPPROTO_RAW = 255;

/** One hand-made packet through a raw socket: sent as it is. */
export function sendRaw(owner: Conversation): void {
  const { query, client: stack } = owner;
  const packet = owner.make(PHASE_REQUEST, 0);
  packet.df = query.df;
  packet.id = stack.state.nextIpId();
  const headerSource = packet.src;
  if (query.proto === "icmp") {
    packet.protocol = IPPROTO_ICMP;
    packet.icmpType = ICMP_ECHO;
    packet.icmpId = owner.clientIcmpId;
    packet.icmpSeq = 1;
    packet.payload = query.size ?? RAW_ECHO_PAYLOAD;
    packet.length = 28 + packet.payload;
  } else {
    packet.protocol = query.proto === "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
    packet.sport = owner.clientPort;
    packet.dport = query.dport ?? 0;
    if (query.proto === "tcp") {
      packet.tcpFlags = query.tcpFlags ?? TCP_SYN;
      packet.length = 40;
    } else {
      packet.payload = query.size ?? 0;
      packet.length = 28 + packet.payload;
    }
  }
  // raw_sendmsg routes by the socket's own address and protocol, not by the header it is handed.
  const { protocol } = packet;
  packet.src = 0;
  packet.protocol = IPPROTO_RAW;
  const error = routeOutput(stack, packet, packet.boundDev, true);
  packet.protocol = protocol;
  if (headerSource !== 0) packet.src = headerSource;
  owner.bound(packet.src, query.dst);
  if (error !== 0) {
    stack.pool.release(packet);
    owner.failErrno(error);
    return;
  }
  // raw_send_hdrinc fragments nothing, whether it may or not.
  if (packet.length > (stack.net.devices[packet.rtDev] as NetDevice).mtu) {
    stack.pool.release(packet);
    owner.fail("too-big", EMSGSIZE);
    return;
  }
  owner.result = "sent";
  const failed = localOut(stack, packet);
  if (failed === 0) return;
  owner.result = null;
  if (failed === EPERM) owner.fail("blocked", EPERM);
  else owner.failErrno(failed);
}
