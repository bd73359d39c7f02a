import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { replay } from "../../src/lab/compare.ts";
import { sleep } from "../../src/lab/live/carrier.ts";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import { Lab } from "../../src/lab/live/lab.ts";
import { parseEntry } from "../../src/lab/live/real-conntrack.ts";
import { deleteNetns, listNetns } from "../../src/lab/live/real-netns.ts";
import { recordProbe } from "../../src/lab/live/record-probe.ts";
import { parseCounters, parseNftCounters, risen } from "../../src/lab/live/rule-counters.ts";
import type { RecordedProbe, RecordedQuery } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { hopscope } from "../cli/cli.ts";

/** The lab on the kernel of this machine: worlds built for real must do what the model says. */

const PREFIX = `hopscope-test${process.pid}-`;

/** Memberships of groups are told twice within a second or two; they would be counted by the rules. */
const SETTLED_MS = 2300;

const NOTHING: World = { hosts: new Map(), wires: [], origins: { sources: [] } };
const unfit = whyUnfit(NOTHING);
if (!existsSync("/proc/sys/net/bridge/bridge-nf-call-iptables")) unfit.push("the kernel has no br_netfilter");
if (unfit.length > 0) console.warn(`skipped: the lab on this machine's kernel: ${unfit.join("; ")}`);

afterEach(() => {
  if (unfit.length === 0) deleteNetns(listNetns().filter((name) => name.startsWith(PREFIX)));
});

function worldOf(file: string): { readonly world: World; readonly queries: readonly RecordedQuery[] } {
  const bytes = readFileSync(join("fixtures", file));
  const snapshot = readSnapshot(file, (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString());
  if (snapshot.kind === "invalid") throw new Error(JSON.stringify(snapshot.errors));
  const queries = (snapshot.recording?.probes ?? []).map((probe) => probe.query as unknown as RecordedQuery);
  return { world: snapshot.world, queries };
}

/** Every query for real, then held against the model. */
function differences(world: World, queries: readonly RecordedQuery[]): string[] {
  const hosts = [...world.hosts.keys()];
  const lab = Lab.build(world, (host) => `${PREFIX}${hosts.indexOf(host)}`);
  try {
    sleep(SETTLED_MS);
    const probes = queries.map((query) => {
      lab.flush();
      const probing = recordProbe(lab, query);
      let step = probing.next();
      while (step.done !== true) {
        sleep(1);
        step = probing.next();
      }
      return { query: { ...query }, recorded: { ...step.value } };
    });
    const recording = { file: "live", name: "live", description: "", setup: [], probes };
    return [...replay(world, recording)].flatMap(({ recorded, judge }) => {
      const difference = judge(recorded as RecordedProbe);
      return difference === null ? [] : [`${JSON.stringify(recorded.query)}: ${difference}`];
    });
  } finally {
    lab.close();
  }
}

/** One flow each, everything the client chooses given, so that the model need not guess. */
function single(query: RecordedQuery, i: number): RecordedQuery {
  const { keepState: _, ...rest } = query;
  return {
    ...rest,
    count: 1,
    ...(query.proto === "icmp" && query.sport === undefined ? { sport: 5000 + i } : {}),
  };
}

describe.skipIf(unfit.length > 0)("a recorded world built again for real", () => {
  it.each([
    "truth/a-bridge-brnf-plain.json.gz",
    "truth/c-vxlan-mtu.json.gz",
    "truth/d-services-hostgw.json.gz",
    "truth/h-filter-states.json.gz",
    "live/tcpmss-lengthens-the-same-packet.json",
  ])(
    "%s: the kernel does what the model says",
    (name) => {
      const { world, queries } = worldOf(name);
      expect(differences(world, queries.map(single))).toEqual([]);
    },
    60_000,
  );

  it("leaves nothing behind, and nothing half-built", () => {
    const { world } = worldOf("truth/a-bridge-brnf-plain.json.gz");
    const lab = Lab.build(world, (host) => `${PREFIX}${host}`);
    expect(listNetns().filter((name) => name.startsWith(PREFIX))).toHaveLength(world.hosts.size);
    lab.close();
    const broken: World = {
      ...world,
      hosts: new Map(
        [...world.hosts].map(([name, host]) => [
          name,
          { ...host, devices: [...host.devices, ...host.devices] },
        ]),
      ),
    };
    expect(() => Lab.build(broken, (host) => `${PREFIX}${host}`)).toThrow(/File exists|duplicate/);
    expect(listNetns().filter((name) => name.startsWith(PREFIX))).toEqual([]);
  });
});

describe.skipIf(unfit.length > 0)("lab up, lab probe, lab down", () => {
  it("a cluster of manifests, built for real, answers as traced", async () => {
    const name = `t${process.pid}`;
    try {
      const up = await hopscope(["lab", "up", "--name", name, "-f", "fixtures/nmt"]);
      expect(up.err).toBe("");
      expect(up.out).toMatch(/^13 hosts stand/);
      sleep(SETTLED_MS);
      for (const [from, to] of [
        ["deploy/nginx", "svc/tomcat:8080"],
        ["external", "node/node1:30080"],
        ["node/node2", "svc/mysql:3306"],
        ["deploy/tomcat", "10.96.0.88:81"],
      ] as const) {
        const probe = await hopscope(["lab", "probe", from, to, "--name", name, "-f", "fixtures/nmt"]);
        expect(probe.err).toBe("");
        expect(probe.out).toMatch(/^agrees /m);
      }
      expect((await hopscope(["lab", "up", "--name", name])).err).toMatch(/stands already/);
    } finally {
      const down = await hopscope(["lab", "down", name]);
      expect(down.out).toBe("13 hosts taken down\n");
    }
    expect(listNetns().filter((each) => each.includes(name))).toEqual([]);
    expect(existsSync(`/run/hopscope-lab/${name}`)).toBe(false);
  }, 60_000);
});

describe.skipIf(unfit.length > 0)("a lab whose building or servers ended early", () => {
  it("is not asked, and is taken down whole", async () => {
    const name = `u${process.pid}`;
    try {
      await hopscope(["lab", "up", "--name", name, "--only", "node1", "node2"]);
      process.kill(Number(readFileSync(`/run/hopscope-lab/${name}/pid`, "utf8")), "SIGKILL");
      sleep(SETTLED_MS);
      const probe = await hopscope(["lab", "probe", "node1", "192.168.50.12:22", "--name", name]);
      expect(probe).toMatchObject({ code: 2, out: "" });
      expect(probe.err).toMatch(/^error: the lab \S+ is not complete: .*\n$/);
    } finally {
      expect((await hopscope(["lab", "down", name])).out).toBe("2 hosts taken down\n");
    }
    expect(listNetns().filter((each) => each.includes(name))).toEqual([]);
  }, 60_000);
});

describe("what the kernel tells", () => {
  it("connection tracking", () => {
    const line =
      "ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.96.0.1 sport=4000 dport=80 src=10.1.0.2 dst=10.0.0.1 sport=8080 dport=4000 [ASSURED] mark=16384 zone=0 use=2";
    expect(parseEntry(line, "n")).toEqual({
      ns: "n",
      proto: "tcp",
      state: "ESTABLISHED",
      orig: { src: "10.0.0.1", dst: "10.96.0.1", sport: 4000, dport: 80 },
      reply: { src: "10.1.0.2", dst: "10.0.0.1", sport: 8080, dport: 4000 },
      flags: ["ASSURED"],
      mark: 16384,
    });
    expect(parseEntry("ipv6     10 tcp      6 431999 ESTABLISHED src=fd00::1", "n")).toBeNull();
    expect(parseEntry("", "n")).toBeNull();
  });

  it("counters of nftables, by the last one of each rule", () => {
    const rule = (table: string, ...expr: object[]) => ({ rule: { family: "ip", table, chain: "c", expr } });
    const listing = (first: number, last: number) =>
      JSON.stringify({
        nftables: [
          { metainfo: {} },
          rule("t", { counter: { packets: first, bytes: 1 } }, { counter: { packets: last, bytes: 1 } }),
          rule("t", { accept: null }),
          rule("t", { counter: "named" }, { counter: { packets: last, bytes: 1 } }, { drop: null }),
        ],
      });
    const after = parseNftCounters(listing(9, 4));
    expect(risen("n", parseNftCounters(listing(1, 3)), after)).toEqual([
      { ns: "n", table: "ip t", chain: "c", rule: 1, packets: 1 },
      { ns: "n", table: "ip t", chain: "c", rule: 3, packets: 1 },
    ]);
  });

  it("counters of rules and policies", () => {
    const before = parseCounters(
      "*filter\n:INPUT DROP [3:180]\n:X - [0:0]\n[1:60] -A INPUT -j X\n[0:0] -A X -j RETURN\n",
    );
    const after = parseCounters(
      "*filter\n:INPUT DROP [4:240]\n:X - [0:0]\n[2:120] -A INPUT -j X\n[0:0] -A X -j RETURN\n",
    );
    expect(risen("n", before, after)).toEqual([
      { ns: "n", table: "filter", chain: "INPUT", rule: 0, packets: 1 },
      { ns: "n", table: "filter", chain: "INPUT", rule: 1, packets: 1 },
    ]);
  });
});
