/** Why bytes are no such header: where, and which rule they break. A cut-off *payload* is no fault: captures are often cut. */
export interface WireFault {
  readonly kind: "invalid";
  /** Offset of the offending byte in the frame. */
  readonly offset: number;
  readonly message: string;
}

export function fault(offset: number, message: string): WireFault {
  return { kind: "invalid", offset, message };
}

/** The fault of a header that does not fit into the bytes there are; null where it fits. */
export function tooShort(bytes: Uint8Array, at: number, length: number, header: string): WireFault | null {
  if (at + length <= bytes.length) return null;
  return fault(at, `${header} takes ${length} bytes, ${Math.max(0, bytes.length - at)} are left`);
}

/** A packet that an error quotes may end anywhere behind the first eight bytes of its transport (RFC 792). */
export type Extent = "whole" | "quoted";
