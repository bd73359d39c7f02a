import { describe, expect, it } from "vitest";
import { IPPROTO_TCP, Packet, TCP_ACK, TCP_SYN } from "../../src/packet/packet.ts";
import {
  bitsOf,
  blankTcpOptions,
  hasTcpOption,
  lackedBy,
  synAckBytes,
  TCP_HEADER,
  TCPOPT_NOP,
} from "../../src/packet/tcp-options.ts";
import { decodeTcp, encodeTcp } from "../../src/packet/wire/tcp.ts";

/**
 * What a Linux server got and said when a router between it and a Linux client had `-p tcp --tcp-flags SYN,ACK SYN -j TCPOPTSTRIP
 * --strip-options …`: the options of the SYN as they arrived and those of the SYN-ACK, recorded with a packet socket.
 */
const RECORDED: readonly (readonly [number[], string, string])[] = [
  [[], "020405b40402080a8f706907000000000103030a", "020405b40402080ab689c6358f7069070103030a"],
  [[3], "020405b40402080a0658d1a70000000001010101", "020405b40402080af980f9960658d1a7"],
  [[4], "020405b40101080a0120810c000000000103030a", "020405b40101080aa7ba689c0120810c0103030a"],
  [[8], "020405b40402010101010101010101010103030a", "020405b4010104020103030a"],
  [[3, 4], "020405b40101080a82bf9dcb0000000001010101", "020405b40101080ad7a49f7c82bf9dcb"],
  [[3, 8], "020405b404020101010101010101010101010101", "020405b401010402"],
  [[4, 8], "020405b40101010101010101010101010103030a", "020405b40103030a"],
  [[3, 4, 8], "020405b401010101010101010101010101010101", "020405b4"],
];

function segment(flags: number, optionBytes: number): Packet {
  const packet = new Packet();
  packet.protocol = IPPROTO_TCP;
  packet.tcpFlags = flags;
  packet.mss = 1460;
  packet.length = 20 + TCP_HEADER + optionBytes;
  return packet;
}

/** The bytes of its options; time stamps and the window's scale are nobody's to know. */
function optionsOf(packet: Packet): string {
  const header = packet.length - 20;
  const bytes = new Uint8Array(header);
  encodeTcp(packet, bytes, 0, header);
  return withoutValues(Buffer.from(bytes.subarray(TCP_HEADER)).toString("hex"));
}

function withoutValues(options: string): string {
  const bytes = Buffer.from(options, "hex");
  for (let at = 0; at < bytes.length; at += bytes[at] === TCPOPT_NOP ? 1 : (bytes[at + 1] as number)) {
    if (bytes[at] === 8) bytes.fill(0, at + 2, at + 10);
    if (bytes[at] === 3) bytes[at + 2] = 0;
  }
  return bytes.toString("hex");
}

function decoded(flags: number, options: string): Packet {
  const header = TCP_HEADER + options.length / 2;
  const bytes = new Uint8Array(header);
  bytes[12] = (header / 4) << 4;
  bytes[13] = flags;
  bytes.set(Buffer.from(options, "hex"), TCP_HEADER);
  const packet = segment(flags, options.length / 2);
  expect(decodeTcp(bytes, 0, packet, header, "whole")).toBeNull();
  return packet;
}

describe.each(RECORDED)("options %j taken out of a SYN", (stripped, syn, synAck) => {
  it("are blank in it", () => {
    const packet = segment(TCP_SYN, 20);
    blankTcpOptions(packet, bitsOf(stripped));
    expect(withoutValues(optionsOf(packet))).toBe(withoutValues(syn));
    for (const option of [3, 4, 8]) expect(hasTcpOption(packet, option)).toBe(!stripped.includes(option));
  });

  it("are missing when it is read", () => {
    expect(lackedBy(decoded(TCP_SYN, syn))).toBe(bitsOf(stripped));
    expect(lackedBy(decoded(TCP_SYN | TCP_ACK, synAck))).toBe(bitsOf(stripped));
  });

  it("are not in its answer", () => {
    const lacked = bitsOf(stripped);
    const answer = segment(TCP_SYN | TCP_ACK, synAckBytes(lacked) - TCP_HEADER);
    answer.tcpWithout = lacked;
    expect(withoutValues(optionsOf(answer))).toBe(withoutValues(synAck));
    expect(hasTcpOption(answer, TCPOPT_NOP)).toBe(withoutValues(synAck).includes("01"));
  });
});
