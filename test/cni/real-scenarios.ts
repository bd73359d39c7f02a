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

const LEASES: Json = { subnet: "10.60.0.0/24", rangeStart: "10.60.0.5", routers: ["10.60.0.1"] };
const LEASED: readonly Action[] = [
  { command: "ADD", pod: 0 },
  { command: "CHECK", pod: 0 },
  { command: "DEL", pod: 0 },
  { command: "DEL", pod: 0 },
];

/** Values of every type that JSON has. */
const ANYTHING: readonly unknown[] = ["x", 7, 1.5, -1, true, ["x"], [3], { a: "b" }, { a: 3 }, null];

/** Fields that a plugin decodes, by the plugin that they are asked of; `ipam.` before those of its IPAM plugin. */
const DECODED: readonly (readonly [Json, readonly string[]])[] = [
  [
    BRIDGE,
    [
      ...["bridge", "isGateway", "isDefaultGateway", "forceAddress", "ipMasq", "hairpinMode", "promiscMode"],
      ...["macspoofchk", "dns", "ipam", "ipam.type", "ipam.subnet", "ipam.rangeStart", "ipam.rangeEnd"],
      ...["ipam.gateway", "ipam.routes", "ipam.ranges", "ipam.dataDir"],
    ],
  ],
  [{ ...BRIDGE, ipam: { type: "static", addresses: [] } }, ["ipam.addresses", "ipam.routes", "ipam.dns"]],
  [{ type: "ptp", ipam: range("10.35.0.0/24") }, ["ipMasq", "dns", "ipam"]],
  [{ type: "macvlan", ipam: range("10.36.0.0/24") }, ["master", "mode", "mac"]],
  [{ type: "host-device" }, ["device"]],
];
const CHAINED_FIELDS: readonly (readonly [string, readonly string[]])[] = [
  ["portmap", ["snat", "conditionsV4", "markMasqBit", "externalSetMarkChain"]],
  ["bandwidth", ["ingressRate", "egressBurst"]],
  ["tuning", ["sysctl", "mac", "promisc", "allmulti"]],
  ["firewall", ["backend", "iptablesAdminChainName", "ingressPolicy"]],
];

/** With a field of another type than the plugin's: what its decoder says, or that it is the right one after all. */
function typed(): Scenario[] {
  const with1 = (json: Json, field: string, value: unknown): Json => {
    const [outer, inner] = field.split(".");
    if (outer === undefined) return json;
    return inner === undefined
      ? { ...json, [outer]: value }
      : { ...json, [outer]: { ...(json[outer] as Json), [inner]: value } };
  };
  const asked = (field: string, lists: readonly (readonly Json[])[]): Scenario[] =>
    lists.map((plugins, i) =>
      scenario(`typed-${String(plugins.at(-1)?.["type"])}-${field.replace(".", "-")}-${i}`, plugins, {
        actions: [{ command: "ADD", pod: 0 }],
      }),
    );
  return [
    ...DECODED.flatMap(([plugin, fields]) =>
      fields.flatMap((field) =>
        asked(
          field,
          ANYTHING.map((value) => [with1(plugin, field, value)]),
        ),
      ),
    ),
    ...CHAINED_FIELDS.flatMap(([type, fields]) =>
      fields.flatMap((field) =>
        asked(
          field,
          ANYTHING.map((value) => [BRIDGE, { type, [field]: value }]),
        ),
      ),
    ),
  ];
}

export const TYPED: readonly Scenario[] = typed();

export const SCENARIOS: readonly Scenario[] = [
  scenario("long-name", [{ ...BRIDGE, bridge: "a-very-long-bridge-name" }]),
  scenario("range-backwards", [
    { ...BRIDGE, ipam: range("10.34.0.0/24", { rangeStart: "10.34.0.50", rangeEnd: "10.34.0.40" }) },
  ]),
  scenario("range-ends-low", [{ ...BRIDGE, ipam: range("10.34.0.0/24", { rangeEnd: "10.34.0.0" }) }]),
  scenario("range-six-ends-four", [{ ...BRIDGE, ipam: range("10.34.0.0/24", { rangeEnd: "fd00::1" }) }]),
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
  scenario("lease", [{ type: "macvlan", master: "eth0", ipam: { type: "dhcp" } }], {
    dhcp: { daemon: true, server: LEASES },
  }),
  scenario(
    "lease-routes",
    [
      {
        type: "macvlan",
        master: "eth0",
        ipam: { type: "dhcp", request: [{ option: "121" }, { option: "33" }, { option: "routers" }] },
      },
    ],
    {
      dhcp: {
        daemon: true,
        server: {
          ...LEASES,
          classlessStaticRoutes: [
            { dst: "10.62.0.0/24", gw: "10.60.0.9" },
            { dst: "10.63.0.0/24", gw: "0.0.0.0" },
          ],
        },
      },
      actions: LEASED,
    },
  ),
  scenario(
    "lease-classes",
    [{ type: "macvlan", master: "eth0", ipam: { type: "dhcp", request: [{ option: "33" }] } }],
    {
      dhcp: {
        daemon: true,
        server: {
          ...LEASES,
          staticRoutes: [
            { dst: "172.16.0.0", gw: "10.60.0.9" },
            { dst: "10.61.0.1", gw: "10.60.0.9" },
          ],
        },
      },
      actions: LEASED,
    },
  ),
  scenario("lease-full", [{ type: "macvlan", master: "eth0", ipam: { type: "dhcp" } }], {
    dhcp: { daemon: true, server: { ...LEASES, rangeEnd: "10.60.0.5" } },
    actions: [
      { command: "ADD", pod: 0 },
      { command: "ADD", pod: 1 },
      { command: "DEL", pod: 1 },
      { command: "DEL", pod: 0 },
      { command: "ADD", pod: 1 },
    ],
  }),
  scenario(
    "lease-options",
    [{ type: "macvlan", master: "eth0", ipam: { type: "dhcp", request: [{ option: "mtu" }] } }],
    {
      dhcp: { daemon: true, server: LEASES },
      actions: LEASED,
    },
  ),
  scenario("lease-nobody", [{ type: "macvlan", master: "eth0", ipam: { type: "dhcp" } }], {
    dhcp: { daemon: true, server: null },
    actions: LEASED.slice(0, 1),
  }),
  scenario("lease-no-daemon", [{ type: "macvlan", master: "eth0", ipam: { type: "dhcp" } }], {
    dhcp: { daemon: false, server: null },
    actions: LEASED,
  }),
  scenario("lease-ptp", [{ type: "ptp", ipam: { type: "dhcp" } }], {
    dhcp: { daemon: true, server: null },
    actions: LEASED,
  }),
  scenario("lease-bridge", [{ type: "bridge", bridge: "br9", ipam: { type: "dhcp" } }], {
    dhcp: { daemon: true, server: null },
    actions: LEASED.filter(({ command }) => command !== "CHECK"),
  }),
];

/** Mostly a value that is right, now and then one that is not: errors are compared as well. */
function mostly<T>(right: readonly [T, ...T[]], wrong: readonly [T, ...T[]]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(...right) },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );
}

/** Fields of which any may be left out. */
function some(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Json> {
  return fc.record(fields, { requiredKeys: [] });
}

const plugin: fc.Arbitrary<Json> = fc.oneof(
  {
    weight: 4,
    arbitrary: some({
      isGateway: fc.boolean(),
      isDefaultGateway: fc.boolean(),
      forceAddress: fc.boolean(),
      ipMasq: fc.boolean(),
      hairpinMode: fc.boolean(),
      promiscMode: mostly<boolean>([false], [true]),
      mtu: mostly([0, 1450, 1280], [-1, 100_000]),
      vlan: mostly([0, 100], [5000, -3]),
      mac: mostly(["", "02:11:22:33:44:55"], ["02:zz"]),
    }).map((options): Json => ({ type: "bridge", bridge: "cni7", ...options })),
  },
  {
    weight: 2,
    arbitrary: some({ ipMasq: fc.boolean(), mtu: mostly([0, 1400], [100_000]) }).map(
      (options): Json => ({ type: "ptp", ...options }),
    ),
  },
  {
    weight: 2,
    arbitrary: some({
      master: mostly(["eth0", ""], ["nosuch"]),
      mode: mostly(["", "bridge", "private", "vepa", "passthru"], ["sideways"]),
      mtu: mostly([0, 1400], [1501, -1]),
      mac: mostly(["", "02:11:22:33:44:55"], ["02:zz"]),
    }).map((options): Json => ({ type: "macvlan", ...options })),
  },
  {
    weight: 1,
    arbitrary: some({
      master: mostly(["eth0"], ["nosuch", ""]),
      vlanId: mostly([7, 100, 4094], [0, 4095, -1]),
      mtu: mostly([0, 1400], [1501]),
    }).map((options): Json => ({ type: "vlan", ...options })),
  },
  {
    weight: 1,
    arbitrary: some({ device: mostly(["spare0"], ["nosuch", ""]) }).map(
      (options): Json => ({ type: "host-device", ...options }),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Json>({ type: "loopback" }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("l2", "l3", "l3s")
      .map((mode): Json => ({ type: "ipvlan", master: "eth0", mode })),
  },
);

const route = fc.record(
  {
    dst: mostly(
      ["0.0.0.0/0", "10.96.0.0/12", "::/0", "fd00:9::/64"],
      ["10.97.1.1/16", "nonsense", "10.0.0.0"],
    ),
    gw: mostly<string>(["10.40.0.1", "10.40.0.1", "fd00:40::1"], ["10.99.0.1", "nowhere"]),
  },
  { requiredKeys: ["dst"] },
);

const rangeOf = (subnet: string, host: string): fc.Arbitrary<Json> =>
  some({
    rangeStart: mostly([`${host}2`, `${host}3`], ["10.99.0.1", "x"]),
    rangeEnd: mostly([`${host}4`, `${host}6`], ["10.99.0.9", "x"]),
    gateway: mostly([`${host}1`, `${host}3`], ["10.99.0.1", "x"]),
  }).map((options): Json => ({ subnet, ...options }));

const rangeSet = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: rangeOf("10.40.0.0/24", "10.40.0.") },
    { weight: 8, arbitrary: rangeOf("10.41.0.0/29", "10.41.0.") },
    { weight: 4, arbitrary: fc.constant<Json>({ subnet: "10.42.0.0/30" }) },
    { weight: 8, arbitrary: rangeOf("fd00:40::/64", "fd00:40::") },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Json>(
        { subnet: "10.44.0.0/31" },
        { subnet: "10.44.0.5/24" },
        { subnet: "10.44" },
        {},
      ),
    },
  ),
  { minLength: 1, maxLength: 2, size: "-1" },
);

const hostLocal = fc
  .record(
    {
      ranges: fc.oneof(
        { weight: 20, arbitrary: fc.array(rangeSet, { minLength: 1, maxLength: 2 }) },
        { weight: 1, arbitrary: fc.constantFrom<unknown>([], [[]]) },
      ),
      routes: fc.array(route, { maxLength: 2 }),
      subnet: fc.constantFrom("10.45.0.0/28", "10.46.0.0/25"),
    },
    { requiredKeys: ["ranges"] },
  )
  .map((options): Json => ({ type: "host-local", ...options }));

const fixed = fc
  .record(
    {
      addresses: fc.array(
        fc.record(
          {
            address: mostly(
              ["10.43.0.9/24", "10.40.0.7/24", "fd00:43::9/64"],
              ["10.43.0.9", "x", "10.43.0.0/33"],
            ),
            gateway: mostly(["10.43.0.1", "10.40.0.1"], ["fd00:43::1", "x"]),
          },
          { requiredKeys: ["address"] },
        ),
        { maxLength: 2 },
      ),
      routes: fc.array(route, { maxLength: 1 }),
      dns: fc.constant({ nameservers: ["10.43.0.53"], search: ["shop.example"] }),
    },
    { requiredKeys: ["addresses"] },
  )
  .map((options): Json => ({ type: "static", ...options }));

const ipam: fc.Arbitrary<Json | null> = fc.oneof(
  { weight: 6, arbitrary: hostLocal },
  { weight: 2, arbitrary: fixed },
  { weight: 1, arbitrary: fc.constantFrom(null, { type: "nosuch" }, {}) },
);

const CHAINED: readonly fc.Arbitrary<Json>[] = [
  fc.oneof(
    some({ externalSetMarkChain: fc.constantFrom("NOSUCH", "") }).map(
      (options): Json => ({ ...PORTMAP, ...options }),
    ),
    some({
      snat: fc.boolean(),
      markMasqBit: mostly([5, 13], [32, -1]),
      conditionsV4: fc.constant(["!", "-d", "192.168.99.0/24"]),
      conditionsV6: fc.constant(["!", "-d", "fd00:99::/64"]),
    }).map((options): Json => ({ ...PORTMAP, ...options })),
  ),
  some({
    backend: mostly(["", "iptables"], ["nosuch"]),
    iptablesAdminChainName: fc.constant("MY-ADMIN"),
    ingressPolicy: mostly(["", "open", "same-bridge"], ["nosuch"]),
  }).map((options): Json => ({ type: "firewall", ...options })),
  some({
    sysctl: mostly<Json>(
      [{ "net.ipv4.conf.IFNAME.rp_filter": "2" }, { "net/ipv4/conf/all/arp_ignore": "1" }],
      [{ "kernel.hostname": "x" }, { "net.ipv4.conf.nosuch.rp_filter": "1" }],
    ),
    mac: mostly(["02:11:22:33:44:66"], ["02:zz"]),
    mtu: mostly([1300], [100_000]),
    promisc: fc.boolean(),
    allmulti: fc.boolean(),
  }).map((options): Json => ({ type: "tuning", ...options })),
  some({
    ingressRate: mostly([1_000_000, 0], [-1]),
    ingressBurst: mostly([80_000, 1_000_000], [0, 40_000_000_000]),
    egressRate: mostly([2_000_000, 0], [-1]),
    egressBurst: mostly([80_000], [0]),
  }).map((options): Json => ({ type: "bandwidth", ...options, capabilities: { bandwidth: true } })),
  fc.constant<Json>({ type: "sbr" }),
];

const chained = fc
  .subarray([...CHAINED], { maxLength: 3 })
  .chain((list) => fc.tuple(...list) as fc.Arbitrary<Json[]>);

const action: fc.Arbitrary<Action> = fc.record(
  {
    command: fc.constantFrom("ADD", "ADD", "ADD", "CHECK", "DEL"),
    pod: fc.constantFrom(0, 1),
    args: mostly(
      ["IgnoreUnknown=1;K8S_POD_NAME=web", "IgnoreUnknown=1;IP=10.40.0.3"],
      ["FOO=1", "nonsense", "IgnoreUnknown=1;IP=10.40.0.1", "IgnoreUnknown=1;IP=x", "IgnoreUnknown=x"],
    ),
    ifName: mostly(["eth0", "eth0", "eth0", "net1"], ["eth0/bad", "a-name-of-16-char"]),
  },
  { requiredKeys: ["command", "pod"] },
);

const mapping: fc.Arbitrary<Json> = fc.record(
  {
    hostPort: mostly([80, 8080, 5353], [0, -1]),
    containerPort: mostly([80, 53], [0]),
    protocol: fc.constantFrom("tcp", "udp", "sctp", "TCP"),
    hostIP: mostly(["", "0.0.0.0", "192.168.50.11", "::"], ["fd00::1"]),
  },
  { requiredKeys: ["hostPort", "containerPort", "protocol"] },
);

const capabilities = some({
  portMappings: fc.array(mapping, { maxLength: 3 }),
  bandwidth: fc.constant({ ingressRate: 8_000_000, ingressBurst: 800_000 }),
});

/** A main plugin with an IPAM, some chained behind it, and a few calls in any order. */
export const arbitraryScenario: fc.Arbitrary<Scenario> = fc
  .record({
    plugin,
    ipam,
    chained,
    capabilities,
    actions: fc.array(action, { minLength: 2, maxLength: 6 }),
    cniVersion: mostly(["1.0.0", "0.4.0", "0.3.1"], ["0.2.0", "9.9.9"]),
    name: mostly(["rnd"], ["bad name!", ""]),
  })
  .map(({ plugin: main, ipam: given, chained: others, ...made }) => ({
    ...made,
    spare: true,
    plugins: [given === null ? main : { ...main, ipam: given }, ...others],
  }));
