import { describe, expect, it } from "vitest";
import { compileTcFilter } from "../../../src/kernel/tc/compile-filter.ts";
import {
  formatQdiscs,
  formatTcFilters,
  parseQdiscs,
  parseTcFilters,
} from "../../../src/kernel/tc/tc-text.ts";
import { outcome, sessionOf, told } from "../../walk/asking.ts";
import { type HostSpec, macOf, smallWorld } from "../../walk/small-world.ts";

/** Filters that this kernel lacks (flower, gact); what it has is held against it in `test/live/traffic-control.test.ts`. */

const CLSACT = "qdisc clsact ffff: dev eth1 parent ffff:fff1\n";
const flower = (keys: readonly string[], action: string): string =>
  `filter protocol ip pref 10 flower chain 0
filter protocol ip pref 10 flower chain 0 handle 0x1
${keys.map((key) => `  ${key}\n`).join("")}  not_in_hw
\taction order 1: ${action}
\t index 1 ref 1 bind 1
`;

function world(r: HostSpec) {
  return smallWorld(
    {
      a: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"] },
      r: { links: { eth0: "10.0.0.1/24", eth1: "10.0.1.1/24" }, forward: true, qdiscs: CLSACT, ...r },
      b: { links: { eth0: "10.0.1.2/24" }, routes: ["default via 10.0.1.1"], listen: ["tcp 80", "udp 53"] },
    },
    ["a:eth0 r:eth0", "r:eth1 b:eth0"],
  );
}
const drop80 = flower(
  ["eth_type ipv4", "ip_proto tcp", "dst_ip 10.0.1.0/24", "dst_port 80"],
  "gact action drop",
);

describe("filters of traffic control", () => {
  it.each([
    ["tcp 10.0.1.2:80", "timeout, tc-drop"],
    ["udp 10.0.1.2:53", "answered by b, answered"],
  ])("flower looks at addresses, protocol and ports: %s", (query, expected) => {
    expect(told(sessionOf(world({ filters: { "eth1 egress": drop80 } })), "a", query)).toBe(expected);
  });

  it("the dropped frame is not seen to leave, and the trace names the filter", () => {
    const { frames, steps } = outcome(
      sessionOf(world({ filters: { "eth1 egress": drop80 } })),
      "a",
      "tcp 10.0.1.2:80",
    );
    expect(frames.some(({ host, device }) => host === "r" && device === "eth1")).toBe(false);
    expect(steps.find(({ kind }) => kind === "tc")?.text).toBe("egress of eth1, pref 10 flower: drops it");
  });

  it("without a queue that has a hook there are no filters", () => {
    const filters = { "eth1 egress": drop80 };
    expect(told(sessionOf(world({ filters, qdiscs: "" })), "a", "tcp 10.0.1.2:80")).toBe(
      "connected by b, answered",
    );
    const ingress = "qdisc ingress ffff: dev eth1 parent ffff:fff1\n";
    expect(told(sessionOf(world({ filters, qdiscs: ingress })), "a", "tcp 10.0.1.2:80")).toBe(
      "connected by b, answered",
    );
  });

  it("pass ends the search, continue goes on", () => {
    const accept = flower(["dst_ip 10.0.1.2"], "gact action pass");
    expect(
      told(sessionOf(world({ filters: { "eth1 egress": accept + drop80 } })), "a", "tcp 10.0.1.2:80"),
    ).toBe("connected by b, answered");
    const goOn = accept.replace("pass", "continue");
    expect(
      told(sessionOf(world({ filters: { "eth1 egress": goOn + drop80 } })), "a", "tcp 10.0.1.2:80"),
    ).toBe("timeout, tc-drop");
  });

  it("redirections that go round are cut off", () => {
    const to = (dev: string): string => flower([], `mirred (Egress Redirect to device ${dev}) stolen`);
    const qdiscs = `${CLSACT}qdisc clsact ffff: dev eth0 parent ffff:fff1\n`;
    const filters = { "eth1 egress": to("eth0"), "eth0 egress": to("eth1") };
    expect(told(sessionOf(world({ qdiscs, filters })), "a", "udp 10.0.1.2:53")).toContain("mirred-loop");
  });

  it("a redirect to a device that is down is a drop, of which a sender hears; a copy for it is not", () => {
    const asked = (what: string) => {
      const links = { eth0: "10.0.0.1/24", eth1: "10.0.1.1/24", eth2: { up: false } };
      // Who waits for a neighbour first is told nothing of what comes after.
      const neighbours = [`10.0.1.2 eth1 ${macOf(3, 2)}`];
      const filters = {
        "eth1 egress": flower(
          [],
          `mirred (Egress ${what} to device eth2) ${what === "Mirror" ? "pipe" : "stolen"}`,
        ),
      };
      const { client, verdict } = outcome(
        sessionOf(world({ links, filters, neighbours })),
        "r",
        "udp 10.0.1.2:53",
      );
      return [client.result, client.errno, verdict.reason];
    };
    expect(asked("Redirect").slice(1)).toEqual(["ENOBUFS", "device-down"]);
    expect(asked("Mirror")[0]).not.toBe("unreachable");
  });

  it("what is not modelled is not guessed", () => {
    const bpf = `filter protocol all pref 49152 bpf chain 0 handle 0x1 cil_from_netdev.o:[tc] direct-action not_in_hw id 7
`;
    const [filter] = parseTcFilters(bpf, "eth0", "ingress", () => 0).filters;
    expect(filter === undefined ? undefined : compileTcFilter(filter, 0)?.test).toBeNull();
  });
});

describe("the text of tc", () => {
  it("is given back as it was", () => {
    const qdiscs =
      "qdisc tbf 1: dev v0 root refcnt 2 rate 1Mbit burst 2Kb lat 25ms \nqdisc fq_codel 0: dev eth0 root refcnt 2 limit 10240p \n";
    expect(formatQdiscs(parseQdiscs(qdiscs, () => 0).qdiscs)).toBe(qdiscs);
    const { filters } = parseTcFilters(drop80, "eth1", "egress", () => 0);
    const again = formatTcFilters(filters);
    expect(formatTcFilters(parseTcFilters(again, "eth1", "egress", () => 0).filters)).toBe(again);
    expect(parseQdiscs("queue tbf\n", () => 0).errors).toHaveLength(1);
    expect(parseTcFilters("match\n", "eth0", "ingress", () => 0).errors).toHaveLength(1);
  });
});

/** `tbf_enqueue`, `tbf_segment`: what a card would cut is cut in front of the bucket, if its pieces find room there. */
it("a bucket smaller than a long segment takes its pieces", () => {
  const qdiscs = "qdisc tbf 1: dev eth1 root refcnt 2 rate 1Mbit burst 2Kb lat 25ms \n";
  const { verdict, client } = outcome(sessionOf(world({ qdiscs })), "r", "tcp 10.0.1.2:80 size=8000");
  expect([client.result, verdict.reason]).toEqual(["connected", "answered"]);
});

/** `tcf_mirred_to_dev`: "All mirred/redirected skbs should clear previous ct info". */
it("a copy that comes in by another device is another connection to conntrack", () => {
  const mirrored = flower(
    ["eth_type ipv4", "ip_proto udp", "dst_port 53"],
    "mirred (Ingress Mirror to device eth0) pipe",
  );
  const iptables = `*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -m conntrack --ctorigsrc 10.0.1.1 -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
`;
  const found = outcome(
    sessionOf(world({ filters: { "eth1 egress": mirrored }, iptables })),
    "a",
    "udp 10.0.1.2:53",
  );
  const met = found.rules.filter(({ chain }) => chain === "PREROUTING");
  expect([found.client.result, met.length]).toEqual(["answered", 1]);
});

/** `tcf_mirred_act` with `skb_dst_drop`: from where frames leave to where they come in. */
it("what is redirected to come in forgets its way, and comes from nowhere good", () => {
  const redirected = flower(
    ["eth_type ipv4", "ip_proto udp", "dst_port 53"],
    "mirred (Ingress Redirect to device eth0) stolen",
  );
  const { verdict } = outcome(
    sessionOf(world({ filters: { "eth1 egress": redirected } })),
    "r",
    "udp 10.0.1.2:53",
  );
  expect([verdict.reason, verdict.host]).toEqual(["martian-source", "r"]);
});
