import { describe, expect, it } from "vitest";
import { clusterMembers } from "../../src/analyze/cluster-members.ts";
import { verify } from "../../src/analyze/verify.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { readRecordingText } from "../fixtures.ts";

/**
 * Dumps of real kernels, some with a fault planted when they were recorded: real clusters keep the principles, and the fault
 * breaks the one it should.
 */
function brokenIn(name: string, routed = false): Map<number, string> {
  const snapshot = readSnapshot(name, readRecordingText(name));
  if (snapshot.kind === "invalid") throw new Error(name);
  const verified = verify(clusterMembers(snapshot.world, null), { routed });
  return new Map(
    verified.flatMap(({ principle, finding }) =>
      finding.kind === "broken" ? [[principle.number, finding.counterexample.happened]] : [],
    ),
  );
}

describe("a recorded cluster without a fault", () => {
  it.each([
    "a-bridge-brnf-plain",
    "a-bridge-brnf-hairpin",
    "b-hostgw-plain",
    "b-hostgw-rpf",
    "c-vxlan-two",
    "c-vxlan-three",
    "c-vxlan-mtu",
    "d-services-hostgw",
    "d-services-vxlan",
    "g-ptp-plain",
    "ipvs-ipip/calico-ipip-always",
  ])("%s keeps all that can be checked", (name) => {
    expect([...brokenIn(name)]).toEqual([]);
  });
});

describe("a recorded fault is found", () => {
  it.each([
    ["c-vxlan-fault-nofdb", [5, 6], "DROPPED (vxlan-no-remote) at node1"],
    ["c-vxlan-fault-noneigh", [5, 6], "UNREACHABLE (no-neighbour) at node1"],
    ["c-vxlan-fault-vni", [5, 6], "DROPPED (vxlan-no-vni) at node2"],
    ["c-vxlan-fault-port", [5, 6], "REFUSED"],
    ["c-vxlan-fault-wrongfdb", [5, 6], ""],
    ["a-bridge-drop-on", [5], "DROPPED (policy-drop) at node1"],
  ])("%s breaks %j", (name, principles, happened) => {
    const broken = brokenIn(name);
    expect([...broken.keys()]).toEqual(principles);
    expect(broken.get(5)).toContain(happened);
  });
});

it("pods that the fabric has routes to are reached from outside, which is a fault unless it is meant", () => {
  expect([...brokenIn("b-redirect-off")]).toEqual([
    [9, "it does: a route of gateway to 10.244.20.0/24 says so"],
  ]);
  expect([...brokenIn("b-redirect-off", true)]).toEqual([]);
});
