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
    if (socket.dev !== null && stack.net.deviceNamed(socket.dev)?.ifindex !== packet.dev) continue;
    // The more particular socket hears it.
    if (found === undefined || (found.address === null && socket.address !== null)) found = socket;
  }
  return found;
}
