import type { Packet } from "../packet.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { fault, tooShort, type WireFault } from "./fault.ts";

/** The header of Geneve (RFC 8926 3.4), behind UDP's and before the inner frame. Written without options; those that come are passed over. */

/** Version, two bits, and length of the options in words, six bits. */
const OPTIONS = 0;
const PROTOCOL = 2;
const VNI = 4;
const GENEVE_HEADER = 8;

/** What is inside: an Ethernet frame. */
const ETH_P_TEB = 0x6558;

export const GENEVE_PORT = 6081;

export function encodeGeneve(packet: Packet, bytes: Uint8Array, at: number): void {
  write16(bytes, at + OPTIONS, 0);
  write16(bytes, at + PROTOCOL, ETH_P_TEB);
  write32(bytes, at + VNI, packet.vni << 8);
}

/** Reads the header. Returns its length in bytes, or why it is none. */
export function decodeGeneve(bytes: Uint8Array, at: number, packet: Packet): number | WireFault {
  const short = tooShort(bytes, at, GENEVE_HEADER, "a Geneve header");
  if (short !== null) return short;
  const first = bytes[at + OPTIONS] as number;
  if (first >>> 6 !== 0) return fault(at, `Geneve version ${first >>> 6} where 0 is expected`);
  if (read16(bytes, at + PROTOCOL) !== ETH_P_TEB) return fault(at + PROTOCOL, "no Ethernet frame in Geneve");
  packet.vni = read32(bytes, at + VNI) >>> 8;
  return GENEVE_HEADER + (first & 0x3f) * 4;
}
