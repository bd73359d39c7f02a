import { describe, expect, it } from "vitest";
import type { RecordedFrame, RecordedProbe } from "../../src/lab/recorded.ts";
import { renumbered } from "../../src/lab/renumbered.ts";

/** An error of IPv6 as it leaves a router, with so many hops left. */
function error(t: number, ttl: number): RecordedFrame {
  return {
    ...{ t, ns: "router", if: "eth0", dir: "out", pkt: 2 },
    ip: { src: "fd18::11", dst: "2001:db8::9", ttl, proto: 58, len: 112 },
    icmp: { type: 3, code: 0 },
  };
}

function numbersOf(...frames: readonly RecordedFrame[]): number[] {
  const probe: RecordedProbe = {
    query: { from: "a", proto: "udp", dst: "fd96::10" },
    outcome: { result: "timeout", client: {}, serverSaw: [] },
    frames,
  };
  return (renumbered(probe).frames ?? []).map(({ pkt }) => pkt);
}

describe("numbers of recorded packets", () => {
  it("an error that is sent again is another", () => {
    expect(numbersOf(error(0, 64), error(40, 64))).toEqual([2, 3]);
  });

  it("one that comes back to where it was, with fewer hops left, is the same", () => {
    expect(numbersOf(error(0, 64), error(5, 62), error(9, 60))).toEqual([2, 2, 2]);
  });
});
