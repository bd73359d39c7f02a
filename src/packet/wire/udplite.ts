/** Bytes of UDP-Lite's header (RFC 3828), and where in it the coverage and the checksum stand. */
const HEADER = 8;
const COVERAGE = 4;
const CHECKSUM = 6;

/**
 * How many bytes of a datagram of UDP-Lite its checksum is of: all where the header says 0. -1 where there is none, or it is of less than
 * the header or of more than there is (`udplite_error`, `udplite_checksum_init`).
 */
export function udpliteCoverage(datagram: Uint8Array): number {
  if (datagram.length < HEADER) return -1;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const covered = view.getUint16(COVERAGE) || datagram.length;
  return view.getUint16(CHECKSUM) === 0 || covered < HEADER || covered > datagram.length ? -1 : covered;
}
