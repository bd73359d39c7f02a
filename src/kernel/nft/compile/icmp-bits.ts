import {
  FIRST_DISCOVERY_NUMBER,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  INNER_NONE,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  type Packet,
} from "../../../packet/packet.ts";
import { IPV4_HEADER } from "../../../packet/wire/ipv4.ts";
import { ipv6HeaderLength } from "../../../packet/wire/ipv6.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import { loadKnownBits } from "./known-bits.ts";
import type { NftRun } from "./nft-run.ts";

/** What ICMP has where others have their ports, and behind: its checksum, and the rest of its message. */

const CHECKSUM = 2;
const ID = 4;

export function isAnyIcmp({ protocol }: Packet): boolean {
  return protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6;
}

/**
 * Puts up to 32 bits of an ICMP message into a register; says in the run where they are not known. The checksum is where all
 * else is, as of an echo whose id and size somebody asked for: no card fills it in later. False: the message ends before.
 * Runs per packet that a rule reads so.
 *
 * @param offset bits from the ICMP header
 */
export function loadIcmpBits(run: NftRun, at: number, offset: number, length: number): boolean {
  const { packet } = run;
  const of = knownBytes(packet);
  const { bytes, known } = of;
  const start = packet.family === 6 ? ipv6HeaderLength(packet) : IPV4_HEADER;
  if (start * 8 + offset + length > bytes.length * 8) return false;
  if (isEcho(packet) && packet.icmpId === run.stack.engine.givenIcmpId)
    known.fill(0xff, start + ID, start + ID + 2);
  let open = 0;
  for (let i = start; i < known.length; i++) if (known[i] !== 0xff) open++;
  if (open === 2 && packet.number < FIRST_DISCOVERY_NUMBER) known.fill(0xff, start + CHECKSUM, start + ID);
  return loadKnownBits(run, at, of, start, offset, length);
}

function isEcho({ family, encapsulation, icmpType }: Packet): boolean {
  if (encapsulation !== INNER_NONE) return false;
  return family === 6
    ? icmpType === ICMPV6_ECHO_REQUEST || icmpType === ICMPV6_ECHO_REPLY
    : icmpType === ICMP_ECHO || icmpType === ICMP_ECHOREPLY;
}
