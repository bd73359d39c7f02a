import { IPV4, IPV6 } from "../address/family.ts";
import type { Ipv6Words } from "../address/ipv6.ts";
import { isGroupMac } from "../address/mac.ts";
import { addressText, routeCommand, ruleText, ruleText6 } from "./addressing-text.ts";
import type { Device, FdbEntry, InterfaceAddress, InterfaceAddress6 } from "./device/device.ts";
import { deviceWords, linkSettingsText, newLinkText, portStateText } from "./device/link-command.ts";
import type { Host } from "./host.ts";
import { bridgeVlanText, operationText } from "./operation-text.ts";
import { DEFAULT_RULES, DEFAULT_RULES6, L3MDEV_RULE } from "./route/ip-rule.ts";
import type { Route, Route6 } from "./route/route.ts";
import { quote } from "./shell-words.ts";

/**
 * A host as a POSIX shell script of `ip`, `bridge` and `sysctl` commands that rebuilds its devices, addresses, routes,
 * policy rules, neighbours and forwarding entries inside an empty network namespace. What the kernel makes itself with
 * an address (`proto kernel`) or a device is left to it. Not in it: netfilter, which has `iptables-save`, and sockets.
 */
export function hostScript(host: Host): string {
  const sections = hostCommands(host, NO_CABLES);
  const body = sections.flatMap(([title, lines]) => (lines.length === 0 ? [] : [`# ${title}`, ...lines, ""]));
  return [...head(host), ...body].join("\n");
}

/** Where a cable's other end is made: its words for `ip link add … type veth peer`, or null where that end makes both. */
export type CableEnds = ReadonlyMap<string, string | null>;

const NO_CABLES: CableEnds = new Map();

/** A section: what it is about, and its commands: `ip …`, `bridge …`, and `setting NAME VALUE` for `sysctl -w`. */
export type Section = readonly [title: string, lines: readonly string[]];

/**
 * Sections to be done on every host before the next: a cable's ends lie in two, take IPv6's settings as they are where they are
 * made, and carry nothing until both are up.
 */
export const STAGES_OF_SECTIONS: readonly number[] = [1, 2, 3];

/** The script's commands, in the order in which they must be run. */
export function hostCommands(host: Host, cables: CableEnds): readonly Section[] {
  return [
    ["settings of all devices, before there are any", sysctlLines(host, (name) => !isPerDevice(name, host))],
    ["devices", host.devices.flatMap((device) => deviceLines(device, host, cables))],
    ["ports, and which devices are up", host.devices.flatMap(linkSettingsText)],
    ["states of ports", host.devices.flatMap(portStateText)],
    ["VLANs of bridges and ports", vlanLines(host)],
    ["settings of single devices", sysctlLines(host, (name) => isPerDevice(name, host))],
    [
      "addresses",
      [
        ...host.addresses.flatMap((address) => addressLines(address, host)),
        ...oldestFirst(host.addresses6).flatMap((address) => addressLines6(address, host)),
      ],
    ],
    ["routes", [...routeLines(host.routes), ...routeLines(host.routes6)]],
    ["policy rules", ruleLines(host)],
    [
      "neighbours",
      [...host.neighbours, ...host.neighbours6]
        .filter(hasState)
        .flatMap((neighbour) => operationText({ kind: "neighbour-replace", neighbour })),
    ],
    [
      "forwarding entries",
      host.fdb
        .filter((entry) => !isKernelMade(entry, host))
        .flatMap((entry) => operationText({ kind: "fdb-append", entry })),
    ],
    [
      "queues and filters of traffic control",
      [
        ...host.tc.qdiscs.flatMap((qdisc) => operationText({ kind: "qdisc-add", qdisc })),
        ...host.tc.filters.flatMap((filter) => operationText({ kind: "tc-filter-add", filter })),
      ],
    ],
  ];
}

function head(host: Host): string[] {
  return [
    "#!/bin/sh",
    `# ${host.name}: run as root inside an empty network namespace (ip netns exec NAME sh SCRIPT).`,
    "set -eu",
    "",
    "# A setting that this kernel does not have, or does not let a namespace change, is named and left.",
    "setting() {",
    '  sysctl -qw "$1=$2" 2>/dev/null || echo "not set: $1 = $2" >&2',
    "}",
    "",
  ];
}

/** Every device begins in VLAN 1. */
function vlanLines(host: Host): string[] {
  const began = new Set<string>();
  return host.bridgeVlans.flatMap((vlan) => {
    const { dev, self, from } = vlan;
    const lines = began.has(dev) || from === 0 ? [] : bridgeVlanDeleted(dev, self);
    began.add(dev);
    return [...lines, bridgeVlanText(vlan)];
  });
}

function bridgeVlanDeleted(dev: string, self: boolean): string[] {
  return operationText({ kind: "bridge-vlan-delete", dev, self, from: 1, to: 1 });
}

/** Forwarding for all devices first, since it writes each device's own (`devinet_sysctl_forward`); then `default`. */
function sysctlLines(host: Host, wanted: (name: string) => boolean): string[] {
  const rank = (name: string) =>
    /^net\.ipv[46]\.(ip_forward|conf\.all\.forwarding)$/.test(name) ? 0 : name.includes(".conf.all.") ? 1 : 2;
  return [...host.sysctl]
    .filter(([name]) => wanted(name))
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([name, value]) => `setting ${quote(settingName(name, host))} ${quote(value)}`);
}

/** `net.ipv4.conf.eth0.rp_filter`; a dot in a device's name is a slash in what `sysctl -a` prints. */
function isPerDevice(name: string, host: Host): boolean {
  const behind = /^net\.ipv[46]\.(?:conf|neigh)\.(.+)$/.exec(name)?.[1]?.replaceAll("/", ".");
  return behind !== undefined && host.devices.some((device) => behind.startsWith(`${device.name}.`));
}

/** The name of a setting as `sysctl -w` takes it: a dot of a device's name written as a slash. */
function settingName(name: string, host: Host): string {
  const [, head = "", behind = ""] = /^(net\.ipv[46]\.(?:conf|neigh)\.)(.+)$/.exec(name) ?? [];
  const device = host.devices.find((each) => behind.startsWith(`${each.name}.`));
  if (device === undefined) return name;
  return `${head}${device.name.replaceAll(".", "/")}${behind.slice(device.name.length)}`;
}

/**
 * A card and a cable's end become a veth whose other end, `peer-N`, is up in the same namespace until it is moved to where
 * the cable leads. So does a device of a kind that is not modelled, or that sits on another namespace's, unless the kernel
 * has made it already (tunl0).
 */
function deviceLines(device: Device, host: Host, cables: CableEnds): string[] {
  const { detail } = device;
  const cable = cables.get(device.name);
  if (cable === null) return [];
  if (cable !== undefined) return [newLinkText(device, `veth peer ${cable}`)];
  const name = quote(device.name);
  if (detail.kind === "loopback")
    return device.mtu === 65_536 ? [] : [`ip link set ${deviceWords(device.name)} mtu ${device.mtu}`];
  if (isMadeAlone(device)) {
    return operationText({ kind: "link-add", device: { ...device, ...UNSET } });
  }
  const peer = peerName(device, host);
  const add = newLinkText(device, `veth peer name ${peer} index ${PEER_INDEX + device.ifindex}`);
  if (detail.kind !== "veth" && detail.kind !== "ether") {
    const why = detail.kind === "unmodelled" ? "is not modelled" : "cannot be made here alone";
    const kind = detail.kind === "unmodelled" ? detail.type : detail.kind;
    return [
      `# ${device.name} is of the kind ${kind}, which ${why}: a veth stands in for it`,
      `ip link show ${name} >/dev/null 2>&1 || { ${add}; ip link set ${deviceWords(peer)} up; }`,
    ];
  }
  return device.carrier ? [add, `ip link set ${deviceWords(peer)} up`] : [add];
}

/** Can the device be made with nothing but the namespace's own devices? The first tunnel of IPv4 is the kernel's. */
function isMadeAlone({ detail }: Device): boolean {
  switch (detail.kind) {
    case "bridge":
    case "vxlan":
    case "dummy":
    case "vrf":
    case "tun":
    case "ifb":
      return true;
    case "ipip":
      return detail.remote !== null || detail.local !== null;
    case "macvlan":
    case "ipvlan":
    case "vlan":
      return detail.lower !== null && detail.lower.host === null;
    default:
      return false;
  }
}

/** Far from the host's own indexes, which are given as well. */
const PEER_INDEX = 1_000_000;

/** What is set when all devices are there. */
const UNSET = { up: false, noArp: false, master: null, port: null };

function peerName(device: Device, host: Host): string {
  let peer = `peer-${device.ifindex}`;
  while (host.devices.some((each) => each.name === peer)) peer += "x";
  return peer;
}

/** The loopback's own address comes with it; an address whose network has no route of the kernel's was told not to make one. */
function addressLines(address: InterfaceAddress, host: Host): string[] {
  const device = host.devices.find((each) => each.name === address.dev);
  if (device?.detail.kind === "loopback" && device.up && isLocalhost(address)) return [];
  const makesRoute =
    device?.up === true && device.detail.kind !== "loopback" && address.length < 32 && !address.secondary;
  const noRoute = makesRoute && !host.routes.some((route) => isConnected(route, address));
  return [`ip addr add ${addressText(address)}${noRoute ? " noprefixroute" : ""}`];
}

/** `ip addr` prints a device's newest first, which of equals is the source (`ipv6_link_dev_addr`). */
function oldestFirst(addresses: readonly InterfaceAddress6[]): InterfaceAddress6[] {
  const devices = [...new Set(addresses.map(({ dev }) => dev))];
  return devices.flatMap((name) => addresses.filter(({ dev }) => dev === name).reverse());
}

/** The kernel may have made a link-local one itself by then; the loopback's it has. */
function addressLines6(address: InterfaceAddress6, host: Host): string[] {
  const device = host.devices.find((each) => each.name === address.dev);
  if (device?.detail.kind === "loopback" && device.up && IPV6.same(address.address, LOOPBACK6)) return [];
  return [`ip addr replace ${addressText(address)}`];
}

const LOOPBACK6: Ipv6Words = [0, 0, 0, 1];

function isLocalhost(address: InterfaceAddress): boolean {
  return address.address === 0x7f000001 && address.length === 8;
}

function isConnected(route: Route, address: InterfaceAddress): boolean {
  const network = IPV4.networkOf({ address: address.peer ?? address.address, length: address.length });
  return (
    route.protocol === "kernel" &&
    route.table === "main" &&
    route.dst.address === network.address &&
    route.dst.length === network.length &&
    route.nextHops.some((hop) => hop.dev === address.dev)
  );
}

/** A gateway must be reachable when its route is added: routes without one go first. Equal prefixes are appended. */
function routeLines(routes: readonly (Route | Route6)[]): string[] {
  const own = routes.filter((route) => route.protocol !== "kernel");
  const isDirect = (route: Route | Route6) =>
    route.nextHops.every((hop) => hop.gateway === null || hop.onlink);
  const ordered = [...own.filter(isDirect), ...own.filter((route) => !isDirect(route))];
  return ordered.map((route) => routeCommand("append", route));
}

/** A namespace begins with rules: those of them that the host lacks are deleted, those that it has are left. */
function ruleLines({ rules, rules6, devices }: Host): string[] {
  // The first VRF brings its own.
  const own = devices.some(({ detail }) => detail.kind === "vrf") ? [L3MDEV_RULE] : [];
  const six = rules6.length === 0 ? [...DEFAULT_RULES6, ...own] : rules6;
  return [
    ...changedRules("ip rule", rules.map(ruleText), [...DEFAULT_RULES, ...own].map(ruleText)),
    ...changedRules("ip -6 rule", six.map(ruleText6), [...DEFAULT_RULES6, ...own].map(ruleText6)),
  ];
}

function changedRules(command: string, wanted: readonly string[], present: readonly string[]): string[] {
  const extra = wanted.filter((rule) => !present.includes(rule));
  const missing = present.filter((rule) => !wanted.includes(rule));
  return [
    ...extra.map((rule) => `${command} add ${rule}`),
    ...missing.map((rule) => `${command} del ${rule}`),
  ];
}

/** An entry that failed or is being resolved is no configuration. */
function hasState({ state, proxy }: { readonly state: string; readonly proxy: boolean }): boolean {
  return proxy || (state !== "failed" && state !== "incomplete");
}

/** A device's own address and the groups it listens to come with it. */
function isKernelMade(entry: FdbEntry, host: Host): boolean {
  if (entry.state !== "permanent" || entry.dst !== null) return false;
  if (isGroupMac(entry.mac)) return true;
  return host.devices.some((device) => device.mac === entry.mac);
}
