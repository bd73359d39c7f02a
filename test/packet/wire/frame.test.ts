import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { internMac } from "../../../src/address/mac.ts";
import { recordedForm } from "../../../src/lab/recorded-form.ts";
import {
  ETH_P_ARP,
  ETH_P_IPV6,
  headerLength,
  IPPROTO_ICMP,
  IPPROTO_UDP,
  Packet,
} from "../../../src/packet/packet.ts";
import { decodeFrame, decodeIp, encodeFrame } from "../../../src/packet/wire/frame.ts";
import { readRecording, recordingNames } from "../../fixtures.ts";
import { anyPacket, longPacket, taggedPacket } from "./arbitrary-packet.ts";

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function decoded(bytes: Uint8Array): Packet {
  const result = decodeFrame(bytes);
  if (result.kind === "invalid") throw new Error(`${result.offset}: ${result.message}`);
  return result.packet;
}

interface RecordedBytes {
  readonly recording: string;
  readonly hex: string;
  readonly frame: Readonly<Record<string, unknown>>;
}

/** Every frame of IP whose bytes were kept, each byte string once. */
function recordedFrames(): RecordedBytes[] {
  const found = new Map<string, RecordedBytes>();
  for (const recording of recordingNames()) {
    const { probes } = readRecording(recording) as {
      readonly probes: readonly { readonly frames?: readonly Readonly<Record<string, unknown>>[] }[];
    };
    for (const frame of probes.flatMap(({ frames = [] }) => frames)) {
      const { hex, eth, ip, ipip } = frame as {
        hex?: string;
        eth?: { type: string };
        ip?: { mf?: true };
        ipip?: { tcp?: object };
      };
      // Of a segment in a fragment of a tunnel the recorder says how much of it is there.
      if (ip?.mf === true && ipip?.tcp !== undefined) continue;
      if (hex === undefined || (eth?.type !== "0x0800" && eth?.type !== "0x86dd") || found.has(hex)) continue;
      found.set(hex, { recording, hex, frame });
    }
  }
  return [...found.values()];
}

const FRAMES = recordedFrames();

describe("frames that real kernels sent", () => {
  it("are decoded to what was recorded of them", () => {
    expect(FRAMES.length).toBeGreaterThan(5000);
    for (const { recording, hex, frame } of FRAMES) {
      const {
        t: _,
        ns: __,
        if: ___,
        dir: ____,
        pkt: _____,
        len: ______,
        hex: _______,
        same: ________,
        ...fields
      } = frame;
      expect(recordedForm(decoded(bytesOf(hex))), `${recording} ${hex}`).toEqual(fields);
    }
  });

  it("are encoded to the very bytes again, where the payload is the prober's own", () => {
    let compared = 0;
    for (const { recording, hex } of FRAMES) {
      const packet = decoded(bytesOf(hex));
      // Of IPv6 there are errors alone, which quote what we did not make.
      if (packet.protocol !== IPPROTO_ICMP && packet.protocol !== IPPROTO_UDP) continue;
      // The recorder keeps 200 bytes. Transport checksums may be unfilled there, and quotes of what we did not make differ.
      const own = hexOf(encodeFrame(packet)).slice(0, hex.length);
      const isEcho = packet.protocol === IPPROTO_ICMP && packet.inner === null && !packet.isFragment;
      if (isEcho && /^(70)*$/.test(hex.slice(84))) {
        expect(own, recording).toBe(hex);
        compared++;
      } else {
        // Ethernet and IPv4 headers, checksum included.
        expect(own.slice(0, 68), recording).toBe(hex.slice(0, 68));
      }
    }
    expect(compared).toBeGreaterThan(500);
  });
});

/** What the wire holds of a packet, payload of fragments and the insides apart. */
function onWire(packet: Packet): Readonly<Record<string, unknown>> {
  if (packet.ethType === ETH_P_ARP) {
    const { arpOp, arpSha, arpTha, src, dst, ethSrc, ethDst } = packet;
    return { arpOp, arpSha, arpTha, src, dst, ethSrc, ethDst };
  }
  const inner = packet.inner === null ? null : onWire(packet.inner);
  return { ...recordedForm(packet), encapsulation: packet.encapsulation, inner };
}

describe("encode and decode", () => {
  it("are inverse", () => {
    fc.assert(
      fc.property(anyPacket(), (packet) => {
        expect(onWire(decoded(encodeFrame(packet)))).toEqual(onWire(packet));
      }),
      { numRuns: 1000 },
    );
  });

  it("bytes decoded are encoded to the same bytes", () => {
    fc.assert(
      fc.property(anyPacket(), (packet) => {
        const bytes = encodeFrame(packet);
        expect(hexOf(encodeFrame(decoded(bytes)))).toBe(hexOf(bytes));
      }),
      { numRuns: 300 },
    );
  });

  it("are inverse for tagged frames, which are four bytes longer", () => {
    fc.assert(
      fc.property(taggedPacket(), (packet) => {
        const bytes = encodeFrame(packet);
        expect(bytes.length).toBe(packet.length + 18);
        expect([...bytes.subarray(12, 14)]).toEqual([0x81, 0x00]);
        const read = decoded(bytes);
        expect(read.vlan).toBe(packet.vlan);
        expect(onWire(read)).toEqual(onWire(packet));
      }),
      { numRuns: 300 },
    );
  });

  it("are inverse for headers of IPv6 before what is carried, and for what a bare packet carries", () => {
    const packet = new Packet();
    Object.assign(packet, {
      family: 6,
      ethType: ETH_P_IPV6,
      protocol: IPPROTO_UDP,
      sport: 5,
      dport: 6,
      payload: 3,
    });
    packet.extensions = [
      { protocol: 0, bytes: bytesOf("2b00010400000000") },
      { protocol: 43, bytes: bytesOf("1102000000000000fd990000000000000000000000000007") },
    ];
    packet.length = 40 + 8 + 24 + 8 + 3;
    const bytes = encodeFrame(packet);
    expect(bytes[6]).toBe(0);
    const again = decodeIp(bytes);
    if (again.kind === "invalid") throw new Error(again.message);
    expect(again.packet.extensions).toEqual(packet.extensions);
    expect([again.packet.protocol, again.packet.sport, again.packet.dport]).toEqual([IPPROTO_UDP, 5, 6]);
    expect(hexOf(encodeFrame(again.packet))).toBe(hexOf(bytes));
    const bare = new Packet();
    bare.content = bytesOf("0000000500000001");
    Object.assign(bare, { protocol: 50, length: 28 });
    expect(hexOf(encodeFrame(bare).subarray(20))).toBe("0000000500000001");
  });

  it("a frame's length is its packet's and the Ethernet header's", () => {
    fc.assert(
      fc.property(anyPacket(), (packet) => {
        expect(encodeFrame(packet).length).toBe(packet.length + 14);
        packet.framed = false;
        expect(encodeFrame(packet).length).toBe(packet.length);
      }),
    );
  });

  it("without a link's header", () => {
    fc.assert(
      fc.property(
        anyPacket().filter(({ ethType }) => ethType !== ETH_P_ARP),
        (packet) => {
          packet.framed = false;
          const result = decodeIp(encodeFrame(packet));
          expect(result.kind === "ok" ? recordedForm(result.packet) : result).toEqual(recordedForm(packet));
        },
      ),
    );
  });
});

describe("fragments", () => {
  /** Cut as ip_do_fragment does. */
  function fragmentsOf(packet: Packet, size: number): Packet[] {
    // IPv6 has a header of its own for fragments.
    const header = packet.family === 6 ? 48 : 20;
    const step = (size - header) & ~7;
    const total = packet.length - headerLength(packet);
    return Array.from({ length: Math.ceil(total / step) }, (_, i) =>
      Object.assign(new Packet(), packet, {
        df: false,
        fragOffset: i * step,
        length: header + Math.min(step, total - i * step),
        mf: (i + 1) * step < total,
      }),
    );
  }

  it("put together are the datagram, whose checksum the first bears", () => {
    fc.assert(
      fc.property(longPacket(), fc.integer({ min: 68, max: 900 }), (packet, size) => {
        fc.pre(packet.length > size);
        packet.df = false;
        const whole = encodeFrame(packet).subarray(14 + headerLength(packet));
        const pieces = fragmentsOf(packet, size);
        const joined = new Uint8Array(whole.length);
        for (const piece of pieces) {
          const bytes = encodeFrame(piece);
          const read = decoded(bytes);
          expect([read.fragOffset, read.mf, read.length]).toEqual([piece.fragOffset, piece.mf, piece.length]);
          joined.set(bytes.subarray(packet.family === 6 ? 62 : 34), piece.fragOffset);
        }
        expect(hexOf(joined)).toBe(hexOf(whole));
      }),
      { numRuns: 300 },
    );
  });
});

describe("bytes that are no frame", () => {
  const udp = Object.assign(new Packet(), {
    framed: true,
    ethSrc: internMac("02:00:00:00:00:01"),
    ethDst: internMac("02:00:00:00:00:02"),
    protocol: IPPROTO_UDP,
    sport: 1,
    dport: 2,
    payload: 4,
    length: 32,
  });
  const good = encodeFrame(udp);
  const changed = (...pairs: readonly (readonly [number, number])[]): Uint8Array => {
    const bytes = Uint8Array.from(good);
    for (const [at, value] of pairs) bytes[at] = value;
    return bytes;
  };

  it.each<readonly [string, Uint8Array, number, string]>([
    ["nothing", new Uint8Array(0), 0, "an Ethernet header takes 14 bytes, 0 are left"],
    ["half a header", good.subarray(0, 9), 0, "an Ethernet header takes 14 bytes, 9 are left"],
    ["a link's header alone", good.subarray(0, 14), 14, "an IPv4 header takes 20 bytes, 0 are left"],
    ["half an IP header", good.subarray(0, 30), 14, "an IPv4 header takes 20 bytes, 16 are left"],
    ["half a UDP header", good.subarray(0, 38), 34, "a UDP header takes 8 bytes, 4 are left"],
    ["a type nobody knows", changed([12, 0x88], [13, 0xcc]), 12, "a frame of type 0x88cc is not known"],
    ["version 6", changed([14, 0x65]), 14, "IP version 6 where 4 is expected"],
    ["a header of three words", changed([14, 0x43]), 14, "an IPv4 header of 12 bytes is none"],
    [
      "a header longer than the frame",
      changed([14, 0x4f]).subarray(0, 60),
      14,
      "an IPv4 header with options takes 60 bytes, 32 are left",
    ],
    ["a total length of 8", changed([16, 0], [17, 8]), 16, "a total length of 8 is less than the header's"],
    ["a UDP length of 3", changed([38, 0], [39, 3]), 38, "a UDP length of 3 is less than its header's"],
    [
      "a TCP header of one word",
      changed([23, 6]).subarray(0, 46),
      34,
      "a TCP header takes 20 bytes, 12 are left",
    ],
  ])("%s", (_name, bytes, offset, message) => {
    expect(decodeFrame(bytes)).toEqual({ kind: "invalid", offset, message });
  });

  it("a payload cut off is no fault, captures often are", () => {
    expect(decoded(good.subarray(0, 42)).payload).toBe(4);
  });

  it("options are passed over", () => {
    const bytes = new Uint8Array(good.length + 4);
    bytes.set(good.subarray(0, 34));
    bytes.set([1, 1, 1, 0], 34);
    bytes.set(good.subarray(34), 38);
    bytes[14] = 0x46;
    bytes[17] = 36;
    const { sport, dport, payload } = decoded(bytes);
    expect([sport, dport, payload]).toEqual([1, 2, 4]);
  });

  it("any bytes at all are a packet or a fault, never an exception", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(120),
        fc.constantFrom(...FRAMES.slice(0, 400)),
        (noise, at, { hex }) => {
          const bytes = bytesOf(hex);
          bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
          for (const candidate of [noise, bytes, bytes.subarray(0, at)]) {
            const result = decodeFrame(candidate);
            if (result.kind === "invalid") {
              expect(result.offset).toBeLessThanOrEqual(candidate.length);
              expect(result.message).not.toBe("");
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
