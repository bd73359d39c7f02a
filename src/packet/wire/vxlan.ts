import type { Packet } from "../packet.ts";
import { read32, write32 } from "./big-endian.ts";
import { fault, tooShort, type WireFault } from "./fault.ts";

/** The header of VXLAN (RFC 7348 5), behind UDP's and before the inner frame. */

const FLAGS = 0;
const VNI = 4;
export const VXLAN_HEADER = 8;

/** The I flag: the VNI is valid. */
const VALID_VNI = 0x08;

/** The port IANA gave it, and the one Linux had before. */
export const VXLAN_PORTS: readonly number[] = [4789, 8472];

export function encodeVxlan(packet: Packet, bytes: Uint8Array, at: number): void {
  write32(bytes, at + FLAGS, VALID_VNI << 24);
  write32(bytes, at + VNI, packet.vni << 8);
}

export function decodeVxlan(bytes: Uint8Array, at: number, packet: Packet): WireFault | null {
  const short = tooShort(bytes, at, VXLAN_HEADER, "a VXLAN header");
  if (short !== null) return short;
  if (((bytes[at + FLAGS] as number) & VALID_VNI) === 0)
    return fault(at, "a VXLAN header without a valid VNI");
  packet.vni = read32(bytes, at + VNI) >>> 8;
  return null;
}
