import { describe, expect, it } from "vitest";
import { decodeCaptured, numbered } from "../../src/lab/live/captured-packets.ts";

/** Frames as the kernel forwarded them, in fixtures/live/tcpmss-lengthens-the-same-packet.json. */
const CLIENT = "0200000001010200000001020800";
const FORWARDED = "0200000002020200000002010800";

const SYN = `${CLIENT}4500002800004000400623cd0a0001020a0002024e271f9000000000000000005002faf030370000`;
const SYN_WITH_MSS = `${FORWARDED}4500002c000040003f0624c90a0001020a0002024e271f9000000000000000006002faf01c17000002040218`;
const SYN_ECN = `${CLIENT}4500002800004000400623cd0a0001020a0002024e2701bb000000000000000050c2faf04d4c0000`;
const SYN_ECN_REMOVED = `${FORWARDED}4500002c000040003f0624c90a0001020a0002024e2701bb00000000000000006002faf039ec000002040218`;
/** The first once more, with four bytes behind its header. */
const SYN_WITH_DATA = `${CLIENT}4500002c00004000400623c90a0001020a0002024e271f9000000000000000005002faf03033000000000000`;

function numbersOf(...frames: readonly string[]): number[] {
  const decodings = frames.map((hex, time) => {
    const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
    const frame = { host: "a", device: "eth0", direction: "out", time, bytes, framed: true } as const;
    const packet = decodeCaptured(frame, []);
    if (packet === null) throw new Error(`${hex} is no frame`);
    return { frame, packet };
  });
  return numbered(decodings).frames.map(({ pkt }) => pkt);
}

describe("a captured packet without an identification is known again", () => {
  it("when TCPMSS has given its SYN an option", () => {
    expect(numbersOf(SYN, SYN_WITH_MSS)).toEqual([1, 1]);
  });

  it("when ECN has cleared the flags of congestion too", () => {
    expect(numbersOf(SYN_ECN, SYN_ECN_REMOVED)).toEqual([1, 1]);
  });

  it("but not in one that carries more", () => {
    expect(numbersOf(SYN, SYN_WITH_DATA, SYN_WITH_MSS)).toEqual([1, 2, 1]);
  });
});
