import { addressOnPath } from "../address/ip6-handle.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import type { Stack } from "../kernel/stack.ts";
import type { Packet } from "../packet/packet.ts";

/** Where a packet is going: what sockets are looked up by. */
export interface Place {
  readonly family: number;
  readonly dst: number;
  readonly dport: number;
  /** ifindex of the device it came in by. */
  readonly dev: number;
}

/** Where a packet is really taken to: TPROXY may have found it another listener. */
export function placeOf(packet: Packet): Place {
  const { family, dst, dport, dev, proxyPort, proxyAddress } = packet;
  return proxyPort > 0 ? { family, dst: proxyAddress, dport: proxyPort, dev } : { family, dst, dport, dev };
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
  const sockets = stack.net.sockets;
  // Without a list of sockets every port listens, but not the client's own.
  if (sockets === null) return isClients ? undefined : null;
  let found: Socket | undefined;
  for (const socket of sockets) {
    if (socket.proto !== proto || socket.port !== place.dport) continue;
    if (!socket.families.includes(place.family === 6 ? 6 : 4)) continue;
    if (socket.address !== null && addressOnPath(socket.address) !== place.dst) continue;
    if (socket.dev !== null && stack.net.deviceNamed(socket.dev)?.ifindex !== place.dev) continue;
    // The more particular socket hears it.
    if (found === undefined || (found.address === null && socket.address !== null)) found = socket;
  }
  return found;
}
