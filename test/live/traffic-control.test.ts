import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import type { RecordedQuery } from "../../src/lab/recorded.ts";
import { writeSnapshot } from "../../src/world/snapshot-out.ts";
import { hasKind } from "../cni/real-run.ts";
import { smallWorld } from "../walk/small-world.ts";
import { judged, raising, recording, sideBySide, sweepOwn } from "./probing.ts";

/**
 * Traffic control for real, as the `bandwidth` plugin makes it: a token bucket towards the pod, and the pod's own frames taken
 * over an ifb; beside it filters of u32 that copy. `TC_FIXTURE=FILE` writes the recording down.
 */

const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length === 0 && !hasKind("ifb")) unfit.push("the kernel has no ifb");
if (unfit.length > 0) console.warn(`skipped: traffic control on this machine's kernel: ${unfit.join("; ")}`);

const IFB = { detail: { kind: "ifb" } as const, noArp: true };
const QDISCS = `qdisc tbf 1: dev veth1 root refcnt 2 rate 8Mbit burst 1200b lat 25ms
qdisc ingress ffff: dev veth1 parent ffff:fff1 ----------------
qdisc tbf 1: dev ifb0 root refcnt 2 rate 8Mbit burst 1000b lat 25ms
qdisc clsact ffff: dev eth0 parent ffff:fff1
`;
const u32 = (match: string, action: string): string => `filter protocol ip pref 1 u32 chain 0
filter protocol ip pref 1 u32 chain 0 fh 800: ht divisor 1
filter protocol ip pref 1 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 terminal flowid not_in_hw
${match}
\taction order 1: mirred (${action})${action.includes("Mirror") ? " pipe" : " stolen"}
`;
const FILTERS = {
  "veth1 ingress": u32("  match 00000000/00000000 at 0", "Egress Redirect to device ifb0"),
  // UDP to port 53 of 10.0.1.0/24, copied
  "eth0 egress": u32(
    "  match 0a000100/ffffff00 at 16\n  match 00110000/00ff0000 at 8\n  match 00000035/0000ffff at 20",
    "Egress Mirror to device ifb1",
  ),
  "eth0 ingress": u32("  match 0a000102/ffffffff at 12", "Egress Redirect to device ifb1"),
};
const world = smallWorld(
  {
    pod: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"], listen: ["tcp 80", "udp 53"] },
    node: {
      links: {
        veth1: "10.0.0.1/24",
        eth0: "10.0.1.1/24",
        ifb0: IFB,
        ifb1: IFB,
      },
      forward: true,
      qdiscs: QDISCS,
      filters: FILTERS,
      listen: ["tcp 22"],
    },
    other: { links: { eth0: "10.0.1.2/24" }, routes: ["default via 10.0.1.1"], listen: ["tcp 80", "udp 53"] },
  },
  ["pod:eth0 node:veth1", "node:eth0 other:eth0"],
);
const QUERIES: readonly RecordedQuery[] = [
  { from: "pod", dst: "10.0.1.2", proto: "tcp", dport: 80 },
  { from: "pod", dst: "10.0.1.2", proto: "udp", dport: 53 },
  { from: "pod", dst: "10.0.1.2", proto: "icmp", sport: 4242 },
  { from: "pod", dst: "10.0.0.1", proto: "tcp", dport: 22 },
  { from: "pod", dst: "10.0.0.1", proto: "tcp", dport: 23 },
  { from: "other", dst: "10.0.0.2", proto: "tcp", dport: 80 },
  // longer than one bucket, than the other, than neither
  { from: "pod", dst: "10.0.1.2", proto: "udp", dport: 53, size: 960 },
  { from: "other", dst: "10.0.0.2", proto: "udp", dport: 53, size: 1160 },
  { from: "other", dst: "10.0.0.2", proto: "udp", dport: 53, size: 1150 },
];

describe.skipIf(unfit.length > 0)("token buckets, ifb and mirred", () => {
  afterAll(() => sweepOwn());

  it("treat every frame as the model says", () => {
    function* asking() {
      const standing = yield* raising(world);
      try {
        return yield* recording(standing, QUERIES);
      } finally {
        standing.lab.close();
      }
    }
    const [probes] = sideBySide([asking()]);
    if (probes === undefined || probes instanceof Error) throw probes;
    const file = process.env["TC_FIXTURE"];
    if (file !== undefined) {
      const snapshot = JSON.parse(writeSnapshot(world)) as object;
      const named = { name: "traffic-control", description: "tbf, ifb and filters of u32 with mirred" };
      writeFileSync(file, `${JSON.stringify({ ...named, ...snapshot, probes })}\n`);
    }
    expect(
      judged(world, probes).flatMap(({ recorded, difference }) =>
        difference === null ? [] : [`${JSON.stringify(recorded.query)}: ${difference}`],
      ),
    ).toEqual([]);
    const results = probes.map(({ outcome }) => outcome.result);
    expect(results.slice(-3)).toEqual(["timeout", "timeout", "answered"]);
  }, 60_000);
});
