import type { Packet } from "../packet/packet.ts";
import type { Stack } from "./stack.ts";
import * as TAPE from "./tape.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { OP_EMIT } = TAPE;

/**
 * A packet that did not come in begins here: it gets a number of its own, and the tape is told. Copies keep the number of what they
 * are copies of, fragments have theirs of the datagram (`Outbox.fragmentNumber`), and address questions have none.
 *
 * @param phase `PHASE_*`
 * @param cause number of the packet that it answers or tells about, 0 none
 * @returns the packet itself
 */
export function emit(stack: Stack, packet: Packet, phase: number, cause: number): Packet {
  packet.number = stack.outbox.nextNumber();
  tellEmitted(stack, packet, phase, cause);
  return packet;
}

/** As `emit`, of a packet that is numbered apart from others and has its number already. */
export function tellEmitted(stack: Stack, packet: Packet, phase: number, cause: number): void {
  packet.phase = phase;
  packet.cause = cause;
  stack.tape?.words4(OP_EMIT, stack.host, packet.number, cause, phase);
}
