import { describe, expect, it } from "vitest";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

const OBJECTS = `
  ct timeout slow { protocol tcp; l3proto ip; policy = { syn_sent : 7, established : 100, close : 4 } }
  ct timeout udp1 { protocol udp; l3proto ip; policy = { unreplied : 3, replied : 9 } }
  ct helper ftp-std { type "ftp" protocol tcp; l3proto ip; }
`;

/** Seconds that each connection of the client has left, by port. */
function timesAfter(...questions: readonly string[]): Record<string, number> {
  const nft = `table ip t {
  ${OBJECTS}
  chain early { type filter hook output priority raw; policy accept;
    udp dport 54 ct timeout set "udp1"
  }
  chain o { type filter hook output priority mangle; policy accept;
    tcp dport 80 ct timeout set "slow"
    udp dport 53 ct timeout set "udp1"
    tcp dport 21 ct helper set "ftp-std"
  }
}
`;
  const session = sessionOf(
    smallWorld(
      {
        c: {
          links: { eth0: "10.0.0.1/24" },
          nft,
          sysctl: { "net.netfilter.nf_conntrack_udp_timeout_stream": 50 },
        },
        s: { links: { eth0: "10.0.0.2/24" }, listen: ["tcp 80", "tcp 21", "udp 53", "udp 54"] },
      },
      ["c:eth0 s:eth0"],
    ),
  );
  for (const question of questions) {
    const unknown = outcome(session, "c", question).verdict.unknown ?? [];
    expect(unknown.filter((what) => !what.startsWith("the helper "))).toEqual([]);
  }
  const times: Record<string, number> = {};
  for (const stack of session.touched()) {
    if (stack.net.name !== "c") continue;
    const { conntrack } = stack.state;
    conntrack.forEach((ct) => {
      times[conntrack.origDport(ct)] = Math.floor((conntrack.expires(ct) - session.clock.now) / 1000);
    });
  }
  return times;
}

describe("times of nftables' objects (nft_ct_timeout_obj_eval)", () => {
  // As `conntrack -L` of Linux 6.18 had them after the same rules: at priority raw there is no connection yet to be told. Those of
  // TCP are reset once they have been answered.
  it("hold for the connections that rules give them to, from their first packet", () => {
    expect(timesAfter("tcp 10.0.0.2:80", "udp 10.0.0.2:53", "udp 10.0.0.2:54")).toMatchObject({
      ...{ 80: 4, 53: 3, 54: 30 },
    });
  });

  it("are the host's where the object says none, and where there is only a helper", () => {
    expect(timesAfter("tcp 10.0.0.2:21")).toEqual({ 21: 10 });
  });
});
