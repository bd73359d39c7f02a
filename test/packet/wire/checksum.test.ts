import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ETH_P_ARP,
  headerLength,
  IPPROTO_ICMP,
  IPPROTO_IPIP,
  IPPROTO_SCTP,
  IPPROTO_UDP,
  type Packet,
} from "../../../src/packet/packet.ts";
import { checksum, pseudoHeader } from "../../../src/packet/wire/checksum.ts";
import { crc32c } from "../../../src/packet/wire/crc32c.ts";
import { encodeFrame } from "../../../src/packet/wire/frame.ts";
import { anyPacket } from "./arbitrary-packet.ts";

describe("the Internet checksum", () => {
  it.each([
    // RFC 1071 section 3: the sum is ddf2
    ["00 01 f2 03 f4 f5 f6 f7", 0x220d],
    ["", 0xffff],
    ["00 00", 0xffff],
    ["ff ff", 0],
    // an odd byte is the upper half of a word
    ["01", 0xfeff],
    ["00 01 02", 0xfdfe],
    // the header of RFC 791 in many a textbook
    ["45 00 00 73 00 00 40 00 40 11 00 00 c0 a8 00 01 c0 a8 00 c7", 0xb861],
  ])("of %s", (hex, expected) => {
    const bytes = Uint8Array.from(
      hex.split(" ").filter((pair) => pair !== ""),
      (pair) => Number.parseInt(pair, 16),
    );
    expect(checksum(bytes, 0, bytes.length)).toBe(expected);
  });

  const even = () => fc.uint8Array({ maxLength: 300 }).map((bytes) => bytes.subarray(0, bytes.length & ~1));

  it("over bytes that hold it is zero", () => {
    fc.assert(
      fc.property(even(), (bytes) => {
        const sum = checksum(bytes, 0, bytes.length);
        const whole = Uint8Array.from([...bytes, sum >>> 8, sum & 0xff]);
        // All zeros have no other: their sum stays 0, its complement all ones.
        expect([0, 0xffff]).toContain(checksum(whole, 0, whole.length));
      }),
    );
  });

  it("does not depend on the order of words, and parts may be summed one after the other", () => {
    fc.assert(
      fc.property(even(), even(), (a, b) => {
        const ab = Uint8Array.from([...a, ...b]);
        const ba = Uint8Array.from([...b, ...a]);
        const whole = checksum(ab, 0, ab.length);
        expect(checksum(ba, 0, ba.length)).toBe(whole);
        expect(checksum(b, 0, b.length, ~checksum(a, 0, a.length) & 0xffff)).toBe(whole);
      }),
    );
  });

  it("finds every single changed byte", () => {
    fc.assert(
      fc.property(
        even().filter((bytes) => bytes.length > 0),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (bytes, at, by) => {
          const before = checksum(bytes, 0, bytes.length);
          const i = at % bytes.length;
          bytes[i] = (bytes[i] as number) ^ by;
          const after = checksum(bytes, 0, bytes.length);
          // Zero and all ones are the same number in one's complement.
          expect(after % 0xffff).not.toBe(before % 0xffff);
        },
      ),
    );
  });
});

describe("every checksum of an encoded frame is right", () => {
  /** From the IP header on; goes into what is carried. */
  function verify(bytes: Uint8Array, at: number, packet: Packet): void {
    if (packet.family === 4) expect(checksum(bytes, at, at + 20)).toBe(0);
    const transport = at + headerLength(packet);
    const end = at + packet.length;
    const length = end - transport;
    if (packet.protocol === IPPROTO_IPIP && packet.inner !== null) {
      verify(bytes, transport, packet.inner);
      return;
    }
    if (packet.protocol === IPPROTO_SCTP) {
      const plain = bytes.slice(transport, end);
      plain.fill(0, 8, 12);
      const sent = new DataView(bytes.buffer, bytes.byteOffset).getUint32(transport + 8, true);
      expect(crc32c(plain, 0, plain.length)).toBe(sent);
    } else if (packet.protocol !== IPPROTO_ICMP) {
      const pseudo = pseudoHeader(packet, packet.protocol, length);
      expect(checksum(bytes, transport, end, pseudo)).toBe(0);
    } else expect(checksum(bytes, transport, end)).toBe(0);
    if (packet.protocol === IPPROTO_UDP && packet.inner !== null && packet.inner.ethType !== ETH_P_ARP) {
      verify(bytes, transport + 8 + 8 + 14, packet.inner);
    }
  }

  it("IPv4's, TCP's, UDP's, ICMP's, inside a tunnel too", () => {
    fc.assert(
      fc.property(
        anyPacket().filter(({ ethType }) => ethType !== ETH_P_ARP),
        (packet) => verify(encodeFrame(packet), 14, packet),
      ),
      { numRuns: 500 },
    );
  });

  it("UDP's is never zero, which would say that there is none", () => {
    fc.assert(
      fc.property(
        anyPacket().filter(({ protocol }) => protocol === IPPROTO_UDP),
        (packet) => {
          const bytes = encodeFrame(packet);
          const at = 14 + headerLength(packet) + 6;
          expect(((bytes[at] as number) << 8) | (bytes[at + 1] as number)).not.toBe(0);
        },
      ),
    );
  });
});

describe("CRC32c", () => {
  it.each([
    // RFC 3720 B.4, and the check value of the catalogue of CRCs.
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    [new TextEncoder().encode("123456789"), 0xe3069283],
  ])("of known bytes", (bytes, sum) => {
    expect(crc32c(bytes, 0, bytes.length)).toBe(sum);
  });
});
