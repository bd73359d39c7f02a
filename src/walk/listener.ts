import { addressOnPath, isLinkLocal6 } from "../address/ip6-handle.ts";
import { inputDevice6 } from "../kernel/icmp/send6.ts";
import { isMulticast } from "../kernel/route/output-route.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import type { Stack } from "../kernel/stack.ts";
import type { Packet } from "../packet/packet.ts";

/** Where a packet is going: what sockets are looked up by. */
export type Place = Pick<Packet, "family" | "dst" | "dport" | "dev" | "l3Slave">;

/** Where a packet is really taken to: TPROXY may have found it another listener. */
export function placeOf(packet: Packet): Place {
  const { family, dev, l3Slave, proxyPort, proxyAddress } = packet;
  return proxyPort > 0 ? { family, dst: proxyAddress, dport: proxyPort, dev, l3Slave } : packet;
}

/**
 * The listening socket of a place: undefined none, null one that is merely assumed.
 *
 * @param isClients is it the client's own socket's, which listens to nothing?
 */
export function listenerOf(
  stack: Stack,
  proto: Socket["proto"],
  place: Place,
  isClients: boolean,
): Socket | null | undefined {
  const { sockets, knownSockets } = stack.net;
  const found = bestOf(sockets ?? knownSockets, stack, proto, place);
  // Without a list of sockets every port listens, but not the client's own.
  return sockets === null && !isClients ? (found ?? null) : found;
}

function bestOf(
  sockets: readonly Socket[],
  stack: Stack,
  proto: Socket["proto"],
  place: Place,
): Socket | undefined {
  let found: Socket | undefined;
  for (const socket of sockets) {
    if (socket.proto !== proto || socket.port !== place.dport) continue;
    if (!socket.families.includes(place.family === 6 ? 6 : 4)) continue;
    // `ip_mc_sf_allow`: who hears groups that it never joined is a socket of IPv4 (`IP_MULTICAST_ALL`), not one of both families
    // (`inet6_create` has the like for IPv6 alone).
    if (place.family === 4 && socket.families.includes(6) && isMulticast(place.dst)) continue;
    if (socket.address !== null && addressOnPath(socket.address) !== place.dst) continue;
    if (!hears(stack, proto, place, socket.dev)) continue;
    if (found === undefined || particularity(socket) > particularity(found)) found = socket;
  }
  return found;
}

/** The more particular socket hears a packet: one with an address, then one of a device (`inet_lhash2_lookup`, `compute_score`). */
function particularity({ address, dev }: Socket): number {
  return (address === null ? 0 : 2) + (dev === null ? 0 : 1);
}

function hears(stack: Stack, proto: Socket["proto"], place: Place, dev: string | null): boolean {
  const bound = dev === null ? 0 : (stack.net.deviceNamed(dev)?.ifindex ?? -1);
  return isOfDevice(stack, proto, place, bound);
}

/**
 * `inet_bound_dev_eq`: may a socket bound to a device (ifindex, 0 to none) hear a packet? What is in a VRF is for sockets of the
 * VRF or of the device it came in by, and for others only where `net.ipv4.tcp_l3mdev_accept` and its like say so.
 */
export function isOfDevice(stack: Stack, proto: Socket["proto"], place: Place, bound: number): boolean {
  if (bound === 0) return place.l3Slave === 0 || stack.net.l3mdevAccept[proto];
  if (bound === place.dev || bound === place.l3Slave) return true;
  const by = stack.device(place.l3Slave === 0 ? place.dev : place.l3Slave);
  if (by === null || !(by.isLoopback || by.kind === "vrf")) return false;
  // It never left the host: it came by the device whose address it is for.
  const dev = stack.device(bound);
  const own = place.family === 6 ? dev?.addresses6 : dev?.addresses;
  return own?.some(({ address }) => address === place.dst) ?? false;
}

/**
 * The device that a socket made for a packet speaks by, ifindex, 0 any: its listener's, that which a link-local address of IPv6
 * is good on, or the VRF (`tcp_v6_init_req`, `inet_request_bound_dev_if`).
 */
export function boundDeviceOf(
  stack: Stack,
  proto: Socket["proto"],
  packet: Packet,
  socket: Socket | null,
): number {
  if (socket !== null && socket.dev !== null) return stack.net.deviceNamed(socket.dev)?.ifindex ?? 0;
  if (packet.family === 6 && isLinkLocal6(packet.src)) return inputDevice6(stack, packet);
  return stack.net.l3mdevAccept[proto] ? (stack.device(packet.iif)?.vrf?.ifindex ?? 0) : 0;
}
