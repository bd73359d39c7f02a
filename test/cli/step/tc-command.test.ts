import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readToolCommand, runToolCommand } from "../../../src/cli/step/tool-command.ts";
import type { Host } from "../../../src/kernel/host.ts";
import { formatQdiscs, formatTcFilters } from "../../../src/kernel/tc/tc-text.ts";
import type { World } from "../../../src/world/world.ts";
import { sessionOf, told } from "../../walk/asking.ts";
import { type HostSpec, smallWorld } from "../../walk/small-world.ts";

const [qdiscText = "", , filterText = ""] = readFileSync(
  new URL("../../../fixtures/node-tools/tc.txt", import.meta.url),
  "utf8",
).split("---\n");

/** `a` behind `r`, whose devices bear the names that the recorded commands use. */
function world(more: Partial<HostSpec> = {}): World {
  return smallWorld(
    {
      a: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"] },
      r: { links: { va: "10.0.0.1/24", vb: "10.0.1.1/24", ifb0: "10.0.2.1/24" }, forward: true, ...more },
      b: { links: { eth0: "10.0.1.2/24" }, routes: ["default via 10.0.1.1"], listen: ["tcp 80", "udp 53"] },
    },
    ["a:eth0 r:va", "r:vb b:eth0"],
  );
}

function changedBy(commands: readonly string[], before = world()): World {
  return commands.reduce((now, command) => {
    const next = runToolCommand(now, now.hosts.get("r") as Host, command);
    if (next.kind === "invalid") throw new Error(`${command}: ${next.messages.join("; ")}`);
    return next.value;
  }, before);
}

const tcOf = (changed: World) => (changed.hosts.get("r") as Host).tc;
const filtersOf = (changed: World, dev = "va") =>
  formatTcFilters(tcOf(changed).filters.filter((filter) => filter.dev === dev));

/** What the recorded host was given, one after the other. */
const GIVEN = `tc qdisc add dev va root handle 1: tbf rate 1mbit burst 10000 latency 25ms
tc qdisc add dev va ingress
tc qdisc add dev vb clsact
tc qdisc add dev ifb0 root handle 5: tbf rate 12345678bit burst 5kb latency 1s
tc filter add dev va ingress protocol all pref 1 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev ifb0
tc filter add dev va ingress protocol ip pref 2 u32 match ip dst 10.0.0.1/32 match ip dport 80 0xffff action mirred egress mirror dev ifb0
tc filter add dev va ingress protocol ip u32 match ip protocol 6 0xff match ip src 10.1.0.0/16 action mirred ingress redirect dev vb
tc filter add dev va ingress protocol ipv6 u32 match ip6 dst fd00::/16 match ip6 dport 80 0xffff action mirred egress redirect dev vb`;

describe("tc as a step", () => {
  const changed = changedBy(GIVEN.split("\n"));

  it("makes the queues that the kernel then shows", () => {
    const lines = (text: string) =>
      text
        .split("\n")
        .map((line) => line.trim().replace(/ refcnt \d+/, ""))
        .filter((line) => line !== "" && !line.includes("noqueue"));
    expect(lines(formatQdiscs(tcOf(changed).qdiscs)).sort()).toEqual(lines(qdiscText).sort());
  });

  it("makes the filters that the kernel then shows, number by number, in the order of their preferences", () => {
    const text = (shown: string) => shown.replaceAll(/ +$/gm, "").replaceAll(/\n+/g, "\n");
    expect(text(filtersOf(changed))).toBe(text(filterText));
  });

  it("takes away one filter, those of a preference, all, or the queue with them", () => {
    const left = (command: string) =>
      tcOf(changedBy([command], changed)).filters.map(({ head }) => /pref (\d+)/.exec(head)?.[1]);
    expect(new Set(left("tc filter del dev va ingress pref 2"))).toEqual(new Set(["1", "49151", "49152"]));
    expect(left("tc filter del dev va ingress protocol ip pref 2 handle 801::800 u32")).toHaveLength(11);
    expect(left("tc filter del dev va ingress")).toEqual([]);
    expect(left("tc qdisc del dev va ingress")).toEqual([]);
  });

  it.each([
    [
      "tc filter add dev vb egress protocol ip flower ip_proto tcp dst_port 80 action drop",
      "timeout, tc-drop",
    ],
    ["tc filter add dev vb egress protocol ip flower ip_proto udp action drop", "connected by b, answered"],
    ["tc filter add dev vb egress protocol ip matchall action gact drop", "timeout, tc-drop"],
    ["tc filter add dev vb egress protocol ip u32 match ip dport 80 0xffff action drop", "timeout, tc-drop"],
    [
      "tc filter add dev vb egress protocol ip u32 match ip dport 81 0xffff action drop",
      "connected by b, answered",
    ],
  ])("does what it says: %s", (command, expected) => {
    const filtered = changedBy(["tc qdisc add dev vb clsact", command]);
    expect(told(sessionOf(filtered), "a", "tcp 10.0.1.2:80")).toBe(expected);
  });

  it.each([
    [
      "tc qdisc add dev va root tbf rate 2mbit burst 10k latency 5ms",
      /^tc qdisc add: va has the queue tbf there already$/,
    ],
    ["tc qdisc add dev vb ingress", /vb has the queue clsact there already/],
    ["tc qdisc add dev vb root tbf rate 1mbit latency 25ms", /the "burst" parameter is mandatory/],
    ["tc qdisc add dev vb root tbf rate 1mbit burst 5kb", /one of "limit" and "latency" is required/],
    ["tc qdisc add dev vb root tbf rate 1mbit burst 5kb latency 1s foo", /"foo" is not built yet/],
    ["tc qdisc add dev vb root htb", /the queue "htb" is not built yet/],
    ["tc qdisc del dev vb root", /vb has no such queue/],
    ["tc qdisc change dev vb root tbf rate 1mbit burst 5kb latency 1s", /no queue there to change/],
    [
      "tc filter add dev ifb0 ingress protocol ip u32 match u32 0 0 action drop",
      /does not exist: tc qdisc add/,
    ],
    ["tc filter add dev va egress matchall action drop", /does not exist/],
    [
      "tc filter add dev va ingress protocol arp pref 2 u32 match u32 0 0 action drop",
      /of another protocol or kind/,
    ],
    [
      "tc filter add dev va ingress u32 match ip dst 1.2.3.4/33 action drop",
      /"1.2.3.4\/33" is no IPv4 prefix/,
    ],
    ["tc filter add dev va ingress u32 match ip foo 1 action drop", /match ip foo: is not built yet/],
    [
      "tc filter add dev va ingress u32 match u32 0 0 action mirred egress redirect dev nope",
      /no device "nope"/,
    ],
    ["tc filter add dev va ingress bpf obj x.o", /the filter "bpf" is not built yet/],
    ["tc filter del dev va ingress pref 9", /va has no such filter at its ingress/],
    ["tc class add dev va parent 1: classid 1:1 htb", /^tc class: is not built yet: qdisc and filter are$/],
  ])("refuses %s", (command, message) => {
    const read = readToolCommand(changed.hosts.get("r") as Host, command, 0);
    expect(read.kind === "invalid" ? read.messages : read).toEqual([expect.stringMatching(message)]);
  });
});
