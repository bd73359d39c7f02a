import { describe, expect, it } from "vitest";
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_LEFT,
  CHECKSUM_NONE,
  checksumForwarded,
  checksumInside,
  checksumVerified,
  failsChecksum,
  headerRewritten,
} from "../../src/packet/checksum.ts";
import { Packet } from "../../src/packet/packet.ts";

/** A datagram of so many bytes behind the header, whose sum was computed, and which conntrack has looked at. */
function verified(family: 4 | 6, bytes: number): Packet {
  const packet = new Packet();
  packet.family = family;
  packet.length = (family === 6 ? 40 : 20) + bytes;
  packet.summed = CHECKSUM_NONE;
  checksumVerified(packet);
  return packet;
}

describe("what is kept of a checksum", () => {
  // `CHECKSUM_BREAK`: 76 bytes are summed up anew at once.
  it.each([
    [6, 77, true],
    [6, 76, false],
    [4, 77, false],
  ] as const)("IPv%s, %s bytes, its header changed behind conntrack: fails %s", (family, bytes, fails) => {
    const packet = verified(family, bytes);
    expect(failsChecksum(packet)).toBe(false);
    headerRewritten(packet);
    expect(failsChecksum(packet)).toBe(fails);
    checksumForwarded(packet);
    expect([packet.summed, failsChecksum(packet)]).toEqual([CHECKSUM_NONE, false]);
  });

  it("of what a card is left to sum up nothing is kept, nor changes anything", () => {
    const packet = verified(6, 100);
    packet.summed = CHECKSUM_LEFT;
    checksumVerified(packet);
    headerRewritten(packet);
    expect([packet.summed, failsChecksum(packet)]).toEqual([CHECKSUM_LEFT, false]);
  });

  it("what comes out of a tunnel has a sum kept where its datagram had", () => {
    const inner = new Packet();
    checksumInside(inner, new Packet());
    expect(inner.summed).toBe(CHECKSUM_LEFT);
    checksumInside(inner, verified(6, 100));
    expect(inner.summed).toBe(CHECKSUM_COMPLETE);
  });
});
