import { type AddressFamily, IPV4, IPV6 } from "../../src/address/family.ts";
import type { Family } from "../../src/address/ip.ts";
import { PLANS } from "./address-plan.ts";
import type { Dice } from "./dice.ts";

/**
 * A world on the drawing board: hosts in the form of a snapshot, with the few things that rules and packets are aimed at.
 */
export interface DraftHost {
  readonly name: string;
  readonly kind: string;
  readonly links: DraftLink[];
  readonly addresses: DraftAddress[];
  /** Routes and policy rules by family. */
  readonly routes: Readonly<Record<Family, object[]>>;
  readonly rules: Readonly<Record<Family, object[]>>;
  readonly neigh: object[];
  readonly fdb: object[];
  readonly sysctl: Record<string, string>;
  readonly sockets: string[];
  backend: "legacy" | "nft";
  readonly iptablesSave: Record<Family, string>;
  ipsetSave: string;
  /** As `nft list ruleset` prints it. */
  nftRuleset: string;
  /** As `tc qdisc show` prints them; under `DEV ingress` and `DEV egress` what `tc filter show` prints. */
  qdiscs: string;
  readonly tcFilters: Record<string, string>;
  readonly tunDaemons: object[];
}

interface DraftLink {
  readonly ifname: string;
  readonly address: string;
  readonly [field: string]: unknown;
}

interface DraftAddress {
  readonly dev: string;
  readonly address: string;
  readonly length: number;
  readonly secondary?: boolean;
}

export interface Draft {
  readonly hosts: Map<string, DraftHost>;
  readonly wires: [string, string, string, string][];
}

/** Nothing is said again while a busy machine looks elsewhere, and a refused SYN-ACK not at all; of both families. */
export const SAID_ONCE: Readonly<Record<string, string>> = {
  "net.ipv4.tcp_rto_min_us": "5000000",
  "net.ipv4.tcp_synack_retries": "0",
};

/** What makes a probe exact: errors come at once, however many they are, and nothing is said twice. */
export const LIVE_SETTINGS: Readonly<Record<string, string>> = {
  // Memberships are told nobody: the rules would count the reports.
  "net.ipv4.igmp_link_local_mcast_reports": "0",
  "net.ipv4.icmp_ratelimit": "0",
  "net.ipv4.icmp_msgs_per_sec": "100000",
  "net.ipv4.icmp_msgs_burst": "10000",
  "net.ipv6.icmp.ratelimit": "0",
  ...SAID_ONCE,
};

/** Settings that every new namespace has on every machine: what the root namespace hands down is not left to chance. */
const SETTINGS: Readonly<Record<string, string>> = { "net.ipv4.ip_forward": "0", ...LIVE_SETTINGS };

export function newHost(draft: Draft, name: string, kind: string): DraftHost {
  const host: DraftHost = {
    name,
    kind,
    links: [],
    addresses: [{ dev: "lo", address: "127.0.0.1", length: 8 }],
    routes: { 4: [], 6: [] },
    rules: {
      4: [
        { priority: 0, src: "all", table: "local" },
        { priority: 32766, src: "all", table: "main" },
        { priority: 32767, src: "all", table: "default" },
      ],
      6: [
        { priority: 0, src: "all", table: "local" },
        { priority: 32766, src: "all", table: "main" },
      ],
    },
    neigh: [],
    fdb: [],
    sysctl: { ...SETTINGS },
    sockets: [],
    backend: "nft",
    iptablesSave: { 4: "", 6: "" },
    ipsetSave: "",
    nftRuleset: "",
    qdiscs: "",
    tcFilters: {},
    tunDaemons: [],
  };
  host.links.push({
    ifindex: 1,
    ifname: "lo",
    flags: ["LOOPBACK", "UP", "LOWER_UP"],
    mtu: 65536,
    link_type: "loopback",
    address: "00:00:00:00:00:00",
  });
  draft.hosts.set(name, host);
  return host;
}

export function randomMac(dice: Dice): string {
  const bytes = Array.from({ length: 5 }, () => dice.below(256).toString(16).padStart(2, "0"));
  return ["02", ...bytes].join(":");
}

export interface LinkOptions {
  readonly mtu?: number;
  readonly mac?: string;
  readonly master?: string;
  readonly port?: Readonly<Record<string, unknown>>;
  readonly linkinfo?: object;
  /** Nobody is asked for a MAC there. */
  readonly noArp?: boolean;
  /** The device it sits on. */
  readonly link?: string;
  readonly isDown?: boolean;
}

export function addLink(host: DraftHost, dice: Dice, name: string, options: LinkOptions = {}): void {
  const { master, port } = options;
  const linkinfo = options.linkinfo ?? { info_kind: "veth" };
  host.links.push({
    ifindex: host.links.length + 1,
    ifname: name,
    flags: [
      "BROADCAST",
      "MULTICAST",
      ...(options.isDown === true ? [] : ["UP", "LOWER_UP"]),
      ...(options.noArp === true ? ["NOARP"] : []),
    ],
    ...(options.link === undefined ? {} : { link: options.link }),
    mtu: options.mtu ?? 1500,
    link_type: "ether",
    address: options.mac ?? randomMac(dice),
    ...(master === undefined ? {} : { master }),
    linkinfo:
      master === undefined
        ? linkinfo
        : {
            ...linkinfo,
            info_slave_kind: "bridge",
            info_slave_data: { state: "forwarding", hairpin: false, learning: true, flood: true, ...port },
          },
  });
}

export function addBridge(host: DraftHost, dice: Dice, name: string, mtu = 1500): void {
  addLink(host, dice, name, {
    mtu,
    linkinfo: { info_kind: "bridge", info_data: { ageing_time: 30_000, vlan_filtering: 0 } },
  });
}

/** An address whose network the device has already is a further one of it. */
export function addAddress(host: DraftHost, dev: string, address: string, length: number): void {
  const family = address.includes(":") ? 6 : 4;
  const { single } = PLANS[family];
  const network = networkText(address, length);
  const isFurther = host.addresses.some(
    (other) =>
      other.dev === dev &&
      other.address.includes(":") === (family === 6) &&
      other.length === length &&
      networkText(other.address, length) === network,
  );
  const secondary = family === 4 && isFurther;
  host.addresses.push({ dev, address, length, secondary });
  if (isFurther || (family === 4 && length === single)) return;
  const route = { dst: `${network}${length === single ? "" : `/${length}`}`, dev, protocol: "kernel" };
  host.routes[family].push(
    family === 4 ? { ...route, scope: "link", prefsrc: address } : { ...route, metric: KERNEL_METRIC6 },
  );
}

/** `IP6_RT_PRIO_ADDRCONF` */
const KERNEL_METRIC6 = 256;

/** Every device that speaks IPv6 has an address of its link, made of its MAC (RFC 4291 2.5.6). */
export function addLinkLocal(host: DraftHost, dev: string): string {
  const link = host.links.find(({ ifname }) => ifname === dev);
  const mac = (link?.address ?? "").split(":").map((byte) => Number.parseInt(byte, 16));
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac;
  const group = (high: number, low: number) => ((high << 8) | low).toString(16);
  const text = `fe80::${group(a ^ 2, b)}:${group(c, 0xff)}:${group(0xfe, d)}:${group(e, f)}`;
  const address = IPV6.format(IPV6.parse(text) ?? IPV6.any);
  addAddress(host, dev, address, 64);
  return address;
}

/** The network of an address, without its length. */
export function networkText(address: string, length: number): string {
  return address.includes(":") ? networkOf(IPV6, address, length) : networkOf(IPV4, address, length);
}

function networkOf<Address>(of: AddressFamily<Address>, text: string, length: number): string {
  const address = of.parse(text) ?? of.any;
  return of.format(of.networkOf({ address, length }).address);
}

export function wire(draft: Draft, hostA: string, deviceA: string, hostB: string, deviceB: string): void {
  draft.wires.push([hostA, deviceA, hostB, deviceB]);
}

/** Nobody's answer is waited for longer than a client waits before it repeats itself: three times so many milliseconds. */
const ARP_PATIENCE_MS = "40";

/**
 * Settings of a device that make a live probe quick, and let no neighbour age however long a probe takes on a busy machine:
 * the model's clock is its own.
 */
export function quickSettings(
  devices: readonly string[],
  families: readonly Family[] = [4],
): [string, string][] {
  return devices
    .filter((name) => name !== "lo")
    .flatMap((name) =>
      families.flatMap((family): [string, string][] => {
        const own = `net.ipv${family}.neigh.${name.replaceAll(".", "/")}`;
        return [
          [`${own}.retrans_time_ms`, ARP_PATIENCE_MS],
          [`${own}.base_reachable_time_ms`, "36000000"],
          [`${own}.delay_first_probe_time`, "36000"],
        ];
      }),
    );
}

/** The draft as a snapshot's text. */
export function snapshotText(draft: Draft): string {
  const hosts = [...draft.hosts.values()].map((host) => {
    const families = familiesOf(host);
    const devices = host.links.map(({ ifname }) => ifname);
    Object.assign(host.sysctl, Object.fromEntries(quickSettings(devices, families)));
    const { name, addresses, iptablesSave, ipsetSave, nftRuleset, backend, sockets, routes, rules, ...rest } =
      host;
    return [
      name,
      {
        ...rest,
        routes: routes[4],
        rules: rules[4],
        ...(families.includes(6)
          ? { routes6: routes[6], rules6: rules[6], ip6tablesSave: iptablesSave[6] }
          : {}),
        addrs: host.links.map((link) => ({
          ...link,
          addr_info: printed(addresses.filter(({ dev }) => dev === link.ifname)),
        })),
        sockets: sockets.map((line) => `${line}\n`).join(""),
        iptablesBackend: backend,
        iptablesSave: iptablesSave[4],
        ipsetSave,
        ...(nftRuleset === "" ? {} : { nftRuleset }),
        // The lab has no program behind any queue.
        nfnetlinkQueue: "",
      },
    ];
  });
  return JSON.stringify({ hosts: Object.fromEntries(hosts), wires: draft.wires });
}

function familiesOf({ addresses }: DraftHost): Family[] {
  return addresses.some(({ address }) => address.includes(":")) ? [4, 6] : [4];
}

/** As `ip addr` prints a device's: those of IPv6 behind, the newest first, those of the link last. */
function printed(addresses: readonly DraftAddress[]): object[] {
  const isOf6 = ({ address }: DraftAddress) => address.includes(":");
  const isOfLink = ({ address }: DraftAddress) => address.startsWith("fe80:");
  const six = addresses.filter(isOf6).reverse();
  const inOrder = [
    ...addresses.filter((address) => !isOf6(address)),
    ...six.filter((address) => !isOfLink(address)),
    ...six.filter(isOfLink),
  ];
  return inOrder.map(({ dev, address, length, secondary }) => ({
    family: address.includes(":") ? "inet6" : "inet",
    ...(secondary === true ? { secondary } : {}),
    local: address,
    prefixlen: length,
    scope: address.startsWith("fe80:")
      ? "link"
      : dev === "lo" && (address === "::1" || address.startsWith("127."))
        ? "host"
        : "global",
  }));
}
