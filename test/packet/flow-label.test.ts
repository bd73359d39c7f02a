import { expect, it } from "vitest";
import { hashOf } from "../../src/packet/flow-hash.ts";
import { IPPROTO_UDP, Packet } from "../../src/packet/packet.ts";
import { onPath } from "../walk/asking.ts";

function datagram(from: string, sport: number, to: string, dport: number, unlabelled: boolean): number {
  const packet = new Packet();
  packet.family = 6;
  packet.protocol = IPPROTO_UDP;
  packet.src = onPath(from);
  packet.dst = onPath(to);
  packet.sport = sport;
  packet.dport = dport;
  packet.unlabelled = unlabelled;
  return hashOf(packet);
}

it("an IPv6 packet made by hand has no flow label, and another hash than its answers, which are hashed by their flow", () => {
  const answer = datagram("fd00::2", 53, "fd00::1", 40_000, false);
  expect(datagram("fd00::1", 40_000, "fd00::2", 53, false)).toBe(answer);
  const made = datagram("fd00::1", 40_000, "fd00::2", 53, true);
  expect(made).not.toBe(answer);
  // Read off the headers, both directions have one hash again.
  expect(datagram("fd00::2", 53, "fd00::1", 40_000, true)).toBe(made);
});
