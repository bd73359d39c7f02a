import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { NetDevice } from "../../src/kernel/device/net-device.ts";
import { InputWays } from "../../src/kernel/route/input-ways.ts";
import { Tape } from "../../src/kernel/tape.ts";
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, TCP_ACK, TCP_SYN } from "../../src/packet/packet.ts";
import { Network } from "../../src/walk/network.ts";
import { Throughput } from "../../src/walk/throughput.ts";
import type { World } from "../../src/world/world.ts";
import { type HostSpec, smallWorld } from "./small-world.ts";
import { ip } from "./words.ts";

/**
 * What is remembered of packets that came before (ways, narrowed tables, what nobody has in conntrack's table) comes to what a
 * walk rule by rule and route by route comes to, whatever came before.
 */

const PREROUTING = [
  "-A PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 53 -j SVC",
  "-A PREROUTING -d 10.96.0.1/32 -p tcp -j DNAT --to-destination 10.1.0.2:8080",
  "-A PREROUTING -d 10.96.0.2/32 -j DNAT --to-destination 10.1.0.3",
  "-A PREROUTING -s 10.0.0.3/32 -p udp -j REDIRECT --to-ports 53",
  "-A PREROUTING -d 10.96.0.0/16 -m statistic --mode nth --every 3 --packet 0 -j DNAT --to-destination 10.1.0.2",
  "-A PREROUTING -m addrtype --dst-type LOCAL -j LOCALS",
] as const;
const POSTROUTING = [
  "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE",
  "-A POSTROUTING -d 10.1.0.2/32 -p udp -j MASQUERADE --random-fully",
  "-A POSTROUTING -s 10.0.0.2/32 -j SNAT --to-source 10.1.0.1-10.1.0.9",
  "-A POSTROUTING -p udp -j SNAT --to-source 10.1.0.1:1024-1027",
] as const;
const FORWARD = [
  "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
  "-A FORWARD -m conntrack --ctstate NEW -j EMPTY",
  "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
  "-A FORWARD -s 10.0.0.4/32 -j EMPTY",
  "-A FORWARD -s 10.0.0.5/32 -p udp -j REJECT",
  "-A FORWARD -m mark --mark 0x1/0x1 -j DROP",
  "-A FORWARD -m ttl --ttl-lt 5 -j DROP",
  "-A FORWARD -m limit --limit 5/sec -j ACCEPT",
  "-A FORWARD -m recent --rcheck --seconds 60 --hitcount 4 --name seen --rsource -j DROP",
  "-A FORWARD -m recent --set --name seen --rsource",
  "-A FORWARD -o eth1 -p tcp -m tcp --dport 443 -j DROP",
  "-A FORWARD -i eth0 -m statistic --mode random --probability 0.25 -j DROP",
] as const;
const SERVICE = [
  "-A SVC ! -s 10.0.0.0/29 -j MARK --set-xmark 0x4000/0x4000",
  "-A SVC -p udp -m statistic --mode random --probability 0.33333333349 -j DNAT --to-destination 10.1.0.2:53",
  "-A SVC -p udp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.1.0.3:5353",
  "-A SVC -p udp -j DNAT --to-destination 10.1.0.4:53",
] as const;
const RAW = ["-A PREROUTING -s 10.0.0.6/32 -j NOTRACK", "-A PREROUTING -s 10.0.0.7/32 -j DROP"] as const;
const MANGLE = [
  "-A PREROUTING -s 10.0.0.2/32 -p udp -j MARK --set-xmark 0x1/0x1",
  "-A FORWARD -p tcp -j TTL --ttl-set 9",
  "-A POSTROUTING -j DSCP --set-dscp 0x08",
] as const;

const some = (lines: readonly string[]) => fc.subarray([...lines]);

/** A router's rules: any of those above, in their order. */
const rules = fc
  .record({
    raw: some(RAW),
    mangle: some(MANGLE),
    prerouting: some(PREROUTING),
    service: some(SERVICE),
    postrouting: some(POSTROUTING),
    forward: some(FORWARD),
    policy: fc.constantFrom("ACCEPT", "ACCEPT", "ACCEPT", "DROP"),
  })
  .map(({ raw, mangle, prerouting, service, postrouting, forward, policy }) => {
    const hooks = (names: readonly string[]) => names.map((name) => `:${name} ACCEPT [0:0]`);
    const table = (name: string, chains: readonly string[], lines: readonly string[]) =>
      lines.length === 0 ? [] : [`*${name}`, ...chains, ...lines, "COMMIT"];
    return [
      ...table("raw", hooks(["PREROUTING", "OUTPUT"]), raw),
      ...table("mangle", hooks(["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]), mangle),
      ...table(
        "nat",
        [...hooks(["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]), ":SVC - [0:0]", ":LOCALS - [0:0]"],
        [...prerouting, ...service, ...postrouting],
      ),
      ...table(
        "filter",
        [...hooks(["INPUT", "OUTPUT"]), `:FORWARD ${policy} [0:0]`, ":EMPTY - [0:0]"],
        forward,
      ),
      "",
    ].join("\n");
  });

const router = fc
  .record({
    iptables: rules,
    routes: fc.subarray([
      "10.2.0.0/16 via 10.1.0.3",
      "blackhole 10.2.3.0/24",
      "10.96.0.0/16 via 10.1.0.4",
      "10.2.9.0/24 dev eth1 mtu 50",
    ]),
    rpFilter: fc.constantFrom(0, 0, 1, 2),
  })
  .map(
    ({ iptables, routes, rpFilter }): HostSpec => ({
      links: { eth0: "10.0.0.1/24", eth1: "10.1.0.1/24" },
      forward: true,
      iptables,
      routes,
      sysctl: { "net.ipv4.conf.all.rp_filter": rpFilter },
    }),
  );

/** a – r – b, where b answers for all of its network. */
function worldOf(r: HostSpec): World {
  const b: HostSpec = {
    links: { eth0: "10.1.0.2/24 10.1.0.3/24 10.1.0.4/24" },
    routes: ["default via 10.1.0.1", "local 10.2.0.0/17 dev lo"],
  };
  const a: HostSpec = {
    links: { eth0: "10.0.0.2/24" },
    routes: ["default via 10.0.0.1", "local 10.0.0.0/24 dev lo"],
  };
  return smallWorld({ a, r, b }, ["a:eth0 r:eth0", "r:eth1 b:eth0"]);
}

const packet = fc.record({
  src: fc.constantFrom(
    ...[
      "10.0.0.2",
      "10.0.0.3",
      "10.0.0.4",
      "10.0.0.5",
      "10.0.0.6",
      "10.0.0.7",
      "10.0.0.9",
      "10.9.0.1",
      "10.0.0.1",
    ].map(ip),
  ),
  dst: fc.constantFrom(
    ...[
      "10.96.0.1",
      "10.96.0.1",
      "10.96.0.2",
      "10.96.1.1",
      "10.1.0.2",
      "10.1.0.3",
      "10.2.0.1",
      "10.2.3.1",
      "10.2.9.1",
      "10.0.0.1",
      "10.3.0.1",
    ].map(ip),
  ),
  protocol: fc.constantFrom(IPPROTO_UDP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP, 47),
  sport: fc.constantFrom(1024, 1025, 1026, 40000),
  dport: fc.constantFrom(53, 53, 80, 443),
  tcpFlags: fc.constantFrom(TCP_SYN, TCP_SYN, TCP_ACK),
  own: fc.constantFrom<object>(
    {},
    {},
    {},
    {},
    { ttl: 1 },
    { ttl: 3 },
    { tos: 8 },
    { df: true },
    { mf: true, id: 7 },
    { fragOffset: 64, id: 9 },
  ),
});

const step = fc.oneof(
  { weight: 24, arbitrary: packet.map((fields) => ({ kind: "packet", fields }) as const) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 40_000 }).map((ms) => ({ kind: "wait", ms }) as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "flush" } as const) },
  { weight: 1, arbitrary: router.map((spec) => ({ kind: "change", spec }) as const) },
);
type Step = ReturnType<typeof step.generate>["value"];

class Side {
  private readonly throughput: Throughput;
  private flow = 0;

  constructor(world: World, literal: boolean) {
    this.throughput = new Throughput(new Network(world));
    this.throughput.literal = literal;
  }

  /** All that comes of a step: where its packet ended, what the tape was told, what the router keeps. */
  take(step: Step, told: boolean): unknown {
    const { throughput } = this;
    const { session } = throughput;
    if (step.kind === "wait") return session.wait(step.ms);
    if (step.kind === "flush") return throughput.flush();
    if (step.kind === "change") return session.replaceNetwork(new Network(worldOf(step.spec)));
    const { src, dst, protocol, sport, dport, tcpFlags, own } = step.fields;
    const stack = session.stack(session.network.hostNumber("r"));
    const tape = told ? new Tape() : null;
    const takeFrame = session.pool.takeFrame.bind(session.pool);
    session.pool.takeFrame = () => Object.assign(takeFrame(), own);
    session.engine.tape = tape;
    session.engine.routeLookups = 0;
    const device = stack.net.deviceNamed("eth0") as NetDevice;
    const end = {
      ...throughput.arrive(stack, device, src, dst, protocol, sport, dport, tcpFlags, this.flow++),
    };
    session.engine.tape = null;
    session.pool.takeFrame = takeFrame;
    return {
      end,
      words: tape?.data.slice(0, tape.length),
      lookups: session.engine.routeLookups,
      kept: this.kept(),
    };
  }

  private kept(): number[][] {
    const { session } = this.throughput;
    const { conntrack } = session.stack(session.network.hostNumber("r"));
    const list: number[][] = [];
    conntrack.forEach((ct) => {
      list.push([
        ...[ct, conntrack.status(ct), conntrack.mark(ct), conntrack.expires(ct), conntrack.protoKey(ct)],
        ...[conntrack.origSrc(ct), conntrack.origDst(ct), conntrack.origSport(ct), conntrack.origDport(ct)],
        ...[
          conntrack.replySrc(ct),
          conntrack.replyDst(ct),
          conntrack.replySport(ct),
          conntrack.replyDport(ct),
        ],
      ]);
    });
    return list;
  }
}

describe("throughput mode", () => {
  it.each([true, false])("comes to the same as the literal walk, told to a tape: %s", (told) => {
    const attach = vi.spyOn(InputWays.prototype, "attach");
    let delivered = 0;
    let all = 0;
    fc.assert(
      fc.property(router, fc.array(step, { minLength: 8, maxLength: 20 }), (spec, steps) => {
        const world = worldOf(spec);
        const [quick, literal] = [new Side(world, false), new Side(world, true)];
        // What comes again and again is what is remembered.
        for (let round = 0; round < 3; round++) {
          for (const each of steps) {
            const came = quick.take(each, told);
            expect(came).toEqual(literal.take(each, told));
            if (each.kind !== "packet") continue;
            all++;
            if ((came as { end: { host: number } }).end.host >= 0) delivered++;
          }
        }
      }),
      { numRuns: 60 },
    );
    // The property would hold of a host that remembers nothing, and of packets that all are dropped. Usually some two hundred are.
    expect(attach.mock.results.filter(({ value }) => value === true).length).toBeGreaterThan(30);
    attach.mockRestore();
    expect(delivered / all).toBeGreaterThan(0.05);
  });
});
