import type { Stack } from "../kernel/stack.ts";
import type { Packet } from "../packet/packet.ts";

/**
 * `ip_dont_fragment`: may what a socket has just routed not be cut? Of IPv4 it may where the way's MTU is fixed, and where the host
 * has path MTU discovery off (`net.ipv4.ip_no_pmtu_disc`).
 */
export function dontFragment({ net }: Stack, { family, rtMtuLocked }: Packet): boolean {
  return family === 6 || !(rtMtuLocked || net.noPmtuDisc !== 0);
}
