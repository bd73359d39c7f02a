import { describe, expect, it } from "vitest";
import { parseIpv4 } from "../../src/address/ipv4.ts";
import { outcomeOf } from "../../src/lab/live/probe-outcome.ts";
import { IPPROTO_ICMP, IPPROTO_TCP, Packet, TCP_ACK, TCP_RST } from "../../src/packet/packet.ts";

const frameOf = (direction: "in" | "out") =>
  ({ host: "a", device: "eth0", direction, time: 0, bytes: new Uint8Array(), framed: true }) as const;

describe("what came of a live probe", () => {
  it("a reset is from an address, whatever link the query names with it", () => {
    const reset = new Packet();
    reset.family = 6;
    reset.protocol = IPPROTO_TCP;
    reset.tcpFlags = TCP_RST | TCP_ACK;
    const frame = frameOf("in");
    const query = { from: "a", proto: "tcp", dst: "fe80::2%eth0", dport: 53, count: 1 };
    const failed = { kind: "failed", errno: 111 } as const;
    const outcome = outcomeOf(query, null, undefined, failed, [], [{ frame, packet: reset }], null, []);
    expect(outcome).toMatchObject({ result: "refused", reset: { from: "fe80::2" } });
  });

  it("an error about an echo is the asker's though a copy of it leaves again (TEE)", () => {
    const [asker, router] = [parseIpv4("10.0.0.1") as number, parseIpv4("10.0.0.254") as number];
    const echo = icmp(8, asker, parseIpv4("10.9.9.9") as number);
    const error = icmp(3, router, asker);
    error.inner = echo;
    const copy = icmp(3, router, asker);
    copy.inner = echo;
    copy.ttl = error.ttl - 1;
    const query = { from: "a", proto: "icmp", dst: "10.9.9.9", sport: 7, count: 1 };
    const failed = { kind: "failed", errno: 101 } as const;
    const seen = [
      { frame: frameOf("out"), packet: echo },
      { frame: frameOf("in"), packet: error },
      { frame: frameOf("out"), packet: copy },
    ];
    // An echo's socket is bound to no address.
    const outcome = outcomeOf(query, null, { address: 0, port: 7 }, failed, [], seen, null, []);
    expect(outcome.icmp).toMatchObject({ type: 3, code: 0, from: "10.0.0.254" });
  });
});

function icmp(type: number, src: number, dst: number): Packet {
  const packet = new Packet();
  packet.protocol = IPPROTO_ICMP;
  packet.icmpType = type;
  packet.src = src;
  packet.dst = dst;
  packet.ttl = 64;
  packet.length = 84;
  return packet;
}
