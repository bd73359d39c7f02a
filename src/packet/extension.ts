/** An extension header of IPv6 (RFC 8200 4). */
export interface Extension {
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

/** How long some are together, bytes. */
export function extensionBytes(extensions: readonly Extension[]): number {
  return extensions.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
