import { describe, expect, it } from "vitest";
import { OpenQuestions } from "../../src/lab/live/open-questions.ts";
import {
  ARPOP_REPLY,
  ARPOP_REQUEST,
  ETH_P_ARP,
  ETH_P_IPV6,
  IPPROTO_ICMPV6,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  Packet,
} from "../../src/packet/packet.ts";

function discovery(icmpType: number): Packet {
  const packet = new Packet();
  packet.ethType = ETH_P_IPV6;
  packet.family = 6;
  packet.protocol = IPPROTO_ICMPV6;
  packet.icmpType = icmpType;
  return packet;
}

function frame(host: string, direction: "in" | "out") {
  return { host, device: "cni0", direction, time: 0, bytes: new Uint8Array(), framed: true } as const;
}

describe("questions of live probes", () => {
  it("an advertisement that the asker's rules may drop after its device has shown it leaves the question open", () => {
    const questions = new OpenQuestions((host) => host === "filters");
    for (const host of ["filters", "takes-all"])
      questions.saw(frame(host, "out"), discovery(NDISC_NEIGHBOUR_SOLICITATION));
    questions.saw(frame("takes-all", "in"), discovery(NDISC_NEIGHBOUR_ADVERTISEMENT));
    expect(questions.areOpen(60_000)).toBe(true);
    questions.saw(frame("filters", "in"), discovery(NDISC_NEIGHBOUR_ADVERTISEMENT));
    expect(questions.areOpen(60_000)).toBe(true);
    expect(questions.areOpen(-1)).toBe(false);
  });

  it("an answer of ARP that a macvlan may take leaves the question open", () => {
    const questions = new OpenQuestions((host, family) => host === "passthru" && family === 4);
    const arp = (arpOp: number): Packet => {
      const packet = new Packet();
      packet.ethType = ETH_P_ARP;
      packet.arpOp = arpOp;
      return packet;
    };
    for (const host of ["plain", "passthru"]) {
      questions.saw(frame(host, "out"), arp(ARPOP_REQUEST));
      expect(questions.areOpen(60_000)).toBe(true);
      questions.saw(frame(host, "in"), arp(ARPOP_REPLY));
      expect(questions.areOpen(60_000)).toBe(host === "passthru");
    }
  });

  it("an advertisement ends the question of who takes all", () => {
    const questions = new OpenQuestions(() => false);
    questions.saw(frame("takes-all", "out"), discovery(NDISC_NEIGHBOUR_SOLICITATION));
    expect(questions.areOpen(60_000)).toBe(true);
    questions.saw(frame("takes-all", "in"), discovery(NDISC_NEIGHBOUR_ADVERTISEMENT));
    expect(questions.areOpen(60_000)).toBe(false);
  });
});
