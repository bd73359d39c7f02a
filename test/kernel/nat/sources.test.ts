import { describe, expect, it } from "vitest";
import { formatConntrackList } from "../../../src/kernel/conntrack/conntrack-list.ts";
import { entriesOf } from "../../../src/kernel/conntrack/entry.ts";
import { outcome, sessionOf, trace, verdict } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

const SERVERS = [80, 81, 82, 83, 84, 85];

/** A client behind a router that translates sources, and a server of many addresses. */
function world(rules: readonly string[], raw: readonly string[] = []) {
  return smallWorld(
    {
      c: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"] },
      r: {
        links: { eth0: "10.0.0.1/24", out0: "198.51.100.1/24", out1: "192.0.2.1/24" },
        forward: true,
        routes: ["default via 192.0.2.9 table 7", "default via 198.51.100.80"],
        rules: ["fwmark 7 lookup 7 priority 100"],
        iptables: `*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n${raw.map((rule) => `${rule}\n`).join("")}COMMIT\n*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n${rules.map((rule) => `-A POSTROUTING ${rule}\n`).join("")}COMMIT\n`,
      },
      s: {
        links: { eth0: SERVERS.map((last) => `198.51.100.${last}/24`).join(" ") },
        routes: ["198.51.100.16/28 via 198.51.100.1"],
      },
      t: { links: { eth0: "192.0.2.9/24" } },
    },
    ["c:eth0 r:eth0", "r:out0 s:eth0", "r:out1 t:eth0"],
  );
}

function listOf(session: ReturnType<typeof sessionOf>): string[] {
  const router = [...session.touched()].find(({ net }) => net.name === "r");
  return router === undefined ? [] : formatConntrackList(entriesOf(router.conntrack)).trim().split("\n");
}

describe("what a source is given (`get_unique_tuple`)", () => {
  it("is the same for every destination of one port, once it is mapped (`find_appropriate_src`)", () => {
    const session = sessionOf(world(["-o out0 -j SNAT --to-source 198.51.100.17-198.51.100.30"]));
    for (const last of SERVERS) outcome(session, "c", `udp 198.51.100.${last}:53 sport=5000`);
    const given = listOf(session).map(
      (line) => /dst=(198\.51\.100\.\d+) sport=53 dport=5000/.exec(line)?.[1],
    );
    expect(given).toHaveLength(SERVERS.length);
    expect(new Set(given).size).toBe(1);
  });

  it("is an id within the range, of ICMP too (`l4proto_in_range`)", () => {
    const session = sessionOf(world(["-o out0 -p icmp -j MASQUERADE --to-ports 70-79"]));
    // Its own address is within the range already; the id is not.
    expect(verdict(session, "r", "icmp 198.51.100.80")).toBe("DELIVERED answered");
    expect(listOf(session)[0]).toMatch(/src=198\.51\.100\.80 dst=198\.51\.100\.1 type=0 code=0 id=7\d /);
  });
});

/** Namespaces rm7t-*: of eight connections one after the other by one port seven came about, by eight ports all of them. */
describe("a port that a closed connection still has (`nf_nat_used_tuple_harder`)", () => {
  const again = (ports: string, close: "fin" | "open" = "fin", proto = "tcp") => {
    const session = sessionOf(world([`-o out0 -p ${proto} -j SNAT --to-source 198.51.100.1:${ports}`]));
    outcome(session, "c", `${proto} 198.51.100.80:80 sport=5000`, { close });
    const { outcomes } = trace(session, "c", `${proto} 198.51.100.80:80 sport=5001`);
    const told = outcomes.map(
      ({ client, verdict: { reason }, probability }) =>
        `${client.result} ${reason} ${probability?.num}/${probability?.den}`,
    );
    return { told, left: listOf(session).length };
  };

  it("is another's, where that begins with a higher sequence number", () => {
    expect(again("1000").told).toEqual(["connected answered 1/2", "timeout nat-exhausted 1/2"]);
    expect(again("1000").left).toBe(1);
  });

  it("is not while it is open, nor of UDP", () => {
    expect(again("1000", "open").told).toEqual(["timeout nat-exhausted 1/1"]);
    expect(again("1000", "fin", "udp").told).toEqual(["timeout nat-exhausted 1/1"]);
  });

  it("is not wanted where another one is free", () => {
    expect(new Set(again("1000-1001").told.map((line) => line.split(" ")[0]))).toEqual(
      new Set(["connected"]),
    );
  });
});

describe("a masqueraded connection that leaves by another device (`nf_nat_oif_changed`)", () => {
  it("is dropped and forgotten", () => {
    const session = sessionOf(world(["-p udp -j MASQUERADE"]));
    outcome(session, "r", "udp 198.51.100.80:53 sport=5000");
    expect(listOf(session)).toHaveLength(1);
    expect(verdict(session, "r", "udp 198.51.100.80:53 sport=5000 src=198.51.100.1 mark=7")).toBe(
      "DROPPED masquerade-moved",
    );
    expect(listOf(session)).toEqual([""]);
  });
});
