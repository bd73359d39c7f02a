import { describe, expect, it } from "vitest";
import { STEP_COMMANDS } from "../../src/cli/step/step-commands.ts";
import { compareRecording, replay } from "../../src/lab/compare.ts";
import type { RecordedFrame, RecordedProbe } from "../../src/lab/recorded.ts";
import type { Recording } from "../../src/world/probe.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { readRecordingText } from "../fixtures.ts";
import { changed, corruptions, expanded, touchesExcused, valueAt, withValue } from "./corruption.ts";

function load(name: string) {
  const snapshot = readSnapshot(name, readRecordingText(name));
  if (snapshot.kind !== "ok" || snapshot.recording === null) throw new Error(`${name} cannot be read`);
  return { world: snapshot.world, recording: snapshot.recording };
}

const loaded = new Map(
  [
    "a-bridge-brnf-plain",
    "b-redirect-on",
    "b-hostgw-brnf0",
    "c-vxlan-mtu",
    "d-services-vxlan",
    "ipvs-ipip/lvs-nat-masq",
    "k-services-plain",
    "k-vxlan-mtu",
  ].map((name) => [name, load(name)]),
);

/** What `lab compare` says of one probe, in a recording whose probe reads as the edit leaves it. */
function differenceAfter(
  name: string,
  index: number,
  edit: (probe: RecordedProbe) => RecordedProbe,
): string | null {
  const { world, recording } = loaded.get(name) as ReturnType<typeof load>;
  // Probes behind it make no difference to it.
  const probes = recording.probes.slice(0, index + 1).map((probe, i) => {
    if (i !== index) return probe;
    const recorded = edit(expanded(probe.recorded as unknown as RecordedProbe));
    return { query: probe.query, recorded: recorded as unknown as Readonly<Record<string, unknown>> };
  });
  const report = compareRecording(world, { ...recording, probes } as Recording, { commands: STEP_COMMANDS });
  return report.probes[index]?.difference ?? null;
}

/** The field at a path becomes another value; `packet.frame` counts frames of that packet. */
type Edit = (probe: RecordedProbe) => RecordedProbe;

const field =
  (path: string, value?: unknown): Edit =>
  (probe) => {
    const keys = path.split(".").map((key) => (/^\d+$/.test(key) ? Number(key) : key));
    expect(valueAt(probe, keys), `${path} is not there`).toBeDefined();
    return withValue(probe, keys, value === undefined ? changed : () => value);
  };

const frames =
  (edit: (frames: readonly RecordedFrame[]) => readonly RecordedFrame[]): Edit =>
  (probe) => ({ ...probe, frames: edit(probe.frames ?? []) });

const frame = (pick: (frame: RecordedFrame) => boolean, path: string, value?: unknown): Edit =>
  frames((list) => {
    const at = list.findIndex(pick);
    expect(at, "no such frame").toBeGreaterThanOrEqual(0);
    const keys = path.split(".");
    return withValue(list, [at, ...keys], value === undefined ? changed : () => value);
  });

const isError = ({ icmp }: RecordedFrame): boolean => icmp?.orig !== undefined;
const isEcho = ({ icmp }: RecordedFrame): boolean => icmp?.type === 8;
const isLater6 = ({ ip6 }: RecordedFrame): boolean => (ip6?.frag?.off ?? 0) > 0;
const isTunnelled = ({ vxlan }: RecordedFrame): boolean => vxlan !== undefined;

/** recording, probe, what is corrupted, how, what the difference must speak of */
const ROWS: readonly (readonly [string, number, string, Edit, RegExp])[] = [
  ["a-bridge-brnf-plain", 0, "one TTL", field("frames.4.ip.ttl"), /packet 1: frame \d .*TTL 65 recorded, 64/],
  ["a-bridge-brnf-plain", 0, "a source MAC", field("frames.4.eth.src"), /source MAC/],
  ["a-bridge-brnf-plain", 0, "a destination MAC", field("frames.4.eth.dst"), /destination MAC/],
  ["a-bridge-brnf-plain", 0, "a source address", field("frames.0.ip.src"), /source 10\.\S+ recorded/],
  [
    "a-bridge-brnf-plain",
    0,
    "a destination address",
    field("frames.0.ip.dst"),
    /destination 10\.\S+ recorded/,
  ],
  ["a-bridge-brnf-plain", 0, "a source port", field("frames.0.tcp.sport"), /source port/],
  ["a-bridge-brnf-plain", 0, "a destination port", field("frames.0.tcp.dport"), /destination port/],
  ["a-bridge-brnf-plain", 0, "a flag", field("frames.0.tcp.flags", "SE"), /flags/],
  ["a-bridge-brnf-plain", 0, "the protocol", field("frames.0.ip.proto", 17), /protocol/],
  ["a-bridge-brnf-plain", 0, "DF", field("frames.0.ip.df"), /DF false recorded, true modelled/],
  ["a-bridge-brnf-plain", 3, "a UDP port", field("frames.0.udp.dport"), /destination port/],
  ["a-bridge-brnf-plain", 4, "an ICMP type", frame(isEcho, "icmp.type", 13), /ICMP type/],
  ["a-bridge-brnf-plain", 4, "an ICMP code", frame(isEcho, "icmp.code"), /ICMP code/],
  ["a-bridge-brnf-plain", 4, "an echo's id", frame(isEcho, "icmp.id"), /ICMP id/],
  ["a-bridge-brnf-plain", 2, "an error's type", frame(isError, "icmp.type", 3), /ICMP type/],
  ["a-bridge-brnf-plain", 2, "a quoted source", frame(isError, "icmp.orig.ip.src"), /quoted packet: source/],
  [
    "a-bridge-brnf-plain",
    2,
    "a quoted destination",
    frame(isError, "icmp.orig.ip.dst"),
    /quoted packet: destination/,
  ],
  ["a-bridge-brnf-plain", 2, "a quoted TTL", frame(isError, "icmp.orig.ip.ttl"), /quoted packet: TTL/],
  ["a-bridge-brnf-plain", 2, "a quoted id", frame(isError, "icmp.orig.icmp.id"), /quoted packet: ICMP id/],
  [
    "a-bridge-brnf-plain",
    6,
    "a quoted port",
    frame(isError, "icmp.orig.udp.dport"),
    /quoted packet: destination port/,
  ],
  ["a-bridge-brnf-plain", 4, "an echo's length", frame(isEcho, "ip.len"), /length/],
  ["c-vxlan-mtu", 2, "an error's MTU", frame(isError, "icmp.mtu"), /ICMP MTU 1451 recorded, 1450/],
  ["c-vxlan-mtu", 4, "MF", frame(({ ip }) => ip?.mf === true, "ip.mf", undefined), /MF/],
  [
    "c-vxlan-mtu",
    4,
    "a fragment's offset",
    frame(({ ip }) => (ip?.off ?? 0) > 0, "ip.off"),
    /fragment offset/,
  ],
  ["c-vxlan-mtu", 0, "the VNI", frame(isTunnelled, "vxlan.vni"), /VNI/],
  ["c-vxlan-mtu", 0, "an inner TTL", frame(isTunnelled, "vxlan.ip.ttl"), /inner packet: TTL/],
  ["c-vxlan-mtu", 0, "an inner MAC", frame(isTunnelled, "vxlan.eth.dst"), /inner packet: destination MAC/],
  ["c-vxlan-mtu", 0, "an inner address", frame(isTunnelled, "vxlan.ip.src"), /inner packet: source/],
  [
    "c-vxlan-mtu",
    0,
    "an inner port",
    frame(isTunnelled, "vxlan.tcp.dport"),
    /inner packet: destination port/,
  ],
  ["c-vxlan-mtu", 0, "inner flags", frame(isTunnelled, "vxlan.tcp.flags", "SR"), /inner packet: flags/],
  [
    "c-vxlan-mtu",
    4,
    "an inner offset",
    frame(({ vxlan }) => (vxlan?.ip?.off ?? 0) > 0, "vxlan.ip.off"),
    /fragment offset/,
  ],
  ["c-vxlan-mtu", 0, "one source port of a tunnelled flow", frame(isTunnelled, "udp.sport"), /source port/],
  ["c-vxlan-mtu", 0, "the tunnel's port", frame(isTunnelled, "udp.dport"), /destination port/],
  ["c-vxlan-mtu", 0, "a frame removed", frames((list) => list.toSpliced(2, 1)), /frame \d/],
  [
    "c-vxlan-mtu",
    0,
    "a frame added",
    frames((list) => list.toSpliced(2, 0, list[1] as RecordedFrame)),
    /frame \d/,
  ],
  ["c-vxlan-mtu", 0, "two frames swapped", frames((list) => swap(list, 1, 2)), /frame \d/],
  [
    "a-bridge-brnf-plain",
    8,
    "two frames of a bridge swapped",
    frames((list) => swap(list, 1, 2)),
    /frame \d/,
  ],
  [
    "b-redirect-on",
    2,
    "the last frame removed",
    frames((list) => list.slice(0, -1)),
    /modelled, not recorded/,
  ],
  ["b-redirect-on", 2, "a device's name", field("frames.0.if"), /web-1 eth1 out/],
  ["b-redirect-on", 2, "a host's name", field("frames.0.ns", "web-0"), /web-0 eth0 out/],
  ["b-redirect-on", 2, "a direction", field("frames.1.dir", "in"), /in /],
  [
    "b-redirect-on",
    0,
    "a packet taken away",
    frames((list) => list.filter(({ pkt }) => pkt !== 1)),
    /packet/,
  ],
  ["d-services-vxlan", 1, "a rule step's number", field("trace.0.steps.1"), /rules: .*step 2/],
  ["d-services-vxlan", 1, "a rule step removed", steps((list) => list.slice(1)), /rules: .*step 1/],
  [
    "d-services-vxlan",
    1,
    "a rule step added",
    steps((list) => [...list, list[0] as string]),
    /rules: .*step/,
  ],
  ["d-services-vxlan", 1, "two rule steps swapped", steps((list) => swap(list, 1, 2)), /rules: .*step 2/],
  ["d-services-vxlan", 1, "a mark", markChanged, /mark=0x/],
  ["d-services-vxlan", 1, "a hook's in", field("trace.0.in"), /rules: .* in /],
  ["d-services-vxlan", 1, "a hook's out", field("trace.1.out"), /rules: .* out /],
  ["a-bridge-brnf-plain", 0, "a hook's physin", field("trace.0.physin"), /physin/],
  ["a-bridge-brnf-plain", 0, "a hook's physout", field("trace.1.physout"), /physout/],
  ["a-bridge-brnf-plain", 0, "a hook's packet", field("trace.0.packet"), /rules: .* packet tcp/],
  [
    "a-bridge-brnf-plain",
    0,
    "two hooks swapped",
    (probe) => ({ ...probe, trace: swap(probe.trace ?? [], 0, 1) }),
    /rules: .*after FORWARD/,
  ],
  ["d-services-vxlan", 1, "a counter", field("rulesHit.0.packets"), /rule counters/],
  [
    "d-services-vxlan",
    1,
    "a counter removed",
    (probe) => ({ ...probe, rulesHit: probe.rulesHit?.slice(1) ?? [] }),
    /rule counters/,
  ],
  [
    "d-services-vxlan",
    1,
    "a connection's state",
    field("conntrack.0.state", "SYN_SENT"),
    /conntrack: .*SYN_SENT/,
  ],
  ["d-services-vxlan", 1, "a connection's source", field("conntrack.0.orig.src"), /conntrack/],
  ["d-services-vxlan", 1, "a connection's answer", field("conntrack.0.reply.src"), /conntrack/],
  ["d-services-vxlan", 1, "a connection's port", field("conntrack.0.orig.dport"), /conntrack/],
  [
    "d-services-vxlan",
    1,
    "a connection's flag",
    field("conntrack.0.flags", ["UNREPLIED"]),
    /conntrack: .*UNREPLIED/,
  ],
  [
    "d-services-vxlan",
    1,
    "a connection's mark",
    (probe) => withValue(probe, ["conntrack", 0, "mark"], () => 5),
    /conntrack: .*mark 5/,
  ],
  [
    "d-services-vxlan",
    8,
    "a connection removed",
    (probe) => ({ ...probe, conntrack: probe.conntrack?.slice(1) ?? [] }),
    /conntrack: .*modelled, not recorded/,
  ],
  [
    "d-services-vxlan",
    1,
    "a connection added",
    (probe) => ({ ...probe, conntrack: probe.conntrack?.flatMap((e) => [e, e]) ?? [] }),
    /conntrack: .*recorded, not modelled/,
  ],
  ["d-services-vxlan", 1, "the result", field("outcome.result", "timeout"), /result: timeout recorded/],
  [
    "d-services-vxlan",
    3,
    "the errno",
    field("outcome.errno", "EHOSTUNREACH"),
    /errno: EHOSTUNREACH recorded, ECONNREFUSED/,
  ],
  ["d-services-vxlan", 1, "who answered", field("outcome.answeredBy", "web-2"), /answered by: web-2/],
  ["d-services-vxlan", 1, "what the server saw", field("outcome.serverSaw.0.local"), /server: /],
  [
    "d-services-vxlan",
    1,
    "the peer's address",
    field("outcome.serverSaw.0.peer", "10.0.0.9:1"),
    /server: .*10\.0\.0\.9/,
  ],
  ["d-services-vxlan", 1, "which host's server", field("outcome.serverSaw.0.host", "web-2"), /server: web-2/],
  ["d-services-vxlan", 3, "the ICMP error's code", field("outcome.icmp.code"), /icmp error: 3\/4/],
  ["d-services-vxlan", 3, "the ICMP error's maker", field("outcome.icmp.from"), /icmp error: /],
  ["c-vxlan-mtu", 2, "the ICMP error's MTU", field("outcome.icmp.mtu"), /icmp error: .*mtu 1451/],
  ["d-services-vxlan", 14, "who reset", field("outcome.reset.from"), /reset from/],
  [
    "d-services-vxlan",
    0,
    "a flow's server",
    field("flows.3.serverSaw.0.local", "10.0.0.9:80"),
    /flow 4 of 12/,
  ],
  ["d-services-vxlan", 0, "a flow's path", field("flows.3.path.2"), /flow 4 of 12 .*path/],
  ["k-vxlan-mtu", 6, "a hop limit", field("frames.0.ip6.hlim"), /packet 1: frame 1 .*TTL 3 recorded, 2/],
  ["k-vxlan-mtu", 9, "an IPv6 source", field("frames.0.ip6.src"), /source fd00:\S+ recorded/],
  ["k-vxlan-mtu", 5, "an IPv6 fragment's offset", frame(isLater6, "ip6.frag.off"), /fragment offset/],
  ["k-vxlan-mtu", 0, "a quoted hop limit", frame(isError, "icmp.orig.ip6.hlim"), /quoted packet: TTL/],
  ["k-vxlan-mtu", 0, "the MTU of packet too big", frame(isError, "icmp.mtu"), /ICMP MTU 1451 recorded, 1450/],
  ["k-vxlan-mtu", 1, "an inner hop limit", frame(isTunnelled, "vxlan.ip6.hlim"), /inner packet: TTL/],
  ["k-vxlan-mtu", 9, "the family of a visit", field("trace.0.family", 4), /rules: .*recorded, not modelled/],
  ["k-vxlan-mtu", 9, "the family of a counter", field("rulesHit.0.family", 4), /rule counters/],
];

function swap<T>(list: readonly T[], i: number, j: number): readonly T[] {
  return list.with(i, list[j] as T).with(j, list[i] as T);
}

function steps(edit: (steps: readonly string[]) => readonly string[]): Edit {
  return (probe) => withValue(probe, ["trace", 0, "steps"], (old) => edit(old as string[]));
}

function markChanged(probe: RecordedProbe): RecordedProbe {
  const visit = (probe.trace ?? []).findIndex((one) => one.steps.some((step) => step.includes("mark=")));
  return withValue(probe, ["trace", visit, "steps"], (old) =>
    (old as string[]).map((step) => step.replace(/mark=0x.*/, "mark=0x1")),
  );
}

describe("a corrupted recording is found out, and the difference says where", () => {
  it.each(ROWS)("%s, probe %d: %s", (name, index, _what, edit, mentions) => {
    expect(differenceAfter(name, index, (probe) => probe)).toBeNull();
    expect(differenceAfter(name, index, edit)).toMatch(mentions);
  });
});

/** Every n-th corruption of each: all would take minutes. */
const STRIDES: readonly (readonly [string, number])[] = [
  ["a-bridge-brnf-plain", 1],
  ["b-redirect-on", 1],
  ["c-vxlan-mtu", 11],
  ["d-services-vxlan", 23],
  ["ipvs-ipip/lvs-nat-masq", 17],
  ["k-services-plain", 7],
  ["k-vxlan-mtu", 7],
];

describe("every field, frame, rule and entry changed, taken away, doubled or swapped alone is noticed", () => {
  it.each(STRIDES)("%s, every %dth", (name, stride) => {
    const { world, recording } = loaded.get(name) as ReturnType<typeof load>;
    const unnoticed: string[] = [];
    let tried = 0;
    let seen = 0;
    for (const { index, recorded, judge } of replay(world, recording, { commands: STEP_COMMANDS })) {
      const whole = expanded(recorded);
      expect(judge(whole)).toBeNull();
      for (const corruption of corruptions(whole)) {
        if (seen++ % stride !== 0 || touchesExcused(whole, corruption)) continue;
        const { what, where, version } = corruption;
        tried++;
        if (judge(version) === null) unnoticed.push(`probe ${index}: ${where} ${what}`);
      }
    }
    expect(tried).toBeGreaterThan(2000);
    expect(unnoticed).toEqual([]);
  });
});

/** A port that a masquerade chose, everywhere it stands, as another one. */
function renamed(probe: RecordedProbe, from: number, to: number): RecordedProbe {
  const text = JSON.stringify({ ...probe, query: undefined, outcome: undefined });
  const swapIn = (json: string): string => json.replaceAll(new RegExp(`\\b${from}\\b`, "g"), String(to));
  const outcome = JSON.parse(swapIn(JSON.stringify(probe.outcome.serverSaw ?? [])));
  return {
    ...JSON.parse(swapIn(text)),
    query: probe.query,
    outcome: { ...probe.outcome, serverSaw: outcome },
  };
}

/** The port a masquerade chose in probe 1 of d-services-vxlan. */
function freePort(probe: RecordedProbe): number {
  return probe.conntrack?.[0]?.reply.dport ?? 0;
}

const withoutPacket =
  (pick: (frame: RecordedFrame, all: readonly RecordedFrame[]) => boolean): Edit =>
  (probe) => {
    const list = probe.frames ?? [];
    const numbers = new Set(list.filter((one) => pick(one, list)).map(({ pkt }) => pkt));
    expect(numbers.size, "no such packet").toBeGreaterThan(0);
    return {
      ...probe,
      frames: list.filter(({ pkt }) => !numbers.has(pkt)),
      trace: (probe.trace ?? []).filter(({ pkt }) => !numbers.has(pkt)),
      rulesHit: hitsOf((probe.trace ?? []).filter(({ pkt }) => !numbers.has(pkt))),
    };
  };

function hitsOf(trace: NonNullable<RecordedProbe["trace"]>): NonNullable<RecordedProbe["rulesHit"]> {
  const counts = new Map<string, number>();
  for (const { ns, steps: list } of trace) {
    for (const step of list) {
      const [table = "", chain = "", kind = "", rest = ""] = step.split(":");
      if (kind === "return") continue;
      const key = `${ns} ${table} ${chain} ${kind === "policy" ? 0 : Number.parseInt(rest, 10)}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return [...counts].map(([key, packets]) => {
    const [ns = "", table = "", chain = "", rule = ""] = key.split(" ");
    return { ns, table, chain, rule: Number(rule), packets };
  });
}

/** A SYN that was sent before with the same addresses and ports. */
function isRepeated(one: RecordedFrame, all: readonly RecordedFrame[]): boolean {
  const first = all.find(
    (other) =>
      other.tcp?.flags === "S" && other.ip?.src === one.ip?.src && other.tcp.sport === one.tcp?.sport,
  );
  return one.tcp?.flags === "S" && first !== undefined && first.pkt !== one.pkt;
}

describe("what is excused may differ", () => {
  it.each<readonly [string, number, string, Edit]>([
    ["d-services-vxlan", 1, "a masquerade's port renamed everywhere", (p) => renamed(p, freePort(p), 60123)],
    [
      "c-vxlan-mtu",
      0,
      "a VXLAN source port renamed everywhere",
      (p) => renamed(p, p.frames?.find(isTunnelled)?.udp?.sport ?? 0, 60123),
    ],
    ["a-bridge-brnf-plain", 0, "the ARP frames removed", (p) => ({ ...p, arp: [] }) as RecordedProbe],
    [
      "c-vxlan-mtu",
      0,
      "an ARP question in the tunnel added",
      frames((list) => {
        const outer = list.find(isTunnelled) as RecordedFrame;
        const eth = { src: "02:00:00:00:00:01", dst: "ff:ff:ff:ff:ff:ff", type: "0x0806" };
        return [...list, { ...outer, pkt: 999, vxlan: { vni: outer.vxlan?.vni ?? 0, eth } }];
      }),
    ],
    [
      "a-bridge-brnf-plain",
      0,
      "the bridge's extra out removed",
      frames((list) => list.filter((_, i) => !(i === 2 && list[2]?.dir === "out" && list[2].if === "cni0"))),
    ],
    ["b-hostgw-brnf0", 14, "a repeated SYN removed", withoutPacket(isRepeated)],
    ["b-redirect-on", 0, "a redirect removed", withoutPacket(({ icmp }) => icmp?.type === 5)],
    [
      "b-redirect-on",
      0,
      "a redirect's gateway changed",
      frame(({ icmp }) => icmp?.type === 5, "icmp.gateway"),
    ],
    [
      "a-bridge-brnf-plain",
      14,
      "the branches of a flood in another order",
      frames((list) => {
        const outs = list.filter(({ ns, dir }) => ns === "node1" && dir === "out");
        const [a, b] = outs.map((one) => list.indexOf(one)) as [number, number];
        return [...list.slice(0, a), ...branchOf(list, b), ...branchOf(list, a), ...rest(list, a, b)];
      }),
    ],
  ])("%s, probe %d: %s", (name, index, _what, edit) => {
    expect(differenceAfter(name, index, edit)).toBeNull();
  });

  it("but not a free port renamed in one place only", () => {
    const edit: Edit = (probe) => ({ ...probe, frames: renamed(probe, freePort(probe), 60123).frames ?? [] });
    expect(differenceAfter("d-services-vxlan", 1, edit)).toMatch(/server: |rules: |conntrack: /);
  });

  it("nor a port that was not free, even renamed everywhere", () => {
    expect(differenceAfter("a-bridge-brnf-plain", 8, (probe) => renamed(probe, 8080, 8081))).toMatch(/port/);
  });
});

/** A frame sent and, where it is the next, its arrival. */
function branchOf(list: readonly RecordedFrame[], at: number): readonly RecordedFrame[] {
  const next = list[at + 1];
  return next?.dir.startsWith("in") && next.if !== "cni0" ? list.slice(at, at + 2) : list.slice(at, at + 1);
}

function rest(list: readonly RecordedFrame[], a: number, b: number): readonly RecordedFrame[] {
  const taken = new Set([...branchOf(list, a), ...branchOf(list, b)]);
  return list.slice(a).filter((one) => !taken.has(one));
}

describe("of steps, and of probes without frames, too", () => {
  const name = "ipvs-ipip/sched-change-wlc";
  const { world, recording } = load(name);
  const played = [...replay(world, recording, { commands: STEP_COMMANDS })];
  const stepOf = (step: string, result?: string): (typeof played)[number] => {
    const found = played.find(
      ({ recorded }) =>
        recorded.query.step === step && (result === undefined || recorded.outcome.result === result),
    );
    if (found === undefined) throw new Error(`${name} has no such step`);
    return found;
  };

  it.each([
    ["a probe's server", () => played[0], "outcome.answeredBy", "answered by: "],
    ["a probe's result", () => played[0], "outcome.result", "result: "],
    ["the server of again", () => stepOf("again", "answered"), "outcome.answeredBy", "answered by: "],
    ["the result of again", () => stepOf("again", "reset"), "outcome.result", "result: "],
    ["its errno", () => stepOf("again", "error"), "outcome.errno", "errno: EPIPX recorded, EPIPE modelled"],
    ["what a command leaves", () => stepOf("command"), "ipvsAfter", "ipvsadm -Sn, line 5: "],
  ] as const)("%s", (_, find, path, difference) => {
    const { recorded, judge } = find() as (typeof played)[number];
    expect(judge(recorded)).toBeNull();
    const version = withValue(recorded, path.split("."), (old) =>
      path === "outcome.errno"
        ? "EPIPX"
        : path === "ipvsAfter"
          ? `${String(old).slice(0, -2)}9\n`
          : changed(old),
    );
    expect(judge(version)).toContain(difference);
  });

  it("what a command prints", () => {
    const lc = load("ipvs-ipip/sched-lc");
    const last = [...replay(lc.world, lc.recording, { commands: STEP_COMMANDS })].at(
      -1,
    ) as (typeof played)[number];
    expect(last.judge(last.recorded)).toBeNull();
    const version = withValue(last.recorded, ["outcome", "output"], (old) =>
      String(old).replace("12 ", "13 "),
    );
    expect(last.judge(version)).toMatch(/^output, line 5: .* 13 .* recorded, .* 12 .* modelled$/);
  });
});
