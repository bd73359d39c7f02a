import { describe, expect, it } from "vitest";
import { entriesOf } from "../../src/kernel/conntrack/entry.ts";
import type { Outcome } from "../../src/walk/trace.ts";
import { outcome, sessionOf } from "./asking.ts";
import { smallWorld } from "./small-world.ts";

/**
 * Flow tables as nft_flow_offload.c and nf_flow_table_ip.c have them; the kernel at hand has none, so that no recording judges
 * this.
 */
function world(devices = "rc, rs", nat = "", mtu = 1500) {
  const nft = `table inet t {
  flowtable f {
    hook ingress priority 0; devices = { ${devices} };
  }
  chain fwd { type filter hook forward priority 0; policy accept;
    ct state established flow add @f
    counter
  }
  ${nat}
}
`;
  return smallWorld(
    {
      c: { links: { c0: "10.1.0.2/24" }, routes: ["default via 10.1.0.1"] },
      r: { links: { rc: "10.1.0.1/24", rs: { addresses: "10.2.0.1/24", mtu } }, forward: true, nft },
      s: {
        links: { s0: "10.2.0.2/24" },
        routes: ["default via 10.2.0.1"],
        listen: ["tcp 80", "udp 53", "tcp 8080"],
      },
    },
    ["c:c0 r:rc", "r:rs s:s0"],
  );
}

/** Of each packet that the router passes on: its flags, its TTL behind, whether it met FORWARD. */
function passed({ frames, rules }: Outcome): string[] {
  return frames
    .filter(({ host, direction, tcp }) => host === "r" && direction === "out" && tcp !== undefined)
    .map(({ packet, ip, tcp }) => {
      const isMet = rules.some((rule) => rule.host === "r" && rule.chain === "fwd" && rule.packet === packet);
      return `${tcp?.flags} ${ip.ttl} ${isMet ? "rules" : "flow"}`;
    });
}

const MASQUERADE = `chain post { type nat hook postrouting priority srcnat; oifname "rs" masquerade; }
  chain pre { type nat hook prerouting priority dstnat; tcp dport 81 dnat ip to 10.2.0.2:8080; }`;

describe("a flow table", () => {
  it("carries what follows the third segment, past FORWARD", () => {
    const session = sessionOf(world());
    const found = outcome(session, "c", "tcp 10.2.0.2:80", { close: "open" });
    expect([found.verdict.reason, found.verdict.unknown ?? []]).toEqual(["answered", []]);
    expect(passed(found)).toEqual(["S 63 rules", "SA 63 rules", "A 63 rules", "PA 63 flow", "A 63 flow"]);
    const told = found.steps.filter(({ kind }) => kind === "flow").map(({ text }) => text);
    expect(told[0]).toBe("a flow table carries it on from rs by rc, past routing and all hooks");
    const router = [...session.touched()].find(({ net }) => net.name === "r");
    expect(router && entriesOf(router.state.conntrack)).toMatchObject([{ timeout: null }]);
  });

  it("keeps to a connection's translation, both ways", () => {
    const found = outcome(sessionOf(world("rc, rs", MASQUERADE)), "c", "tcp 10.2.0.2:81");
    expect(found.verdict.reason).toBe("answered");
    expect(passed(found).slice(3)).toEqual(["PA 63 flow", "A 63 flow"]);
    const ends = found.frames.filter(({ host, direction }) => host === "r" && direction === "out").slice(-2);
    expect(ends.map(({ ip, tcp }) => `${ip.src}:${tcp?.sport} ${ip.dst}:${tcp?.dport}`)).toEqual([
      expect.stringMatching(/^10\.2\.0\.2:81 10\.1\.0\.2:/),
      expect.stringMatching(/^10\.2\.0\.1:\d+ 10\.2\.0\.2:8080$/),
    ]);
  });

  it("serves only devices that are in it", () => {
    const found = outcome(sessionOf(world("rc")), "c", "tcp 10.2.0.2:80");
    expect(passed(found).slice(3)).toEqual(["PA 63 rules", "A 63 flow"]);
  });

  it("leaves what is too long, and what ends the connection, to the usual way", () => {
    const long = outcome(sessionOf(world("rc, rs", "", 1400)), "c", "tcp 10.2.0.2:80 size=4000");
    expect([
      long.verdict.reason,
      long.frames.some(({ icmp }) => icmp?.type === 3 && icmp.code === 4),
    ]).toEqual(["answered", true]);
    const session = sessionOf(world());
    outcome(session, "c", "tcp 10.2.0.2:80", { close: "reset" });
    const router = [...session.touched()].find(({ net }) => net.name === "r");
    expect(router && entriesOf(router.state.conntrack)).toMatchObject([{ state: "CLOSE", timeout: 10 }]);
  });

  it("takes datagrams once they are answered", () => {
    const session = sessionOf(world());
    outcome(session, "c", "udp 10.2.0.2:53 sport=4000");
    const again = outcome(session, "c", "udp 10.2.0.2:53 sport=4000");
    expect(again.verdict.reason).toBe("answered");
    expect(again.rules.filter(({ chain }) => chain === "fwd")).toEqual([]);
  });

  // `nf_flow_offload_gc_step`, `flow_offload_fixup_ct`: 30 s idle, then of 120 s those left
  it.each([
    [20_000, "flow"],
    [40_000, "rules"],
  ])("is left by what is idle: after %i ms by the %s", (ms, expected) => {
    const session = sessionOf(world());
    const ask = () => outcome(session, "c", "udp 10.2.0.2:53 sport=4000");
    ask();
    ask();
    session.wait(ms);
    const met = ask().rules.some(({ host, chain }) => host === "r" && chain === "fwd");
    expect(met ? "rules" : "flow").toBe(expected);
  });

  it("forgets a connection of datagrams two minutes after its last", () => {
    const session = sessionOf(world());
    const ask = () => outcome(session, "c", "udp 10.2.0.2:53 sport=4000");
    ask();
    ask();
    session.wait(121_000);
    const states = ask().rules.filter(({ host, chain }) => host === "r" && chain === "fwd");
    // New again: the rule that puts it into the table does not match its first packet.
    expect(states.length).toBeGreaterThan(0);
    const router = [...session.touched()].find(({ net }) => net.name === "r");
    expect(router && entriesOf(router.state.conntrack).length).toBe(1);
  });

  // `nft_flow_route`: answers leave by the device that the packet came in by, whatever the main table prefers
  it("sends answers back by where the packets came from", () => {
    const flows = world();
    const found = outcome(sessionOf(flows), "c", "tcp 10.2.0.2:80", { close: "open" });
    expect(passed(found).slice(3)).toEqual(["PA 63 flow", "A 63 flow"]);
  });
});
