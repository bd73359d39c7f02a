import { release } from "node:os";
import { afterAll, describe, expect, it } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import type { RecordedQuery } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { Dice } from "./dice.ts";
import { addAddress, addLink, type Draft, newHost, snapshotText, wire } from "./draft.ts";
import { judged, type Probed, raising, recording, sideBySide, sweep, sweepOwn, TooSlow } from "./probing.ts";

/** A transparent proxy on a router, by TPROXY and `-m socket`, on this machine's kernel and in the model. */

const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length > 0) console.warn(`skipped: a proxy on this machine's kernel: ${unfit.join("; ")}`);

/** client – router – server; the router's rules, and whether it sends marked packets to itself. */
function proxied(backend: "legacy" | "nft", mangle: string, options: string, toItself: boolean): World {
  const dice = new Dice(7);
  const draft: Draft = { hosts: new Map(), wires: [] };
  const [client, router, server] = ["client", "router", "server"].map((name) =>
    newHost(draft, name, "external"),
  );
  if (client === undefined || router === undefined || server === undefined) throw new Error("three hosts");
  const ends = [
    [client, "10.1.0.2", "10.1.0.1", "eth0"],
    [server, "10.2.0.2", "10.2.0.1", "eth1"],
  ] as const;
  for (const [host, address, gateway, device] of ends) {
    addLink(host, dice, "eth0");
    addLink(router, dice, device);
    addAddress(host, "eth0", address, 24);
    addAddress(router, device, gateway, 24);
    host.routes[4].push({ dst: "default", gateway, dev: "eth0" });
    wire(draft, host.name, "eth0", "router", device);
  }
  router.sysctl["net.ipv4.ip_forward"] = "1";
  if (toItself) {
    router.rules[4].push({ priority: 100, src: "all", fwmark: "0x1", table: "100" });
    router.routes[4].push({ type: "local", dst: "default", dev: "lo", table: "100", scope: "host" });
  }
  router.sockets.push(`tcp LISTEN 0 128 0.0.0.0:8080 0.0.0.0:* inet-sockopt: ( ${options})`);
  router.sockets.push(`udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:* inet-sockopt: ( ${options})`);
  server.sockets.push("tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:*", "udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:*");
  router.backend = backend;
  router.iptablesSave[4] = `*mangle\n${CHAINS}:DIVERT - [0:0]\n${mangle}\nCOMMIT\n`;
  const text = snapshotText(draft);
  const snapshot = readSnapshot("proxy", text);
  if (snapshot.kind === "invalid") throw new Error(JSON.stringify(snapshot));
  return snapshot.world;
}

const CHAINS = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
  .map((chain) => `:${chain} ACCEPT [0:0]\n`)
  .join("");

const QUERIES: readonly RecordedQuery[] = [
  { from: "client", proto: "tcp", dst: "10.2.0.2", dport: 80, sport: 20_000, count: 1 },
  { from: "client", proto: "udp", dst: "10.2.0.2", dport: 53, sport: 20_001, count: 1 },
  { from: "client", proto: "tcp", dst: "10.2.0.9", dport: 80, sport: 20_002, count: 1 },
  { from: "client", proto: "tcp", dst: "10.1.0.1", dport: 8080, sport: 20_003, count: 1 },
  { from: "server", proto: "tcp", dst: "10.1.0.2", dport: 81, sport: 20_004, count: 1 },
];

function* probing(world: World): Generator<void, Probed[]> {
  const standing = yield* raising(world);
  try {
    return judged(world, yield* recording(standing, QUERIES));
  } finally {
    standing.lab.close();
  }
}

function probed(world: World): Probed[] {
  for (let attempt = 1; ; attempt++) {
    const [probes] = sideBySide([probing(world)]);
    if (probes instanceof TooSlow && attempt < 4) continue;
    if (probes === undefined || probes instanceof Error) throw probes;
    return probes;
  }
}

const DIVERT = `-A PREROUTING -p tcp -m socket -j DIVERT
-A DIVERT -j MARK --set-xmark 0x1/0xffffffff
-A DIVERT -j ACCEPT`;
const TPROXY = `-A PREROUTING -p tcp -m tcp --dport 80 -j TPROXY --on-port 8080 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1
-A PREROUTING -p udp -m udp --dport 53 -j TPROXY --on-port 0 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1`;

describe.skipIf(unfit.length > 0)(`a transparent proxy on kernel ${release()}`, () => {
  afterAll(() => {
    sweep();
    sweepOwn();
  });

  it.each([
    [
      "with a local route for its mark",
      "legacy",
      `${DIVERT}\n${TPROXY}`,
      "transparent",
      true,
      ["router", "router", "router", "router"],
    ],
    [
      "by nftables' iptables",
      "nft",
      `${DIVERT}\n${TPROXY}`,
      "transparent",
      true,
      ["router", "router", "router", "router"],
    ],
    ["without a local route", "legacy", TPROXY, "transparent", false, [null, null, null, "router"]],
    ["whose socket may speak for nobody else", "legacy", TPROXY, "", true, [null, null, null, "router"]],
    [
      "that is transparent alone",
      "legacy",
      `-A PREROUTING -p tcp -m socket --transparent --nowildcard --restore-skmark -j DROP\n${TPROXY}`,
      "transparent",
      true,
      [null, "router", null, null],
    ],
  ] as const)(
    "%s",
    (_, backend, mangle, options, toItself, served) => {
      const probes = probed(proxied(backend, mangle, options, toItself));
      expect(probes.map(({ difference }) => difference)).toEqual(QUERIES.map(() => null));
      const servers = probes.map(({ outcome }) => outcome?.server?.host ?? null);
      expect(servers.slice(0, 4)).toEqual(served);
    },
    60_000,
  );
});
