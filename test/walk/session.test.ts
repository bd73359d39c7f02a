import { describe, expect, it } from "vitest";
import { splitZone } from "../../src/address/ipv6.ts";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import { ASK_DEFAULTS, ask, explore } from "../../src/walk/ask.ts";
import { Network } from "../../src/walk/network.ts";
import { parseFlagLetters } from "../../src/walk/packet-view.ts";
import { QUERY_DEFAULTS, type Query } from "../../src/walk/query.ts";
import { Session } from "../../src/walk/session.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { readRecordingText, recordingNames } from "../fixtures.ts";
import { onPath, outcome, sessionOf, trace, verdict } from "./asking.ts";
import { leftBehind } from "./left-behind.ts";
import { smallWorld } from "./small-world.ts";

const NAMES = recordingNames().filter((name) =>
  /^[abcd]-|^k-(bridge|dual|filter-ndp|vxlan|services-plain)/.test(name),
);

/** A recording's world, and its queries with the ports its clients used. */
function load(name: string): { world: Network; queries: readonly Query[] } {
  const snapshot = readSnapshot(name, readRecordingText(name));
  if (snapshot.kind !== "ok" || snapshot.recording === null) throw new Error(`${name} cannot be read`);
  const queries = snapshot.recording.probes.map(({ recorded }, i): Query => {
    const { query: q, outcome: came } = recorded as unknown as RecordedProbe;
    const { address, zone } = splitZone(q.dst);
    return {
      ...QUERY_DEFAULTS,
      id: `q${i}`,
      host: q.from,
      proto: q.proto as Query["proto"],
      family: address.includes(":") ? 6 : 4,
      dst: onPath(address),
      dport: q.dport ?? null,
      src: q.src === undefined ? null : onPath(q.src),
      sport: q.sport ?? came.client?.port ?? came.client?.icmpId ?? null,
      ttl: q.ttl ?? null,
      size: q.size ?? null,
      df: q.df ?? false,
      dev: zone ?? null,
      mark: q.mark ?? 0,
      raw: q.raw ?? false,
      tcpFlags: q.flags === undefined ? null : (parseFlagLetters(q.flags) ?? null),
    };
  });
  return { world: new Network(snapshot.world), queries };
}

describe("over the recordings' worlds", () => {
  it.each(NAMES)(
    "%s: exploring changes nothing, asking twice says the same, by index as rule by rule",
    (name) => {
      const { world, queries } = load(name);
      const session = new Session(world);
      const twin = new Session(world);
      const literal = new Session(world);
      for (const query of queries) {
        const before = leftBehind(session);
        const once = explore(session, query, ASK_DEFAULTS);
        const settled = leftBehind(session);
        // A host's part appears on first touch, empty: only what was there before can have changed.
        expect(settled).toBe(before);
        const again = explore(session, query, ASK_DEFAULTS);
        expect(JSON.stringify(again.explored)).toBe(JSON.stringify(once.explored));

        const text = JSON.stringify(ask(session, query));
        expect(JSON.stringify(ask(twin, query))).toBe(text);
        expect(JSON.stringify(ask(literal, query, { ...ASK_DEFAULTS, literal: true }))).toBe(text);
        expect(leftBehind(twin)).toBe(leftBehind(session));
        expect(leftBehind(literal)).toBe(leftBehind(session));
      }
    },
  );

  it.each(["d-services-vxlan", "k-vxlan-mtu", "k-filter-ndp-bridge"])(
    "%s: packets come back to the pool: as many as were in flight, not as were sent",
    (name) => {
      const { world, queries } = load(name);
      const session = new Session(world);
      // What the first round taught may put one packet more in flight in the second.
      for (let i = 0; i < 2; i++) for (const query of queries) ask(session, query);
      const { made } = session.pool;
      for (let i = 0; i < 5; i++) for (const query of queries) ask(session, query);
      expect(session.pool.made).toBe(made);
    },
  );
});

const PAIR = () =>
  smallWorld(
    {
      a: { links: { eth0: "10.0.0.1/24" } },
      b: {
        links: { eth0: "10.0.0.2/24" },
        listen: ["tcp 80", "udp 53"],
        iptables:
          "*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n",
      },
    },
    ["a:eth0 b:eth0"],
  );

describe("what a session keeps", () => {
  it("neighbours: the second query asks nobody", () => {
    const session = sessionOf(PAIR());
    expect(outcome(session, "a", "tcp 10.0.0.2:80").arp.length).toBeGreaterThan(0);
    expect(outcome(session, "a", "tcp 10.0.0.2:80").arp).toEqual([]);
  });

  it("connections, until they are flushed", () => {
    const session = sessionOf(PAIR());
    const entries = (): number => outcome(session, "b", "icmp 10.0.0.1").conntrack.length;
    expect(entries()).toBe(1);
    outcome(session, "a", "tcp 10.0.0.2:80", { close: "open" });
    expect(entries()).toBe(3);
    session.flush();
    expect(entries()).toBe(1);
  });

  it("the clock: an answered query takes nothing, an unanswered one 0.35 s, one whose neighbour is asked for longer", () => {
    const session = sessionOf(PAIR());
    expect(verdict(session, "a", "tcp 10.0.0.2:80")).toBe("DELIVERED answered");
    expect(session.clock.now).toBe(0);
    expect(verdict(session, "a", "tcp 10.0.0.2:81")).toBe("DROPPED policy-drop");
    expect(session.clock.now).toBe(350);
    expect(verdict(session, "a", "udp 10.0.0.9:53")).toBe("UNREACHABLE no-neighbour");
    // ARP is asked three times, a second apart.
    expect(session.clock.now).toBeGreaterThanOrEqual(350 + 3000);
  });

  it("time lets connections end", () => {
    const session = sessionOf(PAIR());
    outcome(session, "b", "udp 10.0.0.1:9 sport=5000");
    session.wait(29_000);
    expect(outcome(session, "a", "icmp 10.0.0.2").conntrack.map(({ proto }) => proto)).toEqual(["udp"]);
    session.wait(2000);
    expect(outcome(session, "a", "icmp 10.0.0.2").conntrack).toEqual([]);
  });

  it("survives a change of the world: connections stay, the new rules count", () => {
    const session = sessionOf(PAIR());
    outcome(session, "a", "tcp 10.0.0.2:80 sport=4000", { close: "open" });
    const changed = PAIR();
    session.replaceNetwork(new Network(changed));
    const { conntrack } = outcome(session, "a", "tcp 10.0.0.2:80 sport=4001", { close: "open" });
    expect(conntrack.map(({ orig }) => orig.sport)).toEqual([4000, 4001]);
  });

  it("a rolled-back layer takes back neighbours, connections and the clock", () => {
    const session = sessionOf(PAIR());
    trace(session, "a", "icmp 10.0.0.2");
    const before = leftBehind(session);
    const mark = session.journal.mark();
    trace(session, "a", "tcp 10.0.0.2:81");
    trace(session, "a", "tcp 10.0.0.77:80");
    session.wait(5000);
    session.flush();
    expect(leftBehind(session)).not.toBe(before);
    session.journal.rollback(mark);
    expect(leftBehind(session)).toBe(before);
  });
});
