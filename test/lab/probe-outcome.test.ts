import { describe, expect, it } from "vitest";
import { outcomeOf } from "../../src/lab/live/probe-outcome.ts";
import { IPPROTO_TCP, Packet, TCP_ACK, TCP_RST } from "../../src/packet/packet.ts";

describe("what came of a live probe", () => {
  it("a reset is from an address, whatever link the query names with it", () => {
    const reset = new Packet();
    reset.family = 6;
    reset.protocol = IPPROTO_TCP;
    reset.tcpFlags = TCP_RST | TCP_ACK;
    const frame = {
      host: "a",
      device: "eth0",
      direction: "in",
      time: 0,
      bytes: new Uint8Array(),
      framed: true,
    } as const;
    const query = { from: "a", proto: "tcp", dst: "fe80::2%eth0", dport: 53, count: 1 };
    const failed = { kind: "failed", errno: 111 } as const;
    const outcome = outcomeOf(query, null, undefined, failed, [], [{ frame, packet: reset }], null, []);
    expect(outcome).toMatchObject({ result: "refused", reset: { from: "fe80::2" } });
  });
});
