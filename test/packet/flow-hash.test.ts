import { expect, it } from "vitest";
import { hashOf, symmetricHash } from "../../src/packet/flow-hash.ts";
import { IPPROTO_UDP, Packet } from "../../src/packet/packet.ts";
import { onPath } from "../walk/asking.ts";

function datagram(from: string, sport: number, to: string, dport: number, unlabelled = false): Packet {
  const packet = new Packet();
  packet.family = from.includes(":") ? 6 : 4;
  packet.protocol = IPPROTO_UDP;
  packet.src = onPath(from);
  packet.dst = onPath(to);
  packet.sport = sport;
  packet.dport = dport;
  packet.unlabelled = unlabelled;
  return packet;
}

it("an IPv6 packet made by hand has no flow label, and another hash than its answers, which are hashed by their flow", () => {
  const answer = hashOf(datagram("fd00::2", 53, "fd00::1", 40_000));
  expect(hashOf(datagram("fd00::1", 40_000, "fd00::2", 53))).toBe(answer);
  const made = hashOf(datagram("fd00::1", 40_000, "fd00::2", 53, true));
  expect(made).not.toBe(answer);
  // Read off the headers, both directions have one hash again.
  expect(hashOf(datagram("fd00::2", 53, "fd00::1", 40_000, true))).toBe(made);
});

it("the symmetric hash is one of both directions, and another of hosts the same distance apart", () => {
  const there = symmetricHash(datagram("10.0.0.1", 40_000, "10.0.0.2", 53));
  expect(symmetricHash(datagram("10.0.0.2", 53, "10.0.0.1", 40_000))).toBe(there);
  expect(symmetricHash(datagram("10.0.0.5", 40_000, "10.0.0.6", 53))).not.toBe(there);
  expect(symmetricHash(datagram("10.0.0.1", 40_001, "10.0.0.2", 53))).not.toBe(there);
});

it("ports have a part in the symmetric hash, behind a flow label as well, a fragment's have none", () => {
  for (const unlabelled of [false, true]) {
    const hash = symmetricHash(datagram("fd00::1", 40_000, "fd00::2", 53, unlabelled));
    expect(symmetricHash(datagram("fd00::1", 40_001, "fd00::2", 53, unlabelled))).not.toBe(hash);
  }
  const [first, second] = [40_000, 40_001].map((port) => {
    const piece = datagram("10.0.0.1", port, "10.0.0.2", 53);
    piece.mf = true;
    return symmetricHash(piece);
  });
  expect(first).toBe(second);
});
