/**
 * Captures as pcapng (draft-ietf-opsawg-pcapng): one section, an interface for every device frames were seen on, and the
 * frames in the order given. Little-endian; times in microseconds.
 */
export interface Capture {
  readonly interfaces: readonly CaptureInterface[];
  readonly frames: readonly CapturedFrame[];
}

export interface CaptureInterface {
  /** `host:device`. */
  readonly name: string;
  /** False where frames begin with the IP header. */
  readonly ethernet: boolean;
}

export interface CapturedFrame {
  /** Index in `interfaces`. */
  readonly interface: number;
  readonly timeUs: number;
  readonly bytes: Uint8Array;
  /** Length on the cable, where the bytes are only the beginning; absent: all of them. */
  readonly length?: number;
  readonly direction: "in" | "out";
  /** Whom the frame was addressed to, as the device saw it. */
  readonly reception?: "unicast" | "multicast" | "broadcast" | "otherhost";
  readonly comment?: string;
}

/** A capture without its ARP frames: those are left out unless somebody asks for them. */
export function withoutArp(capture: Capture): Capture {
  return {
    ...capture,
    frames: capture.frames.filter(({ bytes, interface: at }) => !isArp(bytes, capture, at)),
  };
}

function isArp(bytes: Uint8Array, { interfaces }: Capture, at: number): boolean {
  if (interfaces[at]?.ethernet !== true) return false;
  const type = bytes[12] === 0x81 && bytes[13] === 0x00 ? 16 : 12;
  return bytes[type] === 0x08 && bytes[type + 1] === 0x06;
}

// Block types (section 11.1).
const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;

/** Tells a reader the byte order. */
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;

// Options (sections 3.5, 4.1, 4.2, 4.3).
const OPT_END = 0;
const OPT_COMMENT = 1;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const EPB_FLAGS = 2;

const MICROSECONDS = 6;

/** `epb_flags`: bits 0–1 the direction, 2–4 the reception (section 4.3.1). */
const DIRECTION = { in: 1, out: 2 } as const;
const RECEPTION = { unicast: 1 << 2, multicast: 2 << 2, broadcast: 3 << 2, otherhost: 4 << 2 } as const;

export function encodePcapng(capture: Capture): Uint8Array {
  const blocks = [
    sectionHeader(),
    ...capture.interfaces.map(interfaceDescription),
    ...capture.frames.map((frame) => enhancedPacket(frame, capture.interfaces.length)),
  ];
  return joined(blocks);
}

function sectionHeader(): Uint8Array {
  const body = new Words(16);
  body.u32(0, BYTE_ORDER_MAGIC);
  body.u16(4, 1);
  body.u16(6, 0);
  // Length of the section: not said.
  body.u32(8, 0xffffffff);
  body.u32(12, 0xffffffff);
  return block(SECTION_HEADER, [body.bytes, text(SHB_USERAPPL, "hopscope"), end()]);
}

function interfaceDescription({ name, ethernet }: CaptureInterface): Uint8Array {
  const body = new Words(8);
  body.u16(0, ethernet ? LINKTYPE_ETHERNET : LINKTYPE_RAW);
  body.u16(2, 0);
  // No limit to what is kept of a frame.
  body.u32(4, 0);
  const resolution = option(IF_TSRESOL, Uint8Array.of(MICROSECONDS));
  return block(INTERFACE_DESCRIPTION, [body.bytes, text(IF_NAME, name), resolution, end()]);
}

function enhancedPacket(frame: CapturedFrame, interfaces: number): Uint8Array {
  if (!(frame.interface >= 0 && frame.interface < interfaces)) {
    throw new RangeError(`a frame of interface ${frame.interface}, of ${interfaces}`);
  }
  const body = new Words(20);
  body.u32(0, frame.interface);
  body.u32(4, Math.floor(frame.timeUs / 2 ** 32));
  body.u32(8, frame.timeUs % 2 ** 32);
  body.u32(12, frame.bytes.length);
  body.u32(16, frame.length ?? frame.bytes.length);
  const flags = new Words(4);
  flags.u32(0, DIRECTION[frame.direction] | (frame.reception === undefined ? 0 : RECEPTION[frame.reception]));
  const comment = frame.comment === undefined ? [] : [text(OPT_COMMENT, frame.comment)];
  const options = [option(EPB_FLAGS, flags.bytes), ...comment, end()];
  return block(ENHANCED_PACKET, [body.bytes, padded(frame.bytes), ...options]);
}

/** Type, total length, body, total length once more, so that a file can be read backwards (section 3.1). */
function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(parts);
  const total = body.length + 12;
  const words = new Words(total);
  words.u32(0, type);
  words.u32(4, total);
  words.bytes.set(body, 8);
  words.u32(total - 4, total);
  return words.bytes;
}

function option(code: number, value: Uint8Array): Uint8Array {
  const head = new Words(4);
  head.u16(0, code);
  head.u16(2, value.length);
  return joined([head.bytes, padded(value)]);
}

function text(code: number, value: string): Uint8Array {
  // An option's length has sixteen bits.
  return option(code, utf8(value).subarray(0, 0xffff));
}

function end(): Uint8Array {
  return option(OPT_END, new Uint8Array(0));
}

/** With zeros to the next multiple of four. */
function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 === 0) return bytes;
  const whole = new Uint8Array((bytes.length + 3) & ~3);
  whole.set(bytes);
  return whole;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Neither Node's types nor a browser's are at hand here, so text is encoded by hand (RFC 3629). */
function utf8(value: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of value) {
    const code = character.codePointAt(0) as number;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
    else if (code < 0x10000)
      bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    else {
      bytes.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 0x3f),
        0x80 | ((code >> 6) & 0x3f),
        0x80 | (code & 0x3f),
      );
    }
  }
  return Uint8Array.from(bytes);
}

/** Bytes with little-endian numbers in them. */
class Words {
  readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
  }

  u16(at: number, value: number): void {
    this.view.setUint16(at, value, true);
  }

  u32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
}
