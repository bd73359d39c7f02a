import { describe, expect, it } from "vitest";
import { Network } from "../../../src/walk/network.ts";
import type { Session } from "../../../src/walk/session.ts";
import type { World } from "../../../src/world/world.ts";
import { outcome, places, sessionOf } from "../../walk/asking.ts";
import { BRIDGE, type HostSpec, type LinkSpec, smallWorld } from "../../walk/small-world.ts";
import { twoNetworks } from "../path/two-networks.ts";

/** What goes with a device that goes down, or with an address: seen in namespaces rm7m-* (Linux 6.18) by `conntrack -L` and `ip neigh`. */

const NAT = [
  ...["*nat", ":PREROUTING ACCEPT", ":INPUT ACCEPT", ":OUTPUT ACCEPT", ":POSTROUTING ACCEPT"],
  ...["-A POSTROUTING -o eth1 -p udp -j MASQUERADE", "-A POSTROUTING -o eth1 -p icmp -j SNAT --to 10.1.0.1"],
  ...["COMMIT", ""],
].join("\n");

/** `twoNetworks` whose router masquerades UDP and gives ICMP the same address by SNAT. */
function router(eth1: LinkSpec): World {
  return twoNetworks({
    links: { eth0: "10.0.0.1/24", eth1 },
    iptables: NAT,
  });
}

function connections(session: Session, host: string): string[] {
  const { conntrack } = session.stack(session.network.hostNumber(host));
  const found: string[] = [];
  conntrack.forEach((ct) => {
    found.push(`${conntrack.proto(ct)}:${conntrack.origDport(ct)}`);
  });
  return found;
}

describe("connections of a router that masquerades", () => {
  const both = { addresses: "10.1.0.1/24 10.1.0.9/24" };

  it.each<readonly [string, LinkSpec, string[]]>([
    ["another address goes: all stay", { addresses: "10.1.0.1/24" }, ["17:53", "1:2048"]],
    ["theirs goes: what was masqueraded is gone", { addresses: "10.1.0.9/24" }, ["1:2048"]],
    ["the device goes down: the same", { ...both, up: false }, ["1:2048"]],
  ])("%s", (_, eth1, left) => {
    const session = sessionOf(router(both));
    outcome(session, "a", "udp 10.1.0.2:53");
    outcome(session, "a", "icmp 10.1.0.2");
    expect(connections(session, "r")).toEqual(["17:53", "1:2048"]);
    session.replaceNetwork(new Network(router(eth1)));
    expect(connections(session, "r")).toEqual(left);
  });

  it("are there again when the change is taken back", () => {
    const session = sessionOf(router(both));
    outcome(session, "a", "udp 10.1.0.2:53");
    const mark = session.journal.mark();
    session.replaceNetwork(new Network(router({ ...both, up: false })));
    expect(connections(session, "r")).toEqual([]);
    session.journal.rollback(mark);
    expect(connections(session, "r")).toEqual(["17:53"]);
  });
});

it("neighbours of a device that was down are asked for again", () => {
  const session = sessionOf(twoNetworks());
  const asks = (): boolean => {
    outcome(session, "r", "icmp 10.1.0.2");
    return session.stack(session.network.hostNumber("r")).state.neighbours.size > 0;
  };
  expect(asks()).toBe(true);
  session.replaceNetwork(
    new Network(
      twoNetworks({ links: { eth0: "10.0.0.1/24", eth1: { addresses: "10.1.0.1/24", up: false } } }),
    ),
  );
  expect(session.stack(session.network.hostNumber("r")).state.neighbours.size).toBe(0);
});

it("a bridge forgets who was behind a port that went down (br_stp_disable_port)", () => {
  const host = (n: number): HostSpec => ({ links: { eth0: `10.0.0.${n}/24` }, listen: ["udp 53"] });
  const world = (up: boolean): World =>
    smallWorld(
      {
        a: host(1),
        b: host(2),
        c: host(3),
        sw: {
          links: {
            br0: { detail: BRIDGE },
            p0: { master: "br0" },
            p1: { master: "br0", up },
            p2: { master: "br0" },
          },
        },
      },
      ["a:eth0 sw:p0", "b:eth0 sw:p1", "c:eth0 sw:p2"],
    );
  const session = sessionOf(world(true));
  outcome(session, "a", "udp 10.0.0.2:53");
  const silent = (): boolean =>
    !places(outcome(session, "a", "udp 10.0.0.2:53"), 1).includes("c:eth0:in-otherhost");
  expect(silent()).toBe(true);
  session.replaceNetwork(new Network(world(false)));
  session.replaceNetwork(new Network(world(true)));
  // What nobody knows is flooded.
  expect(silent()).toBe(false);
});
