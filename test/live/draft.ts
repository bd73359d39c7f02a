import type { Family } from "../../src/address/ip.ts";
import type { Dice } from "./dice.ts";

/**
 * A world on the drawing board: hosts in the form of a snapshot, with the few things that rules and packets are aimed at.
 * Only IPv4; a second family would add its own addresses beside `addresses` and its own rules beside `iptables`.
 */
export interface DraftHost {
  readonly name: string;
  readonly kind: string;
  readonly links: object[];
  readonly addresses: DraftAddress[];
  readonly routes: object[];
  readonly rules: object[];
  readonly neigh: object[];
  readonly fdb: object[];
  readonly sysctl: Record<string, string>;
  readonly sockets: string[];
  backend: "legacy" | "nft";
  iptablesSave: string;
  ipsetSave: string;
  /** As `nft list ruleset` prints it. */
  nftRuleset: string;
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

/** Settings that every new namespace has on every machine: what the root namespace hands down is not left to chance. */
const SETTINGS: Readonly<Record<string, string>> = {
  "net.ipv4.ip_forward": "0",
  // Memberships are told nobody: the rules would count the reports.
  "net.ipv4.igmp_link_local_mcast_reports": "0",
  // Errors come at once, however many they are.
  "net.ipv4.icmp_ratelimit": "0",
  "net.ipv4.icmp_msgs_per_sec": "100000",
  "net.ipv4.icmp_msgs_burst": "10000",
  // Nothing is said again while a busy machine looks elsewhere.
  "net.ipv4.tcp_rto_min_us": "5000000",
  // A refused SYN-ACK is not sent again.
  "net.ipv4.tcp_synack_retries": "0",
};

export function newHost(draft: Draft, name: string, kind: string): DraftHost {
  const host: DraftHost = {
    name,
    kind,
    links: [],
    addresses: [{ dev: "lo", address: "127.0.0.1", length: 8 }],
    routes: [],
    rules: [
      { priority: 0, src: "all", table: "local" },
      { priority: 32766, src: "all", table: "main" },
      { priority: 32767, src: "all", table: "default" },
    ],
    neigh: [],
    fdb: [],
    sysctl: { ...SETTINGS },
    sockets: [],
    backend: "nft",
    iptablesSave: "",
    ipsetSave: "",
    nftRuleset: "",
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
}

export function addLink(host: DraftHost, dice: Dice, name: string, options: LinkOptions = {}): void {
  const { master, port } = options;
  const linkinfo = options.linkinfo ?? { info_kind: "veth" };
  host.links.push({
    ifindex: host.links.length + 1,
    ifname: name,
    flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
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
  const secondary = host.addresses.some(
    (other) =>
      other.dev === dev &&
      other.length === length &&
      networkText(other.address, length) === networkText(address, length),
  );
  host.addresses.push({ dev, address, length, secondary });
  if (length === 32 || secondary) return;
  host.routes.push({
    dst: `${networkText(address, length)}/${length}`,
    dev,
    protocol: "kernel",
    scope: "link",
    prefsrc: address,
  });
}

/** Networks here end at octets, and at /30. */
function networkText(address: string, length: number): string {
  const octets = address.split(".").map(Number);
  const word = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const size = 2 ** (32 - length);
  const network = Math.floor(word / size) * size;
  return [24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join(".");
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
    const devices = host.links.map((link) => (link as { readonly ifname: string }).ifname);
    Object.assign(host.sysctl, Object.fromEntries(quickSettings(devices)));
    const { name, addresses, iptablesSave, ipsetSave, nftRuleset, backend, sockets, ...rest } = host;
    return [
      name,
      {
        ...rest,
        addrs: host.links.map((link) => {
          const { ifname } = link as { readonly ifname: string };
          return {
            ...link,
            addr_info: addresses
              .filter(({ dev }) => dev === ifname)
              .map(({ address, length, secondary }) => ({
                family: "inet",
                ...(secondary === true ? { secondary } : {}),
                local: address,
                prefixlen: length,
                scope: ifname === "lo" && address.startsWith("127.") ? "host" : "global",
              })),
          };
        }),
        sockets: sockets.map((line) => `${line}\n`).join(""),
        iptablesBackend: backend,
        iptablesSave,
        ipsetSave,
        ...(nftRuleset === "" ? {} : { nftRuleset }),
      },
    ];
  });
  return JSON.stringify({ hosts: Object.fromEntries(hosts), wires: draft.wires });
}
