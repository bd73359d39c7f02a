import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Chooser } from "../../../../src/kernel/chooser.ts";
import type { RuleContext } from "../../../../src/kernel/netfilter/rule-context.ts";
import {
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
  TCP_ACK,
  TCP_SYN,
} from "../../../../src/packet/packet.ts";
import { encodeIp } from "../../../../src/packet/wire/frame.ts";
import { compiled, FakeContext, ip, packet } from "./rule-context.ts";

/** Matches over a packet's bytes: what they say of it, or that it depends on bytes nobody knows. */
function answer(text: string, of: Packet): boolean | "unknown" {
  const outcomes = [true, false].map((taken) => {
    const chooser = { unknown: () => taken } as unknown as Chooser;
    const context = { ...new FakeContext().asContext(), chooser } as RuleContext;
    return compiled(text).test(of, context);
  });
  return outcomes[0] === outcomes[1] ? (outcomes[0] as boolean) : "unknown";
}

const ADDRESSES = { src: ip("10.0.0.1"), dst: ip("10.0.0.2") };

const datagram = (payload: number, payloadKnown = true): Packet =>
  packet({
    ...ADDRESSES,
    protocol: IPPROTO_UDP,
    sport: 1000,
    dport: 53,
    length: 28 + payload,
    payload,
    payloadKnown,
  });

const syn = (): Packet =>
  packet({
    ...ADDRESSES,
    protocol: IPPROTO_TCP,
    sport: 1000,
    dport: 80,
    tcpFlags: TCP_SYN,
    mss: 1460,
    length: 60,
  });

describe("u32 (xt_u32.c)", () => {
  it.each([
    ["6&0xff=0x11", true],
    ["6&0xff=6", false],
    ["0>>22&0x3c@0>>16=1000", true],
    ["0>>22&0x3c@0&0xffff=53:60", true],
    ["12=0x0a000001&&16=0x0a000002", true],
    ["12=0x0a000001&&16=0x0a000003", false],
    ["28=0x70707070", true],
    ["40=0x70707070", true],
    // One byte further the word ends behind the packet.
    ["41=0x70707070", false],
    ["0xffffffff=0", false],
    ["0>>22&0x3c@8@0=0", false],
    // The identification nobody knows; of its place the other half is.
    ["2&0xffff=5", "unknown"],
    ["4&0xffff=0", true],
    ["4=0", "unknown"],
    ["4=0x00000001", false],
    ["4=0:0xffffffff", true],
    ["0>>22&0x3c@4&0xffff=1", "unknown"],
  ] as const)("%s of a datagram: %s", (test, hit) => {
    expect(answer(`-m u32 --u32 "${test}"`, datagram(16))).toBe(hit);
    const inverted = hit === "unknown" ? hit : !hit;
    expect(answer(`-m u32 ! --u32 "${test}"`, datagram(16))).toBe(inverted);
  });

  it("flags of a SYN are known, its sequence number is not, what it acknowledges is nothing", () => {
    expect(answer('-m u32 --u32 "0>>22&0x3c@12>>16&0xff=0x02"', syn())).toBe(true);
    expect(answer('-m u32 --u32 "0>>22&0x3c@4=1"', syn())).toBe("unknown");
    expect(answer('-m u32 --u32 "0>>22&0x3c@8=0"', syn())).toBe(true);
    expect(
      answer('-m u32 --u32 "0>>22&0x3c@8=0"', Object.assign(syn(), { tcpFlags: TCP_SYN | TCP_ACK })),
    ).toBe("unknown");
    expect(answer('-m u32 --u32 "40=0x020405b4"', syn())).toBe(true);
  });

  it("reads the words that the packet's bytes have, wherever all are known", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(31), fc.nat(0xffffffff), (at, shift, mask) => {
        const of = datagram(16);
        const bytes = encodeIp(of);
        fc.pre(at >= 28);
        const word = new DataView(bytes.buffer).getUint32(at);
        const value = ((word >>> shift) & mask) >>> 0;
        expect(answer(`-m u32 --u32 "${at}>>${shift}&${mask}=${value}"`, of)).toBe(true);
        expect(answer(`-m u32 --u32 "${at}>>${shift}&${mask}=${value ^ 1}"`, of)).toBe(false);
      }),
    );
  });
});

describe("string (xt_string.c)", () => {
  it.each([
    ["--string pppp --algo bm", true],
    ["--string pppp --algo kmp --from 28 --to 32", true],
    ["--string pppp --algo kmp --from 28 --to 31", false],
    ["--string pppp --algo kmp --from 41", false],
    ["--string PPPP --algo bm", false],
    ["--string PPPP --algo bm --icase", true],
    ["--string pppppppppppppppp --algo bm", true],
    ["--string ppppppppppppppppp --algo bm", false],
    ['--hex-string "|0a0000010a000002|" --algo bm --to 20', true],
    ['--hex-string "|0a000001|" --algo bm --from 13', false],
    ["--string absent --algo bm", false],
  ] as const)("%s in a datagram of sixteen p's: %s", (options, hit) => {
    expect(answer(`-m string ${options}`, datagram(16))).toBe(hit);
    expect(answer(`-m string ! ${options}`, datagram(16))).toBe(!hit);
  });

  it("what a payload says that no query gave is not known, as far as it is long enough and looked at", () => {
    expect(answer("-m string --string absent --algo bm", datagram(16, false))).toBe("unknown");
    expect(answer("-m string --string absent --algo bm --to 28", datagram(16, false))).toBe(false);
    expect(answer("-m string --string absent --algo bm", datagram(5, false))).toBe(false);
    expect(answer("-m string --string absent --algo bm", datagram(0, false))).toBe(false);
  });
});

describe("bpf (xt_bpf.c)", () => {
  it.each([
    ["4,48 0 0 9,21 0 1 17,6 0 0 1,6 0 0 0", true],
    ["4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0", false],
    // The destination port behind the header, whose length is read.
    ["5,177 0 0 0,72 0 0 2,21 0 1 53,6 0 0 65535,6 0 0 0", true],
    ["4,128 0 0 0,37 0 1 43,6 0 0 1,6 0 0 0", true],
    ["4,128 0 0 0,37 0 1 44,6 0 0 1,6 0 0 0", false],
    // A load behind the end ends the program with 0.
    ["2,32 0 0 60,6 0 0 1", false],
    // The identification.
    ["4,40 0 0 4,21 0 1 7,6 0 0 1,6 0 0 0", "unknown"],
    // (ttl + 1) * 2 - 129, taken for the result.
    ["5,48 0 0 8,4 0 0 1,36 0 0 2,20 0 0 130,22 0 0 0", false],
    ["5,48 0 0 8,4 0 0 1,36 0 0 2,20 0 0 129,22 0 0 0", true],
  ] as const)("%s of a datagram: %s", (program, hit) => {
    expect(answer(`-m bpf --bytecode "${program}"`, datagram(16))).toBe(hit);
  });
});

describe("ecn (xt_ecn.c)", () => {
  it.each([
    ["-m ecn --ecn-ip-ect 2", { tos: 0x12 }, true],
    ["-m ecn ! --ecn-ip-ect 2", { tos: 0x12 }, false],
    ["-p tcp -m ecn --ecn-tcp-ece", { protocol: 6, tcpFlags: 0x42 }, true],
    ["-p tcp -m ecn --ecn-tcp-cwr", { protocol: 6, tcpFlags: 0x42 }, false],
    ["-p tcp -m ecn ! --ecn-tcp-cwr --ecn-tcp-ece", { protocol: 6, tcpFlags: 0x42 }, true],
    ["-p tcp -m ecn ! --ecn-tcp-cwr", { protocol: 6, fragOffset: 1480 }, false],
  ] as const)("%s of %j: %s", (text, fields, hit) => {
    expect(compiled(text).test(packet(fields), new FakeContext().asContext())).toBe(hit);
  });
});

describe("tcpmss (xt_tcpmss.c)", () => {
  it.each([
    ["--mss 1460", { mss: 1460 }, true],
    ["--mss 1:1459", { mss: 1460 }, false],
    ["! --mss 1:1459", { mss: 1460 }, true],
    ["--mss 0:65535", {}, false],
    ["! --mss 0:65535", {}, true],
  ] as const)("%s of %j: %s", (text, fields, hit) => {
    const of = packet({ protocol: IPPROTO_TCP, ...fields });
    expect(compiled(`-p tcp -m tcpmss ${text}`).test(of, new FakeContext().asContext())).toBe(hit);
  });
});

describe("an echo request's bytes", () => {
  it("its number in the row is known, its identifier is not", () => {
    const echo = packet({
      ...ADDRESSES,
      protocol: IPPROTO_ICMP,
      icmpType: 8,
      icmpId: 9,
      icmpSeq: 1,
      length: 28,
    });
    expect(answer('-m u32 --u32 "24&0xffff=1"', echo)).toBe(true);
    expect(answer('-m u32 --u32 "24>>16=9"', echo)).toBe("unknown");
  });
});
