import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CapturedFrame, encodePcapng, withoutArp } from "../../src/packet/pcapng.ts";

/** The blocks of a file: type and body. Throws where the two lengths of a block disagree. */
function blocksOf(bytes: Uint8Array): { type: number; body: DataView }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks: { type: number; body: DataView }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    expect(length % 4).toBe(0);
    expect(view.getUint32(at + length - 4, true)).toBe(length);
    blocks.push({
      type: view.getUint32(at, true),
      body: new DataView(bytes.buffer, bytes.byteOffset + at + 8, length - 12),
    });
    at += length;
  }
  return blocks;
}

const captured = (): fc.Arbitrary<CapturedFrame> =>
  fc.record(
    {
      interface: fc.nat(2),
      timeUs: fc.integer({ min: 0, max: 2 ** 52 }),
      bytes: fc.uint8Array({ maxLength: 60 }),
      direction: fc.constantFrom("in", "out"),
      reception: fc.constantFrom("unicast", "multicast", "broadcast", "otherhost"),
      comment: fc.string({ unit: "grapheme", maxLength: 20 }),
    },
    { requiredKeys: ["interface", "timeUs", "bytes", "direction"] },
  );

const INTERFACES = [
  { name: "node-1:eth0", ethernet: true },
  { name: "pod-1:eth0", ethernet: true },
  { name: "node-1:tunl0", ethernet: false },
];

describe("a capture as pcapng", () => {
  it("is a section, its interfaces and its frames, each byte where it belongs", () => {
    fc.assert(
      fc.property(fc.array(captured(), { maxLength: 10 }), (frames) => {
        const [section, ...rest] = blocksOf(encodePcapng({ interfaces: INTERFACES, frames }));
        expect(section?.type).toBe(0x0a0d0d0a);
        expect(section?.body.getUint32(0, true)).toBe(0x1a2b3c4d);
        const interfaces = rest.slice(0, INTERFACES.length);
        expect(interfaces.map(({ type, body }) => [type, body.getUint16(0, true)])).toEqual([
          [1, 1],
          [1, 1],
          [1, 101],
        ]);
        const packets = rest.slice(INTERFACES.length);
        expect(packets).toHaveLength(frames.length);
        packets.forEach(({ type, body }, i) => {
          const frame = frames[i] as CapturedFrame;
          const kept = body.getUint32(12, true);
          expect([type, body.getUint32(0, true), kept]).toEqual([6, frame.interface, frame.bytes.length]);
          expect(body.getUint32(4, true) * 2 ** 32 + body.getUint32(8, true)).toBe(frame.timeUs);
          expect([...new Uint8Array(body.buffer, body.byteOffset + 20, kept)]).toEqual([...frame.bytes]);
        });
      }),
    );
  });

  it("of a frame of no interface is a mistake of the program", () => {
    const frame = { interface: 3, timeUs: 0, bytes: new Uint8Array(4), direction: "in" } as const;
    expect(() => encodePcapng({ interfaces: INTERFACES, frames: [frame] })).toThrow(
      "a frame of interface 3, of 3",
    );
  });
});

describe("a capture without ARP", () => {
  const frame = (bytes: readonly number[], at = 0): CapturedFrame => ({
    interface: at,
    timeUs: 0,
    bytes: Uint8Array.from([...new Array(12).fill(0), ...bytes]),
    direction: "in",
  });
  const interfaces = [
    { name: "a:eth0", ethernet: true },
    { name: "a:tunl0", ethernet: false },
  ];

  it.each<readonly [string, readonly number[], number, number]>([
    ["ARP", [0x08, 0x06], 0, 0],
    ["ARP behind a tag", [0x81, 0x00, 0x00, 0x0a, 0x08, 0x06], 0, 0],
    ["IPv4", [0x08, 0x00], 0, 1],
    ["IPv4 behind a tag", [0x81, 0x00, 0x08, 0x06, 0x08, 0x00], 0, 1],
    ["what has no Ethernet header", [0x08, 0x06], 1, 1],
  ])("%s", (_, bytes, at, kept) => {
    expect(withoutArp({ interfaces, frames: [frame(bytes, at)] }).frames).toHaveLength(kept);
  });
});
