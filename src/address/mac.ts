/**
 * MAC addresses, interned for the life of the process: a `Mac` is a small integer, the same for the same six bytes.
 * Comparing two is `===`; what the bytes say is read from typed arrays. A handle never leaves the process: files and
 * messages hold the text. The look-ups by handle are code that runs per packet.
 */

/** A handle made by `internMac`, `internMacNumber` or `readMac`; nothing else makes one. */
export type Mac = number;

/** 00:00:00:00:00:00, what a device without a link address has. */
export const MAC_ZERO: Mac = 0;
/** ff:ff:ff:ff:ff:ff. */
export const MAC_BROADCAST: Mac = 1;

const HIGH = 0x1_0000_0000;

/** By handle: the upper 16 and the lower 32 bits of the address, and its group bit. */
let upper = new Uint16Array(64);
let lower = new Uint32Array(64);
let group = new Uint8Array(64);
let count = 0;
/** From the 48 bits, which a number holds exactly, to the handle. */
const handles = new Map<number, Mac>();

internMacNumber(0);
internMacNumber(0xffff_ffff_ffff);

/** The handle of six hexadecimal bytes joined by colons, in either case. Throws RangeError for anything else. */
export function internMac(text: string): Mac {
  const mac = parseMac(text);
  if (mac === undefined) {
    throw new RangeError(
      `${JSON.stringify(text)} is no MAC address: six bytes such as 02:42:ac:11:00:02 are expected`,
    );
  }
  return mac;
}

/** As `internMac`, undefined for what is no MAC address. */
export function parseMac(text: string): Mac | undefined {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return internMacNumber(Number.parseInt(text.replaceAll(":", ""), 16));
}

/** Lower case, as `ip link` prints it. */
export function formatMac(mac: Mac): string {
  const high = upper[mac] as number;
  const low = lower[mac] as number;
  const h = HEX_BYTES;
  return `${h[high >>> 8]}:${h[high & 255]}:${h[low >>> 24]}:${h[(low >>> 16) & 255]}:${h[(low >>> 8) & 255]}:${h[low & 255]}`;
}

const HEX_BYTES: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

/** The handle of a 48-bit number. */
export function internMacNumber(bits: number): Mac {
  const known = handles.get(bits);
  if (known !== undefined) return known;
  if (!Number.isInteger(bits) || bits < 0 || bits > 0xffff_ffff_ffff) {
    throw new RangeError(`${bits} does not fit in the 48 bits of a MAC address`);
  }
  if (count === lower.length) grow();
  upper[count] = Math.floor(bits / HIGH);
  lower[count] = bits % HIGH;
  group[count] = Math.floor(bits / 2 ** 40) & 1;
  handles.set(bits, count);
  return count++;
}

/** The 48 bits as a number. */
export function macNumber(mac: Mac): number {
  return (upper[mac] ?? 0) * HIGH + (lower[mac] ?? 0);
}

/** The two words of the interface identifier that IPv6 makes of an address (RFC 4291, appendix A), signed. */
export function eui64High(mac: Mac): number {
  return (((upper[mac] as number) ^ 0x0200) << 16) | (((lower[mac] as number) >>> 24) << 8) | 0xff;
}

export function eui64Low(mac: Mac): number {
  return 0xfe000000 | 0 | ((lower[mac] as number) & 0xffffff);
}

/** The handle of the six bytes at `offset`. */
export function readMac(bytes: Uint8Array, offset: number): Mac {
  let bits = 0;
  for (let i = 0; i < 6; i++) bits = bits * 256 + (bytes[offset + i] ?? 0);
  return internMacNumber(bits);
}

/** Writes the six bytes at `offset`. */
export function writeMac(mac: Mac, bytes: Uint8Array, offset: number): void {
  const high = upper[mac] ?? 0;
  const low = lower[mac] ?? 0;
  bytes[offset] = high >>> 8;
  bytes[offset + 1] = high;
  bytes[offset + 2] = low >>> 24;
  bytes[offset + 3] = low >>> 16;
  bytes[offset + 4] = low >>> 8;
  bytes[offset + 5] = low;
}

/** Multicast or broadcast: the lowest bit of the first byte (IEEE 802, `is_multicast_ether_addr`). */
export function isGroupMac(mac: Mac): boolean {
  return group[mac] === 1;
}

function grow(): void {
  const size = lower.length * 2;
  const wider = { upper: new Uint16Array(size), lower: new Uint32Array(size), group: new Uint8Array(size) };
  wider.upper.set(upper);
  wider.lower.set(lower);
  wider.group.set(group);
  ({ upper, lower, group } = wider);
}
