import { IPPROTO_UDPLITE, type Packet } from "../../packet/packet.ts";
import { checksum, pseudoHeader } from "../../packet/wire/checksum.ts";
import { PORT_UNREACHABLE, tellSender } from "../icmp/error.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";

const BAD_CHECKSUM = reason("bad-checksum");
const NO_LISTENER = reason("no-listener-udp");

const HEADER = 8;
const COVERAGE = 4;
const CHECKSUM = 6;

/**
 * `udplite_rcv` (RFC 3828): a dump tells of no socket of UDP-Lite, so that what is right is answered with a port unreachable. Takes the
 * packet over.
 */
export function udpliteReceive(stack: Stack, packet: Packet): void {
  if (!isRight(packet)) {
    stack.kill(packet, BAD_CHECKSUM);
    return;
  }
  tellSender(stack, packet, PORT_UNREACHABLE, 0);
  stack.kill(packet, NO_LISTENER);
}

/** `udplite_checksum_init`: a checksum there must be, over the header at least; a coverage of 0 is all. */
function isRight(packet: Packet): boolean {
  const { content } = packet;
  // Nobody has said what is in it: what one sends is right.
  if (content === null) return true;
  if (content.length < HEADER) return false;
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const said = view.getUint16(COVERAGE);
  const covered = said === 0 ? content.length : said;
  if (view.getUint16(CHECKSUM) === 0 || covered < HEADER || covered > content.length) return false;
  return checksum(content, 0, covered, pseudoHeader(packet, IPPROTO_UDPLITE, content.length)) === 0;
}
