import { isMulticast6 } from "../address/ip6-handle.ts";
import type { NetDevice } from "../kernel/device/net-device.ts";
import { EMSGSIZE, ENOBUFS, EPERM } from "../kernel/errno.ts";
import { layOut } from "../kernel/path/lay-out.ts";
import { localOut } from "../kernel/path/local-out.ts";
import { outputMtu } from "../kernel/route/output-mtu.ts";
import { isMulticast, routeConnect, routeOutput } from "../kernel/route/output-route.ts";
import { extensionBytes } from "../packet/extension.ts";
import { hashBySocket } from "../packet/flow-hash.ts";
import { headerLength, IPPROTO_TCP, type Packet, PHASE_REQUEST, TCP_SYN } from "../packet/packet.ts";
import { fillBare, fillHopLimit, fillMessage } from "./client-packet.ts";
import type { Conversation } from "./conversation.ts";
import { BARE_SEGMENT_BYTES, DEFAULT_PAYLOAD, RAW_ECHO_PAYLOAD } from "./packet-size.ts";
import { fillInit } from "./sctp-ends.ts";

/** How a query's client asks where it does not connect: a datagram, an echo request, a packet made by hand. */

/** A datagram on a connected socket, or an echo request on a ping socket: errors of `sendto` come back at once. */
export function sendMessage(owner: Conversation, proto: "udp" | "icmp"): void {
  const packet = owner.make(PHASE_REQUEST, 0);
  const stack = owner.client;
  fillMessage(packet, proto, owner.ports, owner.query.size ?? DEFAULT_PAYLOAD);
  packet.payloadKnown = owner.query.size !== null;
  packet.df = owner.query.df;
  packet.id = stack.state.nextIpId();
  // IP_MULTICAST_TTL and IPV6_MULTICAST_HOPS, which IP_TTL and IPV6_UNICAST_HOPS do not set
  if (isGroup(packet)) packet.ttl = 1;
  const error =
    proto === "udp" ? routeConnect(stack, packet) : routeOutput(stack, packet, packet.boundDev, false);
  if (error !== 0) {
    stack.pool.release(packet);
    owner.failErrno(error);
    return;
  }
  fillHopLimit(stack, packet);
  owner.bound(packet.src, packet.dst);
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  // IP_PMTUDISC_PROBE looks at the device, not at the route nor at what path MTU discovery learned.
  if (owner.query.df) packet.rtMtu = 0;
  if (owner.query.df && packet.length > outputMtu(packet, out)) {
    stack.pool.release(packet);
    owner.fail("too-big", EMSGSIZE);
    return;
  }
  // Only a datagram's socket is connected.
  if (proto === "udp") hashBySocket(packet);
  layOut(stack, packet);
  const failed = localOut(stack, packet);
  if (failed !== 0 && owner.result === null) owner.failErrno(failed);
}

/** `IPPROTO_RAW`: a protocol without ports. */
const IPPROTO_RAW = 255;

/** One hand-made packet through a raw socket: sent as it is. */
export function sendRaw(owner: Conversation): void {
  const { query, client: stack } = owner;
  const packet = owner.make(PHASE_REQUEST, 0);
  // `rawv6_send_hdrinc` sets no `ignore_df`: what rules lead to a narrower device is not cut.
  packet.df = query.df || packet.family === 6;
  packet.unlabelled = packet.family === 6;
  packet.id = stack.state.nextIpId();
  const headerSource = packet.src;
  if (query.proto === "tcp") {
    packet.protocol = IPPROTO_TCP;
    packet.sport = owner.clientPort;
    packet.dport = query.dport ?? 0;
    packet.tcpFlags = query.tcpFlags ?? TCP_SYN;
    packet.length = headerLength(packet) + BARE_SEGMENT_BYTES;
  } else if (query.proto === "sctp") fillInit(packet, owner.clientPort, query.dport ?? 0);
  else if (query.proto === "ip") fillBare(packet, query);
  else {
    const usual = query.proto === "icmp" ? RAW_ECHO_PAYLOAD : 0;
    fillMessage(packet, query.proto, owner.ports, query.size ?? usual);
    packet.payloadKnown = query.size !== null;
  }
  packet.mf = query.mf;
  packet.extensions = query.extensions;
  packet.length += extensionBytes(query.extensions);
  // raw_sendmsg routes by the socket's own address and protocol, not by the header it is handed.
  const { protocol } = packet;
  packet.src = 0;
  packet.protocol = IPPROTO_RAW;
  const error = routeOutput(stack, packet, packet.boundDev, true);
  packet.protocol = protocol;
  // FLOWI_FLAG_KNOWN_NH
  packet.rtHopStands = true;
  if (headerSource !== 0) packet.src = headerSource;
  owner.bound(packet.src, query.dst);
  if (error !== 0) {
    stack.pool.release(packet);
    owner.failErrno(error);
    return;
  }
  fillHopLimit(stack, packet);
  // raw_send_hdrinc fragments nothing, whether it may or not.
  if (packet.length > (stack.net.devices[packet.rtDev] as NetDevice).mtu) {
    stack.pool.release(packet);
    owner.fail("too-big", EMSGSIZE);
    return;
  }
  owner.result = "sent";
  const failed = localOut(stack, packet);
  // Who does not ask for errors is not told of a full queue (`raw_send_hdrinc`).
  if (failed === 0 || failed === ENOBUFS) return;
  owner.result = null;
  if (failed === EPERM) owner.fail("blocked", EPERM);
  else owner.failErrno(failed);
}

function isGroup({ family, dst }: Packet): boolean {
  return family === 6 ? isMulticast6(dst) : isMulticast(dst);
}
