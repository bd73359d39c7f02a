import { INNER_NONE, INNER_QUOTED, type Packet } from "../../packet/packet.ts";

/** Tunnels within one another that Linux 6.18 still sends through: two VXLANs routed into each other get no further. */
const MOST_TUNNELS = 3;

/**
 * Is the packet, about to enter a tunnel, in as many as the kernel takes ("Dead loop on virtual device", `iptunnel_xmit`)?
 * Runs per packet.
 */
export function isDeadLoop(packet: Packet): boolean {
  let tunnels = 0;
  let inside: Packet | null = packet;
  while (inside !== null && inside.encapsulation !== INNER_NONE && inside.encapsulation !== INNER_QUOTED) {
    if (++tunnels >= MOST_TUNNELS) return true;
    inside = inside.inner;
  }
  return false;
}
