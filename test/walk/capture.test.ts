import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ETH_P_ARP, headerLength, INNER_QUOTED, type Packet } from "../../src/packet/packet.ts";
import { type Capture, encodePcapng } from "../../src/packet/pcapng.ts";
import { decodeFrame, decodeIp, encodeFrame } from "../../src/packet/wire/frame.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { readRecordingText } from "../fixtures.ts";
import { anyPacket, longPacket, taggedPacket } from "../packet/wire/arbitrary-packet.ts";
import { outcome, sessionOf } from "./asking.ts";
import { type LinkSpec, smallWorld, vxlan } from "./small-world.ts";
import { ip } from "./words.ts";

/** Bytes of whole traces, held against what the trace says of each frame, and shown to Wireshark. */

function recorded(name: string): World {
  const snapshot = readSnapshot(name, readRecordingText(name));
  if (snapshot.kind !== "ok") throw new Error(name);
  return snapshot.world;
}

/** Two hosts with one tunnel device each. */
function tunnelled(link: (own: number, other: number) => LinkSpec): World {
  const end = (own: number, other: number) => ({
    links: { eth0: `172.16.0.${own}/24`, t0: { addresses: `10.0.1.${own}/24`, ...link(own, other) } },
    listen: ["tcp 80", "udp 53"],
    neighbours: [`10.0.1.${other} t0 02:aa:00:00:00:0${other}`],
    fdb: [`02:aa:00:00:00:0${other} t0 dst 172.16.0.${other}`],
  });
  return smallWorld({ n1: end(1, 2), n2: end(2, 1) }, ["n1:eth0 n2:eth0"]);
}

const mac = (own: number): string => `02:aa:00:00:00:0${own}`;
const at = (n: number): number => ip(`172.16.0.${n}`);
const VXLAN = tunnelled((own) => ({ detail: vxlan(7, `172.16.0.${own}`), mac: mac(own) }));
const GENEVE = tunnelled((own, other) => ({
  detail: { kind: "geneve", vni: 7, remote: at(other), port: 6081, ttl: 0, df: "unset" },
  mac: mac(own),
  mtu: 1450,
}));
const IPIP = recorded("ipvs-ipip/calico-ipip-always");
const TAGGED = tunnelled((own) => ({
  detail: { kind: "vlan", id: 10, lower: { host: null, device: "eth0" } },
  mac: mac(own),
}));

const TO_N2 = [
  "tcp 10.0.1.2:80",
  "tcp 10.0.1.2:81",
  "udp 10.0.1.2:53",
  "udp 10.0.1.2:9",
  "icmp 10.0.1.2",
  "udp 10.0.1.2:53 size=3000",
];
const IN_CALICO = TO_N2.map((query) => query.replace("10.0.1.2", "10.100.201.7"));

const TRACES = [
  ...TO_N2.map((query) => ["VXLAN", query, "udp:vxlan:eth:ethertype:ip"] as const),
  ...TO_N2.map((query) => ["Geneve", query, "udp:geneve:eth:ethertype:ip"] as const),
  ...TO_N2.map((query) => ["a VLAN", query, "eth:ethertype:vlan:ethertype:ip"] as const),
  ...IN_CALICO.map((query) => ["IPIP", query, "eth:ethertype:ip:ip"] as const),
];

const PLACES = {
  VXLAN: [VXLAN, "n1"],
  Geneve: [GENEVE, "n1"],
  "a VLAN": [TAGGED, "n1"],
  IPIP: [IPIP, "pod1a"],
} as const satisfies Readonly<Record<string, readonly [World, string]>>;

function captured(place: keyof typeof PLACES, query: string) {
  const [world, host] = PLACES[place];
  const found = outcome(sessionOf(world), host, query, { capture: true });
  if (found.capture === undefined) throw new Error("nothing was captured");
  return { found, capture: found.capture };
}

describe("a trace's bytes", () => {
  it.each(TRACES)("through %s: %s", (place, query) => {
    const { found, capture } = captured(place, query);
    const names = capture.interfaces.map(({ name }) => name);
    const shown = capture.frames.filter(({ comment }) => !comment?.startsWith("ARP"));
    expect(shown.map((frame) => names[frame.interface])).toEqual(
      found.frames.map((frame) => `${frame.host}:${frame.device}`),
    );
    shown.forEach(({ bytes, interface: index }, i) => {
      const frame = found.frames[i];
      if (frame === undefined) throw new Error("no such frame");
      const read = capture.interfaces[index]?.ethernet ? decodeFrame(bytes) : decodeIp(bytes);
      if (read.kind === "invalid") throw new Error(`${read.offset}: ${read.message}`);
      const { packet } = read;
      const header = packet.framed ? (packet.vlan === 0 ? 14 : 18) : 0;
      expect(bytes.length).toBe(frame.ip.len + header);
      expect([packet.ttl, packet.protocol, packet.length, packet.vlan]).toEqual([
        frame.ip.ttl,
        frame.ip.proto,
        frame.ip.len,
        frame.eth?.vlan ?? 0,
      ]);
      expect([packet.fragOffset, packet.mf, packet.df]).toEqual([
        frame.ip.off ?? 0,
        frame.ip.mf ?? false,
        frame.ip.df ?? false,
      ]);
      expect(packet.inner !== null && packet.protocol !== 1).toBe(frame.inner !== undefined);
    });
  });

  it("a segment answers what it was sent", () => {
    const { capture } = captured("VXLAN", "tcp 10.0.1.2:80");
    const segments = capture.frames
      .filter(({ interface: index }) => capture.interfaces[index]?.name === "n1:t0")
      .map(({ bytes }) => decodeFrame(bytes))
      .flatMap((read) => (read.kind === "ok" && read.packet.protocol === 6 ? [read.packet] : []));
    // RFC 9293 3.5: each side's next number is the other's acknowledgement.
    const next = new Map<number, number>();
    for (const segment of segments) {
      if ((segment.tcpFlags & 0x10) !== 0) expect(segment.ack).toBe(next.get(segment.dport));
      const syn = (segment.tcpFlags & 0x02) !== 0 ? 1 : 0;
      next.set(segment.sport, (segment.seq + syn + segment.payload) | 0);
    }
    expect(segments.length).toBe(5);
  });

  it("a comment names the hop", () => {
    const { capture } = captured("IPIP", "udp 10.100.201.7:53");
    const request = capture.frames
      .map(({ comment }) => comment)
      .filter((text) => text?.startsWith("request"));
    expect(request).toEqual([
      "request, packet 1, hop 1: pod1a, out by eth0",
      "request, packet 1, hop 2: node1, in by cali100001000",
      "request, packet 1, hop 2: node1, out by tunl0",
      "request, packet 1, hop 2: node1, out by eth0",
      "request, packet 1, hop 3: sw0, in by p0",
      "request, packet 1, hop 3: sw0, out by p1",
      "request, packet 1, hop 4: node2, in by eth0",
      "request, packet 1, hop 4: node2, in by tunl0",
      "request, packet 1, hop 4: node2, out by cali200001abc",
      "request, packet 1, hop 5: pod2a, in by eth0",
    ]);
  });
});

function whyNoTshark(): string | null {
  try {
    execFileSync("tshark", ["--version"], { stdio: "ignore" });
    return null;
  } catch {
    return "tshark is not installed";
  }
}

const missing = whyNoTshark();
if (missing !== null) console.log(`captures are not shown to Wireshark: ${missing}`);

/** What may be in a capture: payloads are not what their ports promise, so nothing above is dissected. */
const PROTOCOLS: readonly string[] = [
  "frame",
  "eth",
  "ethertype",
  "vlan",
  "arp",
  "ip",
  "icmp",
  "ipv6",
  "ipv6.fraghdr",
  "icmpv6",
  "tcp",
  "udp",
  "vxlan",
  "geneve",
  "raw",
];

/** `*.checksum.status`: 0 bad, 1 good, 2 not verified, 3 not there. */
const BAD = "0";
/** Severity of a fault in an expert's note (a warning is 6291456). */
const ERROR = "8388608";

describe.skipIf(missing !== null)("Wireshark reads a capture", () => {
  interface Line {
    readonly place: string;
    readonly comment: string;
    readonly protocols: string;
    readonly malformed: string;
    readonly severities: readonly string[];
    readonly statuses: readonly string[];
  }

  /** Every protocol but ours is switched off in a configuration of its own. */
  function read(capture: Capture): Line[] {
    const folder = mkdtempSync(join(tmpdir(), "hopscope-pcapng-"));
    const file = join(folder, "capture.pcapng");
    try {
      writeFileSync(file, encodePcapng(capture));
      writeFileSync(join(folder, "disabled_protos"), others.map((name) => `${name}\n`).join(""));
      const fields = [
        "frame.interface_name",
        "frame.comment",
        "frame.protocols",
        "_ws.malformed",
        "_ws.expert.severity",
        ...["ip", "tcp", "udp", "icmp", "icmpv6"].map((protocol) => `${protocol}.checksum.status`),
      ];
      const text = execFileSync(
        "tshark",
        [
          ...["-r", file, "-n", "-d", "udp.port==8472,vxlan", "-T", "fields"],
          ...["ip", "tcp", "udp"].flatMap((protocol) => ["-o", `${protocol}.check_checksum:TRUE`]),
          ...["-o", "ip.defragment:FALSE"],
          ...fields.flatMap((field) => ["-e", field]),
        ],
        {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
          env: { ...process.env, WIRESHARK_CONFIG_DIR: folder },
          maxBuffer: 1 << 26,
        },
      );
      return text
        .split("\n")
        .slice(0, -1)
        .map((line) => {
          const [place = "", comment = "", protocols = "", malformed = "", severities = "", ...statuses] =
            line.split("\t");
          return {
            place,
            comment,
            protocols,
            malformed,
            severities: severities.split(","),
            statuses: statuses.join(",").split(","),
          };
        });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  function listProtocols(): string[] {
    const text = execFileSync("tshark", ["-G", "protocols"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 1 << 26,
    });
    return text.split("\n").flatMap((line) => line.split("\t")[2] ?? []);
  }

  const others = listProtocols().filter((name) => !PROTOCOLS.includes(name));

  /** Of a packet quoted in part Wireshark sums up what is there, if the error is in a tunnel, and calls that bad. */
  function quotesPart(packet: Packet): boolean {
    const { encapsulation, inner, length } = packet;
    if (inner === null) return false;
    return (
      (encapsulation === INNER_QUOTED && length < headerLength(packet) + 8 + inner.length) ||
      quotesPart(inner)
    );
  }

  function expectFaultless(lines: readonly Line[]): void {
    for (const { comment, protocols, malformed, severities, statuses } of lines) {
      const which = `${comment} ${protocols}`;
      expect(malformed, which).toBe("");
      expect(severities, which).not.toContain(ERROR);
      expect(statuses, which).not.toContain(BAD);
      expect(statuses.filter((status) => status === "1").length, which).toBeGreaterThan(0);
    }
  }

  it("of any packets, each checksum right", () => {
    const seed = 5;
    const packets = fc
      .sample(fc.oneof(anyPacket(), taggedPacket(), longPacket()), { numRuns: 500, seed })
      .filter((packet) => packet.ethType !== ETH_P_ARP && !quotesPart(packet));
    expect(packets.length).toBeGreaterThan(300);
    const lines = read({
      interfaces: [{ name: "a:eth0", ethernet: true }],
      frames: packets.map((packet, i) => ({
        interface: 0,
        timeUs: i,
        bytes: encodeFrame(packet),
        direction: "out",
        comment: `seed ${seed}, packet ${i}`,
      })),
    });
    expect(lines).toHaveLength(packets.length);
    for (const { statuses, comment, protocols } of lines) {
      expect(statuses, `${comment} ${protocols}`).not.toContain(BAD);
    }
  });

  it("finds a checksum that is wrong", () => {
    const [packet] = fc.sample(
      longPacket().filter(({ family }) => family === 4),
      { numRuns: 1, seed: 1 },
    );
    if (packet === undefined) throw new Error("no packet");
    const bytes = encodeFrame(packet);
    bytes[24] = (bytes[24] as number) ^ 0xff;
    const [line] = read({
      interfaces: [{ name: "a:eth0", ethernet: true }],
      frames: [{ interface: 0, timeUs: 0, bytes, direction: "out" }],
    });
    expect(line?.statuses).toContain(BAD);
  });

  it.each(Object.keys(PLACES) as (keyof typeof PLACES)[])("of traces through %s", (place) => {
    const traces = TRACES.filter(([where]) => where === place);
    const captures = traces.map(([, query]) => captured(place, query).capture);
    const lines = read(together(captures));
    expect(lines.map((line) => `${line.place} ${line.comment}`)).toEqual(
      captures.flatMap(({ interfaces, frames }) =>
        frames.map((frame) => `${interfaces[frame.interface]?.name} ${frame.comment}`),
      ),
    );
    expectFaultless(lines.filter(({ protocols }) => !protocols.includes("arp")));
    const tunnel = traces[0]?.[2] ?? "";
    expect(lines.filter(({ protocols }) => protocols.includes(tunnel)).length).toBeGreaterThan(traces.length);
  });

  function together(captures: readonly Capture[]): Capture {
    const interfaces: Capture["interfaces"][number][] = [];
    const frames = captures.flatMap((capture) => {
      const base = interfaces.length;
      interfaces.push(...capture.interfaces);
      return capture.frames.map((frame) => ({ ...frame, interface: base + frame.interface }));
    });
    return { interfaces, frames };
  }
});
