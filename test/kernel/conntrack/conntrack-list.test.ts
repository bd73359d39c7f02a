import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIp } from "../../../src/address/ip.ts";
import { formatConntrackList, parseConntrackList } from "../../../src/kernel/conntrack/conntrack-list.ts";
import { addEntries, type ConntrackEntry, entriesOf, statesOf } from "../../../src/kernel/conntrack/entry.ts";
import { ConntrackTable } from "../../../src/kernel/conntrack/table.ts";
import { Journal } from "../../../src/kernel/session/journal.ts";
import { linesOf } from "../../../src/kernel/tool-text.ts";
import { ipv4, ipv6 } from "../../address/arbitraries.ts";
import { readRecording, recordingNames } from "../../fixtures.ts";
import { outcome, sessionOf, told } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

const read = (text: string) => parseConntrackList(linesOf(text));

/** `conntrack -L` of conntrack-tools 1.4.7 on Linux 6.18, namespace v6filter-b. */
const LISTED = `icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=11270 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=11270 mark=0 use=1
unknown  89 599 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 mark=0 use=1
udp      17 28 src=fd00::1 dst=fd00::2 sport=38056 dport=54 [UNREPLIED] src=fd00::2 dst=fd00::1 sport=54 dport=38056 mark=0 use=1
gre      47 29 src=10.0.0.1 dst=10.0.0.2 srckey=0x0 dstkey=0x0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 srckey=0x0 dstkey=0x0 mark=0 use=1
udp      17 28 src=10.0.0.1 dst=10.0.0.2 sport=58182 dport=53 src=10.0.0.2 dst=10.0.0.1 sport=53 dport=58182 mark=23 use=1
tcp      6 58 CLOSE_WAIT src=10.0.0.1 dst=10.0.0.2 sport=36448 dport=8080 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=36448 [ASSURED] mark=0 use=1
icmpv6   58 29 src=fd00::1 dst=fd00::2 type=128 code=0 id=11272 src=fd00::2 dst=fd00::1 type=129 code=0 id=11272 mark=0 use=1
tcp      6 58 CLOSE_WAIT src=fd00::1 dst=fd00::2 sport=50496 dport=8080 src=fd00::2 dst=fd00::1 sport=80 dport=50496 [ASSURED] mark=0 use=1
`;

/** The same from /proc/net/nf_conntrack, and the last two lines by `conntrack -L -o extended`. */
const PROC = `ipv4     2 icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=11270 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=11270 mark=0 zone=0 use=2
ipv4     2 unknown  89 599 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 mark=0 zone=0 use=2
ipv6     10 udp      17 28 src=fd00:0000:0000:0000:0000:0000:0000:0001 dst=fd00:0000:0000:0000:0000:0000:0000:0002 sport=38056 dport=54 [UNREPLIED] src=fd00:0000:0000:0000:0000:0000:0000:0002 dst=fd00:0000:0000:0000:0000:0000:0000:0001 sport=54 dport=38056 mark=0 zone=0 use=2
ipv4     2 gre      47 29 timeout=30, stream_timeout=180 src=10.0.0.1 dst=10.0.0.2 srckey=0x0 dstkey=0x0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 srckey=0x0 dstkey=0x0 mark=0 zone=0 use=2
ipv4     2 udp      17 28 src=10.0.0.1 dst=10.0.0.2 sport=58182 dport=53 src=10.0.0.2 dst=10.0.0.1 sport=53 dport=58182 mark=23 zone=0 use=2
ipv4     2 tcp      6 58 CLOSE_WAIT src=10.0.0.1 dst=10.0.0.2 sport=36448 dport=8080 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=36448 [ASSURED] mark=0 zone=0 use=2
ipv6     10 icmpv6   58 29 src=fd00::1 dst=fd00::2 type=128 code=0 id=11272 src=fd00::2 dst=fd00::1 type=129 code=0 id=11272 mark=0 use=1
ipv6     10 tcp      6 58 CLOSE_WAIT src=fd00::1 dst=fd00::2 sport=50496 dport=8080 src=fd00::2 dst=fd00::1 sport=80 dport=50496 [ASSURED] mark=0 use=1
`;

describe("the text of conntrack -L", () => {
  it("is printed as it was read", () => {
    const { entries, faults, odd } = read(LISTED);
    expect([faults, odd]).toEqual([[], []]);
    expect(formatConntrackList(entries)).toBe(LISTED);
  });

  it("says the same in /proc and extended", () => {
    expect(read(PROC)).toEqual(read(LISTED));
  });

  it("takes counters, zones and what else stands there", () => {
    const line =
      "tcp      6 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=9 bytes=99 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=3 bytes=33 [OFFLOAD] [ASSURED] mark=1 secctx=null zone=5 use=2";
    const { entries } = read(
      `${line}\nconntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n`,
    );
    expect(entries).toMatchObject([{ timeout: null, zone: 5, mark: 1, assured: true, replied: true }]);
  });

  it.each([
    [
      "tcp      6 58 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1",
      /nothing is no state/,
    ],
    [
      "tcp      6 58 LATE src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1",
      /LATE is no state/,
    ],
    ["udp      17 58 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2", /has two tuples/],
    ["udp      17 58 src=10.0.0.1 dst=10.0.0.2 src=fd00::2 dst=fd00::1", /of two families/],
    ["udp      17 58 src=10.0.0.1 dst=10.0.0 src=10.0.0.2 dst=10.0.0.1", /has 3 parts/],
    [
      "udp      17 58 src=10.0.0.1 dst=10.0.0.2 sport=99999 src=10.0.0.2 dst=10.0.0.1",
      /no number up to 65535/,
    ],
    ["udp      17 58 whatever src=10.0.0.1", /"whatever" is no part/],
  ])("%s: %s", (line, message) => {
    expect(read(line).faults).toEqual([{ line: 1, message: expect.stringMatching(message) }]);
  });

  it("hands back what is no connection", () => {
    expect(read("Permission denied\nroot 1 2\n").odd.map(({ number }) => number)).toEqual([1, 2]);
  });
});

const ports = () => fc.nat(65535);

const entry = (): fc.Arbitrary<ConntrackEntry> =>
  fc.constantFrom(4, 6).chain((family) => {
    const address = () => (family === 6 ? ipv6() : ipv4());
    const kind = fc.constantFrom(6, 17, 132, family === 6 ? 58 : 1, 89);
    return kind.chain((protocol) => {
      const none = protocol === 89;
      const number = none ? fc.constant(0) : ports();
      const tuple = () => fc.record({ src: address(), dst: address(), sport: number, dport: number });
      const zones = fc.oneof(
        fc.record({ zone: fc.nat(65535), zoneDirection: fc.constant("both" as const) }),
        fc.record({
          zone: fc.integer({ min: 1, max: 65535 }),
          zoneDirection: fc.constantFrom("orig" as const, "reply" as const),
        }),
      );
      const rest = fc.record({
        protocol: fc.constant(protocol),
        orig: tuple(),
        reply: tuple(),
        timeout: fc.nat(400_000),
        state: fc.constantFrom(...(statesOf(protocol) ?? [null])),
        replied: fc.boolean(),
        assured: fc.boolean(),
        mark: fc.nat(0xffffffff),
      });
      return fc.tuple(rest, zones).map(([fields, zone]) => ({ ...fields, ...zone }));
    });
  });

describe("laws", () => {
  it("parse ∘ format is the identity", () => {
    fc.assert(
      fc.property(fc.array(entry()), (entries) => {
        expect(read(formatConntrackList(entries))).toEqual({ entries, faults: [], odd: [] });
      }),
    );
  });

  it("a table tells the connections it was given, but those whose tuples another holds", () => {
    fc.assert(
      fc.property(fc.array(entry()), (entries) => {
        const table = new ConntrackTable(new Journal());
        const given = entries.map((one) => ({ ...one, timeout: one.timeout === 0 ? 1 : one.timeout }));
        const refused = addEntries(table, given);
        expect(entriesOf(table)).toEqual(given.filter((one) => !refused.includes(one)));
      }),
    );
  });
});

interface RecordedEntry {
  readonly proto: string;
  readonly state?: string;
  readonly orig: Readonly<Record<string, string | number>>;
  readonly reply: Readonly<Record<string, string | number>>;
  readonly flags: readonly string[];
  readonly mark?: number;
}

/** A recording's connections as lines of `conntrack -L`, by host and probe. */
function recordedLists(recording: unknown): string[] {
  const { probes } = recording as {
    probes: readonly { conntrack?: readonly (RecordedEntry & { ns: string })[] }[];
  };
  return probes.flatMap(({ conntrack = [] }) => {
    const byHost = new Map<string, string[]>();
    for (const one of conntrack) byHost.set(one.ns, [...(byHost.get(one.ns) ?? []), lineOf(one)]);
    return [...byHost.values()].map((lines) => lines.join(""));
  });
}

const NUMBERS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  sctp: 132,
  icmpv6: 58,
  unknown: 4,
};

function lineOf({ proto, state, orig, reply, flags, mark = 0 }: RecordedEntry): string {
  const tuple = (fields: RecordedEntry["orig"]) =>
    Object.entries(fields)
      .map(([name, value]) => `${name}=${value}`)
      .join(" ");
  const words = [
    `${proto.padEnd(8)} ${NUMBERS[proto]} 9`,
    state,
    tuple(orig),
    flags.includes("UNREPLIED") ? "[UNREPLIED]" : undefined,
    tuple(reply),
    flags.includes("ASSURED") ? "[ASSURED]" : undefined,
    `mark=${mark} use=1`,
  ];
  return `${words.filter((word) => word !== undefined).join(" ")}\n`;
}

describe("recordings", () => {
  it.each(recordingNames())("%s: its connections are taken into a table and told again", (name) => {
    for (const list of recordedLists(readRecording(name))) {
      const table = new ConntrackTable(new Journal());
      const { entries, faults, odd } = read(list);
      expect([faults, odd]).toEqual([[], []]);
      expect(addEntries(table, entries)).toEqual([]);
      expect(formatConntrackList(entriesOf(table))).toBe(list);
    }
  });
});

describe("a host's connections", () => {
  const dnat = (to: string) =>
    ["*nat", ":PREROUTING ACCEPT", `-A PREROUTING -p udp -j DNAT --to-destination ${to}`, "COMMIT", ""].join(
      "\n",
    );
  /** b translated what a sent to 10.0.9.9:53 to c, and is to translate it to nobody now. */
  const world = (connections: string) =>
    smallWorld(
      {
        a: { links: { eth0: "10.0.0.1/24" }, routes: ["default via 10.0.0.2"] },
        b: {
          links: { eth0: "10.0.0.2/24", eth1: "10.1.0.2/24" },
          forward: true,
          iptables: dnat("10.1.0.99"),
          connections,
          listen: [],
        },
        c: { links: { eth0: "10.1.0.1/24" }, routes: ["default via 10.1.0.2"], listen: ["udp 53"] },
      },
      ["a:eth0 b:eth0", "b:eth1 c:eth0"],
    );
  const stale =
    "udp      17 100 src=10.0.0.1 dst=10.0.9.9 sport=4000 dport=53 src=10.1.0.1 dst=10.0.0.1 sport=53 dport=4000 [ASSURED] mark=0 use=1\n";

  it("go on as they were: a datagram of a known pair of ports still goes to where the first went", () => {
    const session = sessionOf(world(stale));
    expect(told(session, "a", "udp 10.0.9.9:53 sport=4000")).toContain("answered");
    expect(told(session, "a", "udp 10.0.9.9:53 sport=4001")).not.toContain("answered");
  });

  it("end after their time", () => {
    const session = sessionOf(world(stale));
    session.stack(1);
    session.wait(101_000);
    expect(told(session, "a", "udp 10.0.9.9:53 sport=4000")).not.toContain("answered");
  });

  it("are told only where a packet met them", () => {
    const other = stale.replaceAll("4000", "4100");
    const { conntrack } = outcome(sessionOf(world(stale + other)), "a", "udp 10.0.9.9:53 sport=4000");
    expect(conntrack.filter(({ host }) => host === "b").map(({ orig }) => orig.sport)).toEqual([4000]);
  });
});

describe("a full table", () => {
  const LIST = [1, 2, 3]
    .map(
      (port) =>
        `tcp      6 431999 ESTABLISHED src=10.9.0.1 dst=10.9.0.2 sport=${port} dport=80 src=10.9.0.2 dst=10.9.0.1 sport=80 dport=${port} [ASSURED] mark=0 use=1\n`,
    )
    .join("");
  const world = (connections: string, max: number, buckets = 65536) =>
    smallWorld(
      {
        a: { links: { eth0: "10.0.0.1/24 fd00::1/64" } },
        b: {
          links: { eth0: "10.0.0.2/24 fd00::2/64" },
          iptables: "*filter\n:INPUT ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n",
          ip6tables: "*filter\n:INPUT ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n",
          sysctl: { "net.netfilter.nf_conntrack_max": max, "net.netfilter.nf_conntrack_buckets": buckets },
          connections,
          listen: ["udp 53"],
        },
      },
      ["a:eth0 b:eth0"],
    );

  it("drops what would begin a connection, of either family", () => {
    expect(told(sessionOf(world(LIST, 3)), "a", "udp 10.0.0.2:53")).toBe("timeout, conntrack-full");
    expect(told(sessionOf(world(LIST, 3)), "a", "udp [fd00::2]:53")).toBe("timeout, conntrack-full");
    expect(told(sessionOf(world(LIST, 4)), "a", "udp 10.0.0.2:53")).toContain("answered");
    expect(told(sessionOf(world(LIST, 0)), "a", "udp 10.0.0.2:53")).toContain("answered");
  });

  it("gives up one that is not assured, where it finds one", () => {
    const loose = LIST.replace(" [ASSURED]", "");
    expect(told(sessionOf(world(loose, 3)), "a", "udp 10.0.0.2:53")).toBe("timeout, conntrack-full");
    const session = sessionOf(world(loose, 3, 16));
    expect(told(session, "a", "udp 10.0.0.2:53")).toContain("answered");
    expect(session.stack(1).conntrack.size).toBe(3);
  });
});

it("parseIp reads what the lists have", () => {
  expect(parseIp("fd00:0000:0000:0000:0000:0000:0000:0001")).toEqual([0xfd000000, 0, 0, 1]);
});
