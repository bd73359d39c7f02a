import { type Packet, protocolKey } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import { OP_DELIVER } from "../tape.ts";

/** A socket took the packet: the tape is told, and the packet goes back to its pool. Runs per packet. */
export function deliver(stack: Stack, packet: Packet): void {
  stack.tape?.words8(
    OP_DELIVER,
    stack.host,
    packet.number,
    protocolKey(packet),
    packet.dst,
    packet.dport,
    packet.src,
    packet.sport,
    0,
  );
  stack.pool.release(packet);
}
