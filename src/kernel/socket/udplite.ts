import { IPPROTO_UDPLITE, type Packet } from "../../packet/packet.ts";
import { checksum, pseudoHeader } from "../../packet/wire/checksum.ts";
import { udpliteCoverage } from "../../packet/wire/udplite.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { refuseDatagram } from "./udp.ts";

const BAD_CHECKSUM = reason("bad-checksum");

/**
 * `udplite_rcv` (RFC 3828): a dump tells of no socket of UDP-Lite, so that what is right is answered with a port unreachable. Takes the
 * packet over.
 */
export function udpliteReceive(stack: Stack, packet: Packet): void {
  if (isRight(packet)) refuseDatagram(stack, packet);
  else stack.kill(packet, BAD_CHECKSUM);
}

function isRight(packet: Packet): boolean {
  const { content } = packet;
  // Nobody has said what is in it: what one sends is right.
  if (content === null) return true;
  const covered = udpliteCoverage(content);
  const before = pseudoHeader(packet, IPPROTO_UDPLITE, content.length);
  return covered >= 0 && checksum(content, 0, covered, before) === 0;
}
