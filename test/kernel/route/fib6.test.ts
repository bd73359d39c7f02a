import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { internIpv6, samePrefix6 } from "../../../src/address/ip6-handle.ts";
import { netnsOf } from "../../../src/kernel/netns.ts";
import { FibResult, Flow } from "../../../src/kernel/route/fib.ts";
import { deviceKey } from "../../../src/packet/packet.ts";
import { type HostSpec, makeHost } from "../../walk/small-world.ts";
import { ip6 } from "../../walk/words.ts";

const LINKS: NonNullable<HostSpec["links"]> = {
  eth0: "fd00::1/64",
  eth1: "fd00:1::1/64",
  eth2: { addresses: "fd00:2::1/64", up: false },
};

const handle = (text: string): number => internIpv6(ip6(text));

/** What a look-up finds: `DEVICE via GATEWAY`, or `error N`. */
function find(routes: readonly string[], destination: string, more: Partial<Flow> = {}): string {
  const host = makeHost("r", 1, { links: LINKS, routes });
  const net = netnsOf(host);
  const result = new FibResult();
  const flow = Object.assign(new Flow(), { daddr: handle(destination), ...more });
  net.fib6.lookup(flow, result, (ifindex) => net.device(ifindex)?.name ?? "");
  if (result.error !== 0) return `error ${result.error}`;
  const index = result.route?.index ?? -1;
  const own = host.routes6.length - routes.length;
  return index < own ? "kernel" : (routes[index - own] as string);
}

const ETH0 = 2;
const ETH1 = 3;

const FOR_SOME = [
  "fd09::/16 dev eth0",
  "fd09::/32 from fd01::/32 dev eth1",
  "fd09::/32 from fd01:0:1::/48 dev eth0",
] as const;
/** A route for some senders alone hides the one for all of the same prefix, whatever its metric. */
const HIDDEN = ["fd09::/32 dev eth0 metric 5", "fd09::/32 from fd01::/32 dev eth1 metric 500"] as const;

describe("a routing look-up of IPv6", () => {
  it.each<readonly [string, readonly string[], string, Partial<Flow>, string]>([
    [
      "the longest prefix wins",
      ["fd09::/16 dev eth0", "fd09:1::/32 dev eth1"],
      "fd09:1::5",
      {},
      "fd09:1::/32 dev eth1",
    ],
    ["whatever the order", ["fd09:1::/32 dev eth1", "::/0 dev eth0"], "fd09:2::5", {}, "::/0 dev eth0"],
    [
      "the lower metric wins",
      ["fd09::/16 dev eth0 metric 20", "fd09::/16 dev eth1 metric 10"],
      "fd09::1",
      {},
      "fd09::/16 dev eth1 metric 10",
    ],
    [
      "of equal ones the first",
      ["fd09::/16 dev eth1", "fd09::/16 dev eth0"],
      "fd09::1",
      {},
      "fd09::/16 dev eth1",
    ],
    [
      "unless another leaves by the device asked for",
      ["fd09::/16 dev eth1", "fd09::/16 dev eth0"],
      "fd09::1",
      { via: ETH0 },
      "fd09::/16 dev eth0",
    ],
    [
      "which is preferred only within a metric",
      ["fd09::/16 dev eth1 metric 1", "fd09::/16 dev eth0 metric 2"],
      "fd09::1",
      { via: ETH0 },
      "fd09::/16 dev eth1 metric 1",
    ],
    [
      "a bound sender takes no other",
      ["fd09::/16 dev eth1 metric 1", "fd09::/16 dev eth0 metric 2"],
      "fd09::1",
      { via: ETH0, viaOnly: true },
      "fd09::/16 dev eth0 metric 2",
    ],
    [
      "even of a shorter prefix",
      ["fd09::/16 dev eth1", "::/0 dev eth0"],
      "fd09::1",
      { via: ETH0, viaOnly: true },
      "::/0 dev eth0",
    ],
    [
      "and none at all where there is none",
      ["fd09::/16 dev eth1"],
      "fd09::1",
      { via: ETH0, viaOnly: true },
      "error 101",
    ],
    [
      "a device that is down is passed over",
      ["fd09::/16 dev eth2", "::/0 dev eth0"],
      "fd09::1",
      {},
      "::/0 dev eth0",
    ],
    ["a blackhole says EINVAL", ["blackhole fd09::/16"], "fd09::1", {}, "error 22"],
    [
      "an unreachable route says EHOSTUNREACH",
      ["unreachable fd09::/16", "::/0 dev eth0"],
      "fd09::1",
      {},
      "error 113",
    ],
    ["a prohibition says EACCES", ["prohibit fd09::/16"], "fd09::1", {}, "error 13"],
    ["no route says ENETUNREACH", [], "fd09::1", {}, "error 101"],
    ["a neighbour's address is its device's", [], "fe80::5", { via: ETH1, viaOnly: true }, "kernel"],
    ["as groups are", [], "ff02::5", { via: ETH1, viaOnly: true }, "kernel"],
  ])("%s", (_, routes, destination, more, expected) => {
    expect(find(routes, destination, more)).toBe(expected);
  });

  it("passes over a gateway that did not answer, unless there is no other", () => {
    const failed = [deviceKey(6, ETH0), handle("fd00::9")].join();
    const neighbours = { has: (device: number, address: number) => `${device},${address}` === failed };
    const one = "fd09::/16 via fd00::9 metric 1";
    const other = "fd09::/16 via fd00:1::9 metric 2";
    expect(find([one, other], "fd09::1")).toBe(one);
    expect(find([one, other], "fd09::1", { neighbours })).toBe(other);
    expect(find([one, "::/0 dev eth1"], "fd09::1", { neighbours })).toBe("::/0 dev eth1");
    expect(find([one], "fd09::1", { neighbours })).toBe(one);
  });

  it("has several ways where gateways agree in prefix and metric, and no others", () => {
    const ways = (...routes: readonly string[]): number | undefined => {
      const net = netnsOf(makeHost("r", 1, { links: LINKS, routes }));
      const result = new FibResult();
      net.fib6.lookup(Object.assign(new Flow(), { daddr: handle("fd09::1") }), result, () => "");
      return result.route?.nextHops.length;
    };
    expect(ways("fd09::/16 via fd00::9", "fd09::/16 via fd00:1::9")).toBe(2);
    expect(ways("fd09::/16 via fd00::9", "fd09::/16 dev eth1")).toBe(1);
    expect(ways("fd09::/16 via fd00::9 metric 1", "fd09::/16 via fd00:1::9 metric 2")).toBe(1);
    expect(ways("fd09::/16 via fd00::9", "fd09:0::/32 via fd00:1::9")).toBe(1);
  });

  // `ip -6 route get DESTINATION from SENDER iif …` of Linux 6.18 with these routes.
  it.each<readonly [routes: readonly string[], destination: string, sender: string, found: string]>([
    ...["fd01::5", "fd01:0:1::5", "fd02::5"].map(
      (sender, i) =>
        [FOR_SOME, "fd09::1", sender, [FOR_SOME[1], FOR_SOME[2], FOR_SOME[0]][i] as string] as const,
    ),
    [FOR_SOME, "fd09:1::1", "fd01::5", FOR_SOME[0]],
    [["fd09::/32 dev eth0", "fd00::/8 from fd01::/32 dev eth1"], "fd09::1", "fd01::5", "fd09::/32 dev eth0"],
    [
      ...[["fd09::/32 dev eth0", "fd00::/8 from fd01::/32 dev eth1"], "fd08::1", "fd01::5"],
      "fd00::/8 from fd01::/32 dev eth1",
    ] as [string[], string, string, string],
    [["fd09::/32 dev eth0", "fd00::/8 from fd01::/32 dev eth1"], "fd08::1", "fd03::5", "error 101"],
    [HIDDEN, "fd09::1", "fd01::5", HIDDEN[1]],
    [HIDDEN, "fd09::1", "fd03::5", "error 101"],
    [["fd09::/16 dev eth1", ...HIDDEN], "fd09::1", "fd03::5", "fd09::/16 dev eth1"],
  ])("by its sender: %j, to %s from %s: %s", (routes, destination, sender, found) => {
    expect(find(routes, destination, { saddr: handle(sender) })).toBe(found);
  });

  it("prefers the router that says so among equal metrics", () => {
    const [low, high] = ["fd09::/16 dev eth0 pref low", "fd09::/16 dev eth1 pref high"];
    const [medium, less] = ["fd09::/16 dev eth0", "fd09::/16 dev eth1 metric 7 pref low"];
    expect(find([medium, high], "fd09::1")).toBe(high);
    expect(find([low, "fd09::/16 dev eth1"], "fd09::1")).toBe("fd09::/16 dev eth1");
    expect(find([medium, less], "fd09::1")).toBe(less);
    // What a device counts is less.
    expect(find([medium, high], "fd09::1", { via: ETH0 })).toBe(high);
  });

  it("searched or scanned finds what the definition says", () => {
    const route = fc.record({
      words: fc.tuple(...[0, 1, 2, 3].map(() => fc.constantFrom(0, 1, 0xffff))),
      length: fc.constantFrom(0, 16, 20, 32, 33, 48, 64),
      dev: fc.constantFrom("eth0", "eth1", "eth2"),
      metric: fc.constantFrom(1, 2),
    });
    fc.assert(
      fc.property(
        fc.array(route, { minLength: 1, maxLength: 60 }),
        fc.constantFrom(0, ETH0, ETH1),
        fc.boolean(),
        (list, via, viaOnly) => {
          const address = (words: readonly number[]): string =>
            `${words.map((w) => w.toString(16)).join(":")}::`;
          const texts = list.map(
            ({ words, length, dev, metric }) => `${address(words)}/${length} dev ${dev} metric ${metric}`,
          );
          const hosts = makeHost("r", 1, { links: LINKS, routes: texts });
          const only = { ...hosts, routes6: hosts.routes6.slice(hosts.routes6.length - texts.length) };
          const net = netnsOf(only);
          const result = new FibResult();
          for (const { words } of list) {
            const daddr = handle(address(words));
            const flow = Object.assign(new Flow(), { daddr, via, viaOnly: viaOnly && via !== 0 });
            net.fib6.lookup(flow, result, () => "");
            const fitting = list
              .map((one, index) => ({ ...one, index }))
              .filter((one) => samePrefix6(daddr, handle(address(one.words)), one.length))
              .filter(({ dev }) => dev !== "eth2")
              .filter(({ dev }) => !flow.viaOnly || net.deviceNamed(dev)?.ifindex === via);
            const longest = Math.max(...fitting.map(({ length }) => length));
            const nearest = fitting.filter(({ length }) => length === longest);
            const least = Math.min(...nearest.map(({ metric }) => metric));
            const candidates = nearest.filter(({ metric }) => metric === least);
            const best = candidates.find(({ dev }) => net.deviceNamed(dev)?.ifindex === via) ?? candidates[0];
            expect(result.error === 0 ? result.route?.index : -1).toBe(best?.index ?? -1);
          }
        },
      ),
    );
  });
});
