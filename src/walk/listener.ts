import { addressOnPath } from "../address/ip6-handle.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import type { Stack } from "../kernel/stack.ts";
import type { Packet } from "../packet/packet.ts";

/**
 * The listening socket for a packet: undefined none, null one that is merely assumed.
 *
 * @param isClients is the packet for the client's own socket, which listens to nothing?
 */
export function listenerOf(
  stack: Stack,
  proto: Socket["proto"],
  packet: Packet,
  isClients: boolean,
): Socket | null | undefined {
  const sockets = stack.net.sockets;
  // Without a list of sockets every port listens, but not the client's own.
  if (sockets === null) return isClients ? undefined : null;
  let found: Socket | undefined;
  for (const socket of sockets) {
    if (socket.proto !== proto || socket.port !== packet.dport) continue;
    if (!socket.families.includes(packet.family === 6 ? 6 : 4)) continue;
    if (socket.address !== null && addressOnPath(socket.address) !== packet.dst) continue;
    if (!hears(stack, proto, packet, socket.dev)) continue;
    if (found === undefined || particularity(socket) > particularity(found)) found = socket;
  }
  return found;
}

/** The more particular socket hears a packet: one with an address, then one of a device (`inet_lhash2_lookup`, `compute_score`). */
function particularity({ address, dev }: Socket): number {
  return (address === null ? 0 : 2) + (dev === null ? 0 : 1);
}

function hears(stack: Stack, proto: Socket["proto"], packet: Packet, dev: string | null): boolean {
  const bound = dev === null ? 0 : (stack.net.deviceNamed(dev)?.ifindex ?? -1);
  return isOfDevice(stack, proto, packet, bound);
}

/**
 * `inet_bound_dev_eq`: may a socket bound to a device (ifindex, 0 to none) hear a packet? What is in a VRF is for sockets of the
 * VRF or of the device it came in by, and for others only where `net.ipv4.tcp_l3mdev_accept` and its like say so.
 */
export function isOfDevice(stack: Stack, proto: Socket["proto"], packet: Packet, bound: number): boolean {
  if (bound === 0) return packet.l3Slave === 0 || stack.net.l3mdevAccept[proto];
  if (bound === packet.dev || bound === packet.l3Slave) return true;
  const by = stack.device(packet.l3Slave === 0 ? packet.dev : packet.l3Slave);
  if (by === null || !(by.isLoopback || by.kind === "vrf")) return false;
  // It never left the host: it came by the device whose address it is for.
  const dev = stack.device(bound);
  const own = packet.family === 6 ? dev?.addresses6 : dev?.addresses;
  return own?.some(({ address }) => address === packet.dst) ?? false;
}

/** The device that a socket made for a packet speaks by, ifindex, 0 any: its listener's, or the VRF (`inet_request_bound_dev_if`). */
export function boundDeviceOf(
  stack: Stack,
  proto: Socket["proto"],
  packet: Packet,
  socket: Socket | null,
): number {
  if (socket !== null && socket.dev !== null) return stack.net.deviceNamed(socket.dev)?.ifindex ?? 0;
  return stack.net.l3mdevAccept[proto] ? (stack.device(packet.iif)?.vrf?.ifindex ?? 0) : 0;
}
