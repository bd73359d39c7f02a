import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../../src/address/ipv4.ts";
import { netnsOf } from "../../../src/kernel/netns.ts";
import { Fib, FibResult, Flow } from "../../../src/kernel/route/fib.ts";
import { makeHost } from "../../walk/small-world.ts";
import { ip } from "../../walk/words.ts";

const LINKS = { eth0: "10.0.0.1/24", eth1: "10.1.0.1/24", eth2: { addresses: "10.2.0.1/24", up: false } };

/** Which of the routes given (not the kernel's own) a look-up finds: its text, `error N`, or none. */
function find(
  routes: readonly string[],
  rules: readonly string[],
  destination: string,
  more: Partial<Flow> = {},
): string {
  const host = makeHost("r", 1, { links: LINKS, routes, rules });
  const own = host.routes.length - routes.length;
  const net = netnsOf(host);
  const result = new FibResult();
  const flow = Object.assign(new Flow(), { daddr: ip(destination), ...more });
  net.fib.lookup(flow, result, (ifindex) => net.device(ifindex)?.name ?? "");
  if (result.error !== 0) return `error ${result.error}`;
  const index = result.route?.index ?? -1;
  return index < own
    ? `kernel ${formatIpv4(result.route?.address ?? 0)}/${result.route?.length}`
    : (routes[index - own] as string);
}

describe("a routing look-up", () => {
  it.each<readonly [string, readonly string[], string, string]>([
    [
      "the longest prefix wins",
      ["10.9.0.0/16 dev eth0", "10.9.1.0/24 dev eth1", "default dev eth0"],
      "10.9.1.5",
      "10.9.1.0/24 dev eth1",
    ],
    [
      "whatever the order",
      ["10.9.1.0/24 dev eth1", "10.9.0.0/16 dev eth0"],
      "10.9.2.5",
      "10.9.0.0/16 dev eth0",
    ],
    [
      "the lower metric wins",
      ["10.9.0.0/16 dev eth0 metric 20", "10.9.0.0/16 dev eth1 metric 10"],
      "10.9.0.1",
      "10.9.0.0/16 dev eth1 metric 10",
    ],
    [
      "of equal ones the first",
      ["10.9.0.0/16 dev eth1", "10.9.0.0/16 dev eth0"],
      "10.9.0.1",
      "10.9.0.0/16 dev eth1",
    ],
    [
      "a device that is down is passed over",
      ["10.9.0.0/16 dev eth2", "default dev eth0"],
      "10.9.0.1",
      "default dev eth0",
    ],
    ["nothing fits", ["10.9.0.0/16 dev eth0"], "10.8.0.1", "error 101"],
    ["a blackhole", ["blackhole 10.9.0.0/16", "default dev eth0"], "10.9.0.1", "error 22"],
    [
      "a longer route out of a blackhole",
      ["blackhole 10.9.0.0/16", "10.9.9.0/24 dev eth0"],
      "10.9.9.1",
      "10.9.9.0/24 dev eth0",
    ],
    ["unreachable", ["unreachable 10.9.0.0/16"], "10.9.0.1", "error 113"],
    ["prohibit", ["prohibit 10.9.0.0/16"], "10.9.0.1", "error 13"],
    ["throw leaves the table", ["throw 10.9.0.0/16", "default dev eth0"], "10.9.0.1", "error 101"],
    ["the kernel's own network", [], "10.1.0.77", "kernel 10.1.0.0/24"],
    ["the kernel's own address", ["10.1.0.1 dev eth0"], "10.1.0.1", "kernel 10.1.0.1/32"],
    [
      "a route behind the default route's table",
      ["default dev eth0 table default"],
      "10.7.0.1",
      "default dev eth0 table default",
    ],
  ])("%s: %j, %s: %s", (_name, routes, destination, expected) => {
    expect(find(routes, [], destination)).toBe(expected);
  });

  it.each<readonly [readonly string[], Partial<Flow>, string]>([
    [["priority 10 from 10.0.0.0/24 lookup 100"], { saddr: ip("10.0.0.9") }, "default dev eth1 table 100"],
    [["priority 10 from 10.0.0.0/24 lookup 100"], { saddr: ip("10.9.0.9") }, "default dev eth0"],
    [
      ["priority 10 not from 10.0.0.0/24 lookup 100"],
      { saddr: ip("10.9.0.9") },
      "default dev eth1 table 100",
    ],
    [["priority 10 to 10.7.0.0/16 lookup 100"], {}, "default dev eth1 table 100"],
    [["priority 10 fwmark 0x10/0xf0 lookup 100"], { mark: 0x15 }, "default dev eth1 table 100"],
    [["priority 10 fwmark 0x10 lookup 100"], { mark: 0x15 }, "default dev eth0"],
    [["priority 10 iif eth0 lookup 100"], { iif: 2 }, "default dev eth1 table 100"],
    [["priority 10 iif eth0 lookup 100"], { iif: 3 }, "default dev eth0"],
    [["priority 10 lookup 77"], {}, "default dev eth0"],
    [["priority 10 prohibit"], {}, "error 13"],
    [["priority 10 blackhole"], {}, "error 22"],
    [["priority 10 unreachable"], {}, "error 101"],
    [["priority 40000 prohibit"], {}, "default dev eth0"],
    // the default route of main is passed over, and table 100 has its turn
    [
      ["priority 10 lookup main suppress_prefixlength 0", "priority 20 lookup 100"],
      {},
      "default dev eth1 table 100",
    ],
    [["priority 10 lookup main suppress_prefixlength 0"], { daddr: ip("10.1.0.9") }, "kernel 10.1.0.0/24"],
    // an error is not passed over (Linux 6.18: prohibited, whatever the next rule says)
    [
      ["priority 10 lookup 7 suppress_prefixlength 32", "priority 20 blackhole"],
      { daddr: ip("10.8.0.1") },
      "error 13",
    ],
    [[], { oif: 3 }, "error 101"],
    [[], { oif: 2 }, "default dev eth0"],
  ])("rules %j, flow %j: %s", (rules, flow, expected) => {
    const routes = ["default dev eth0", "default dev eth1 table 100", "prohibit 10.8.0.0/16 table 7"];
    expect(find(routes, rules, "10.7.0.1", flow)).toBe(expected);
  });
});

describe("a long table", () => {
  /** The definition: of the routes that hold the address the longest, then the lowest metric, then the first. */
  function definition(
    routes: readonly { address: number; length: number; metric: number }[],
    address: number,
  ): number {
    const holds = routes
      .map((route, index) => ({ ...route, index }))
      .filter(({ address: a, length }) => length === 0 || (a ^ address) >>> (32 - length) === 0)
      .sort((a, b) => b.length - a.length || a.metric - b.metric || a.index - b.index);
    return holds[0]?.index ?? -1;
  }

  const route = () =>
    fc
      .record({
        address: fc.tuple(fc.constantFrom(10, 192), fc.nat(3), fc.nat(255), fc.nat(255)),
        length: fc.integer({ min: 0, max: 32 }),
        metric: fc.nat(2),
      })
      .map(({ address: [a, b, c, d], length, metric }) => ({
        address: length === 0 ? 0 : ((a << 24) | (b << 16) | (c << 8) | d) & (-1 << (32 - length)),
        length,
        metric,
      }));

  it("searched or scanned finds what the definition says", () => {
    fc.assert(
      fc.property(
        fc.array(route(), { minLength: 1, maxLength: 80 }),
        fc.array(fc.tuple(fc.constantFrom(10, 192, 7), fc.nat(3), fc.nat(255), fc.nat(255)), {
          minLength: 5,
          maxLength: 20,
        }),
        (routes, addresses) => {
          const texts = routes.map(
            (r) => `${formatIpv4(r.address)}/${r.length} dev eth0 metric ${r.metric} table 7`,
          );
          const host = makeHost("r", 1, { links: LINKS, routes: texts });
          const own = host.routes.length - texts.length;
          const net = netnsOf(host);
          const fib = new Fib(
            4,
            host.routes,
            [
              {
                ...(host.rules[0] as never as (typeof host.rules)[0]),
                action: { kind: "lookup", table: "7", suppressPrefixLength: null },
              },
            ],
            (name) => net.deviceNamed(name),
            net.devices,
          );
          const result = new FibResult();
          const near = routes.map((r) => r.address);
          for (const address of [
            ...near,
            ...addresses.map(([a, b, c, d]) => (a << 24) | (b << 16) | (c << 8) | d),
          ]) {
            fib.lookup(Object.assign(new Flow(), { daddr: address }), result, () => "");
            const found = result.route === null ? -1 : result.route.index - own;
            expect(found).toBe(definition(routes, address));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
