import { describe, expect, it } from "vitest";
import { discoveryDifference } from "../../src/lab/discovery-difference.ts";
import type { RecordedNdp } from "../../src/lab/recorded.ts";
import type { NdpFrame } from "../../src/walk/trace.ts";

const ETH = { src: "02:00:00:00:00:01", dst: "33:33:ff:00:00:02" };
const NUMBERED = { packet: 1001, at: 0 };

/** A question as a host sends it, and as it was recorded. */
const OURS: NdpFrame = {
  ...NUMBERED,
  ...{ host: "a", device: "eth0", direction: "out", eth: ETH },
  ip: { src: "fd00::1", dst: "ff02::1:ff00:2", ttl: 255, proto: 58, len: 72 },
  nd: { type: 135, target: "fd00::2" },
};
const RECORDED = {
  ...{ t: 0, ns: "a", if: "eth0", dir: "out", pkt: 1001, eth: ETH },
  ip6: { src: "fd00::1", dst: "ff02::1:ff00:2", hlim: 255 },
  ndp: { type: 135, target: "fd00::2" },
} as unknown as RecordedNdp;

/** The datagram of a tunnel around one. */
const CARRIED: NdpFrame = {
  ...OURS,
  ip: { src: "172.18.0.11", dst: "172.18.0.12", ttl: 64, proto: 17, len: 142 },
  nd: { type: 0 },
};

describe("discoveryDifference", () => {
  it("finds none where both sides ask the same", () => {
    expect(discoveryDifference([RECORDED], [OURS])).toBeNull();
  });

  it("names a question that one side lacks", () => {
    expect(discoveryDifference([RECORDED], [])).toMatch(/target fd00::2.*: recorded, not modelled$/);
    expect(discoveryDifference([], [OURS])).toMatch(/target fd00::2.*: modelled, not recorded$/);
    expect(discoveryDifference([RECORDED], [OURS, OURS])).toMatch(/modelled, not recorded$/);
  });

  it("leaves a tunnel's datagrams to the comparison of frames", () => {
    expect(discoveryDifference([RECORDED], [OURS, CARRIED])).toBeNull();
  });
});
