import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import type { RecordedProbe, RecordedQuery } from "../../src/lab/recorded.ts";
import { writeSnapshot } from "../../src/world/snapshot-out.ts";
import { smallWorld } from "../walk/small-world.ts";
import { judged, raising, recording, sideBySide, sweepOwn } from "./probing.ts";

/**
 * Real TUNs, with a daemon behind each that does what flannel's does: every frame on the way of a packet through two programs
 * is the kernel's. `TUN_FIXTURE=FILE` writes the recording down.
 */

const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length > 0) console.warn(`skipped: TUNs on this machine's kernel: ${unfit.join("; ")}`);

const TUN = {
  detail: { kind: "tun", mode: "tun" } as const,
  mtu: 1472,
  mac: "00:00:00:00:00:00",
  noArp: true,
};
const RULES = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p udp -m udp --dport 8285 -j ACCEPT
-A FORWARD -s 10.244.0.0/16 -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A OUTPUT -p udp -m udp --sport 8285 -j ACCEPT
COMMIT
`;
const pod = (n: number) => ({
  links: { eth0: { addresses: `10.244.${n}.2/24`, mtu: 1472 } },
  routes: [`default via 10.244.${n}.1`],
  listen: ["tcp 80", "udp 53"],
});
const node = (n: number, other: number) => ({
  links: {
    cni0: { addresses: `10.244.${n}.1/24`, mtu: 1472 },
    eth0: `192.168.50.${n}/24`,
    flannel0: { ...TUN, addresses: `10.244.${n}.0/16` },
  },
  forward: true,
  iptables: RULES,
  daemons: [`flannel0 192.168.50.${n} 8285 10.244.${other}.0/24=192.168.50.${other}`],
  listen: ["tcp 22"],
});
const world = smallWorld({ a: pod(1), n1: node(1, 2), n2: node(2, 1), b: pod(2) }, [
  "a:eth0 n1:cni0",
  "n1:eth0 n2:eth0",
  "n2:cni0 b:eth0",
]);
const SETTLED_MS = 40;
const QUERIES: readonly RecordedQuery[] = [
  { from: "a", dst: "10.244.2.2", proto: "tcp", dport: 80 },
  { from: "a", dst: "10.244.2.2", proto: "udp", dport: 53 },
  { from: "a", dst: "10.244.2.2", proto: "icmp", sport: 4242 },
  { from: "a", dst: "10.244.2.2", proto: "udp", dport: 54 },
  { from: "a", dst: "10.244.2.2", proto: "udp", dport: 53, size: 1400 },
  { from: "a", dst: "10.244.2.2", proto: "udp", dport: 53, ttl: 2 },
  { from: "a", dst: "10.244.2.2", proto: "udp", dport: 53, ttl: 4 },
  { from: "a", dst: "10.244.2.2", proto: "udp", dport: 53, ttl: 5 },
  { from: "n1", dst: "10.244.2.2", proto: "tcp", dport: 80 },
  { from: "b", dst: "10.244.1.1", proto: "icmp", sport: 4242 },
  { from: "b", dst: "192.168.50.1", proto: "tcp", dport: 22 },
];

describe.skipIf(unfit.length > 0)("TUNs with a daemon", () => {
  afterAll(() => sweepOwn());

  it("carry what the model says, as the model says", () => {
    function* asking() {
      const standing = yield* raising(world);
      try {
        const probes: RecordedProbe[] = [];
        for (const query of QUERIES) {
          // What ends the connection before goes by way of the daemons too.
          for (const until = Date.now() + SETTLED_MS; Date.now() < until; ) {
            standing.lab.serve();
            yield;
          }
          probes.push(...(yield* recording(standing, [query])));
        }
        return probes;
      } finally {
        standing.lab.close();
      }
    }
    const [probes] = sideBySide([asking()]);
    if (probes === undefined || probes instanceof Error) throw probes;
    const file = process.env["TUN_FIXTURE"];
    if (file !== undefined) {
      const snapshot = JSON.parse(writeSnapshot(world)) as object;
      const named = { name: "tun-daemons", description: "Two nodes' daemons carry packets between TUNs" };
      writeFileSync(file, `${JSON.stringify({ ...named, ...snapshot, probes })}\n`);
    }
    expect(
      judged(world, probes).flatMap(({ recorded, difference }) =>
        difference === null ? [] : [`${JSON.stringify(recorded.query)}: ${difference}`],
      ),
    ).toEqual([]);
    // all but what dies before it and what is for the other node's own address
    const carried = probes.filter(({ frames = [] }) => frames.some(({ datagram }) => datagram !== undefined));
    expect(carried).toHaveLength(QUERIES.length - 2);
  }, 60_000);
});
