import fc from "fast-check";
import type { Json } from "../../src/kernel/json-fields.ts";
import type { Action, Scenario } from "./real-run.ts";

/** What the real plugins are asked: scenarios for each plugin, and random lists of them. */

const ROUND: readonly Action[] = [
  { command: "ADD", pod: 0 },
  { command: "CHECK", pod: 0 },
  { command: "ADD", pod: 1 },
  { command: "DEL", pod: 0 },
  { command: "ADD", pod: 0 },
  { command: "DEL", pod: 1 },
  { command: "DEL", pod: 0 },
  { command: "DEL", pod: 0 },
];

function scenario(name: string, plugins: readonly Json[], more: Partial<Scenario> = {}): Scenario {
  return { name, cniVersion: "1.0.0", plugins, capabilities: {}, actions: ROUND, ...more };
}

const range = (subnet: string, more: Json = {}): Json => ({
  type: "host-local",
  ranges: [[{ subnet, ...more }]],
});
const BRIDGE: Json = {
  type: "bridge",
  bridge: "cni0",
  isGateway: true,
  ipMasq: true,
  ipam: range("10.32.0.0/24"),
};
const PORTMAP: Json = { type: "portmap", capabilities: { portMappings: true } };

/** What CHECK says of a container that is gone. */
const GONE: readonly Action[] = [
  { command: "ADD", pod: 0 },
  { command: "DEL", pod: 0 },
  { command: "CHECK", pod: 0 },
];

export const SCENARIOS: readonly Scenario[] = [
  scenario("bridge-gone", [BRIDGE], { actions: GONE }),
  scenario("ptp-gone", [{ type: "ptp", ipam: range("10.35.0.0/24") }], { actions: GONE }),
  scenario("mv-gone", [{ type: "macvlan", master: "eth0", ipam: range("10.36.0.0/24") }], { actions: GONE }),
  scenario(
    "static-wall-gone",
    [
      { ...BRIDGE, ipam: { type: "static", addresses: [{ address: "10.43.0.9/24" }] } },
      { type: "firewall", backend: "iptables" },
    ],
    { actions: GONE },
  ),
  scenario("bridge", [BRIDGE]),
  scenario("spoof", [{ ...BRIDGE, macspoofchk: true }]),
  scenario("spoof-full", [{ ...BRIDGE, macspoofchk: true, ipam: range("10.34.0.0/30") }]),
  // This kernel may have no VRFs; what the plugin says of a configuration it says without.
  scenario("vrf-unnamed", [BRIDGE, { type: "vrf" }]),
  scenario("vrf-first", [{ type: "vrf", vrfname: "red" }]),
  scenario("vrf-other", [BRIDGE, { type: "vrf", vrfname: "lo" }]),
  scenario("slow", [
    BRIDGE,
    {
      type: "bandwidth",
      ingressRate: 1_000_000,
      ingressBurst: 80_000,
      egressRate: 2_500_000,
      egressBurst: 163_840,
    },
  ]),
  scenario("slow-in", [BRIDGE, { type: "bandwidth", ingressRate: 64_000, ingressBurst: 12_345 }]),
  scenario("bridge6", [
    {
      ...BRIDGE,
      ipam: { type: "host-local", ranges: [[{ subnet: "10.33.0.0/24" }], [{ subnet: "fd00:33::/64" }]] },
    },
  ]),
  scenario("small", [{ ...BRIDGE, ipam: range("10.34.0.0/30") }]),
  scenario("ptp", [{ type: "ptp", ipMasq: true, mtu: 1400, ipam: range("10.35.0.0/24") }]),
  scenario("mv", [{ type: "macvlan", master: "eth0", mode: "bridge", ipam: range("10.36.0.0/24") }]),
  scenario("iv", [{ type: "ipvlan", master: "eth0", mode: "l3", ipam: range("10.37.0.0/24") }]),
  scenario("ports", [BRIDGE, PORTMAP], {
    capabilities: {
      portMappings: [
        { hostPort: 8080, containerPort: 80, protocol: "tcp" },
        { hostPort: 5353, containerPort: 53, protocol: "udp" },
      ],
    },
  }),
  scenario("wall", [BRIDGE, { type: "firewall", backend: "iptables" }]),
  scenario("tuned", [
    BRIDGE,
    { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.arp_announce": "2" }, mtu: 1300 },
  ]),
  scenario("chain", [{ type: "bridge", bridge: "br7", ipam: range("10.38.0.0/24") }, { type: "sbr" }]),
];

const plugin = fc.oneof(
  fc
    .record({
      isGateway: fc.boolean(),
      isDefaultGateway: fc.boolean(),
      ipMasq: fc.boolean(),
      hairpinMode: fc.boolean(),
      mtu: fc.constantFrom(0, 1450, 1280),
    })
    .map((options): Json => ({ type: "bridge", bridge: "cni7", ...options })),
  fc
    .record({ ipMasq: fc.boolean(), mtu: fc.constantFrom(0, 1400) })
    .map((options): Json => ({ type: "ptp", ...options })),
  fc
    .constantFrom("bridge", "private", "vepa")
    .map((mode): Json => ({ type: "macvlan", master: "eth0", mode })),
  fc.constantFrom("l2", "l3", "l3s").map((mode): Json => ({ type: "ipvlan", master: "eth0", mode })),
);

const ipam = fc.oneof(
  fc
    .record({
      subnet: fc.constantFrom("10.40.0.0/24", "10.41.0.0/29", "10.42.0.0/16"),
      six: fc.boolean(),
      routed: fc.boolean(),
    })
    .map(
      ({ subnet, six, routed }): Json => ({
        type: "host-local",
        ranges: [[{ subnet }], ...(six ? [[{ subnet: "fd00:40::/64" }]] : [])],
        ...(routed ? { routes: [{ dst: "0.0.0.0/0" }, { dst: "10.96.0.0/12" }] } : {}),
      }),
    ),
  fc.constant<Json>({ type: "static", addresses: [{ address: "10.43.0.9/24", gateway: "10.43.0.1" }] }),
);

const chained = fc.subarray<Json>([
  PORTMAP,
  { type: "firewall", backend: "iptables" },
  { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.rp_filter": "2" } },
]);

const actions = fc.array(
  fc.record({ command: fc.constantFrom("ADD", "ADD", "CHECK", "DEL"), pod: fc.constantFrom(0, 1) }),
  { minLength: 3, maxLength: 7 },
);

/** A main plugin with an IPAM, some chained behind it, and a few calls in any order. */
export const arbitraryScenario: fc.Arbitrary<Scenario> = fc
  .record({ plugin, ipam, chained, actions, port: fc.integer({ min: 1, max: 65_535 }) })
  .map((made) => ({
    name: "rnd",
    cniVersion: "1.0.0",
    plugins: [{ ...made.plugin, ipam: made.ipam }, ...made.chained],
    capabilities: { portMappings: [{ hostPort: made.port, containerPort: 80, protocol: "tcp" }] },
    actions: made.actions as Action[],
  }));
