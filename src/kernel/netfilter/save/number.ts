/** Numbers as the printers of libxtables write them. A mark or mask is 32 bits held as a signed int32. */

/** `%#x` of 32 bits: `0x4000`. */
export function hex(bits: number): string {
  return `0x${(bits >>> 0).toString(16)}`;
}

/** `0x%02x`: `0x08`. */
export function hexByte(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
