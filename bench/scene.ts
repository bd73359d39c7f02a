import { rangeText, SOURCES } from "./services.ts";

/**
 * The three hosts of the benchmarks, for the model and for real namespaces alike: a client with every source behind it, a
 * node that forwards and has the rules, and a server with every endpoint behind it.
 *
 *     client eth0 10.1.0.2 — 10.1.0.1 eth0 node eth1 10.2.0.1 — 10.2.0.2 eth0 server
 */
export const HOST_NAMES = ["client", "node", "server"] as const;
export type HostName = (typeof HOST_NAMES)[number];

export interface SceneDevice {
  readonly name: string;
  readonly mac: string;
  readonly address: string;
  /** At the other end of its cable: the neighbour's address and MAC. */
  readonly neighbour: { readonly address: string; readonly mac: string };
}

export interface SceneRoute {
  readonly dst: string;
  readonly via: string;
  readonly dev: string;
}

export interface SceneHost {
  readonly kind: "pod" | "node";
  readonly forwards: boolean;
  readonly devices: readonly SceneDevice[];
  readonly routes: readonly SceneRoute[];
  /** Prefixes of which every address is the host's own. */
  readonly local: readonly string[];
  /** Prefixes whose packets are dropped. */
  readonly blackholes: readonly string[];
}

const MAC = {
  client: "02:00:00:00:01:02",
  nodeLeft: "02:00:00:00:01:01",
  nodeRight: "02:00:00:00:02:01",
  server: "02:00:00:00:02:02",
};

export const NODE_ADDRESS = "10.1.0.1";
/** What masqueraded packets come from. */
export const NODE_RIGHT_ADDRESS = "10.2.0.1";
/** What the node's routes drop. */
export const NOWHERE = "192.0.2.0/24";
const CLIENT_ADDRESS = "10.1.0.2";
const SERVER_ADDRESS = "10.2.0.2";

export const SCENE: Readonly<Record<HostName, SceneHost>> = {
  client: {
    kind: "pod",
    forwards: false,
    devices: [
      {
        name: "eth0",
        mac: MAC.client,
        address: CLIENT_ADDRESS,
        neighbour: { address: NODE_ADDRESS, mac: MAC.nodeLeft },
      },
    ],
    routes: [{ dst: "default", via: NODE_ADDRESS, dev: "eth0" }],
    local: [rangeText(SOURCES)],
    blackholes: [],
  },
  node: {
    kind: "node",
    forwards: true,
    devices: [
      {
        name: "eth0",
        mac: MAC.nodeLeft,
        address: NODE_ADDRESS,
        neighbour: { address: CLIENT_ADDRESS, mac: MAC.client },
      },
      {
        name: "eth1",
        mac: MAC.nodeRight,
        address: NODE_RIGHT_ADDRESS,
        neighbour: { address: SERVER_ADDRESS, mac: MAC.server },
      },
    ],
    routes: [
      { dst: rangeText(SOURCES), via: CLIENT_ADDRESS, dev: "eth0" },
      { dst: "default", via: SERVER_ADDRESS, dev: "eth1" },
    ],
    local: [],
    blackholes: [NOWHERE],
  },
  server: {
    kind: "pod",
    forwards: false,
    devices: [
      {
        name: "eth0",
        mac: MAC.server,
        address: SERVER_ADDRESS,
        neighbour: { address: NODE_RIGHT_ADDRESS, mac: MAC.nodeRight },
      },
    ],
    routes: [{ dst: "default", via: NODE_RIGHT_ADDRESS, dev: "eth0" }],
    // The endpoints: all of the pods' network but the sources' half of it.
    local: ["10.129.0.0/16", "10.130.0.0/15", "10.132.0.0/14", "10.136.0.0/13", "10.144.0.0/12"].concat(
      "10.160.0.0/11",
      "10.192.0.0/10",
    ),
    blackholes: [],
  },
};

/** The scene as a snapshot's text, with these rules on the node; null: none, and no conntrack. */
export function sceneSnapshot(
  iptablesSave: string | null,
  { nftRuleset = null, ipvs = null }: NodeRules = {},
): string {
  const hosts = Object.fromEntries(
    HOST_NAMES.map((name) => {
      if (name !== "node") return [name, hostJson(SCENE[name], "")];
      const json = hostJson(withLocal(SCENE[name], ipvs?.addresses ?? []), iptablesSave ?? "");
      return [name, { ...json, ...texts(ipvs), ...(nftRuleset === null ? {} : { nftRuleset }) }];
    }),
  );
  const wires = [
    ["client", "eth0", "node", "eth0"],
    ["node", "eth1", "server", "eth0"],
  ];
  return JSON.stringify({ hosts, wires });
}

/** What the node balances: `ipvsadm -Sn`, and the virtual addresses, which are its own. */
export interface NodeIpvs {
  readonly save: string;
  readonly addresses: readonly string[];
}

function withLocal(host: SceneHost, addresses: readonly string[]): SceneHost {
  return { ...host, local: [...host.local, ...addresses] };
}

function texts(ipvs: NodeIpvs | null): object {
  return ipvs === null ? {} : { ipvs: ipvs.save };
}

/** Beside iptables. */
export interface NodeRules {
  readonly nftRuleset?: string | null;
  readonly ipvs?: NodeIpvs | null;
}

function hostJson(host: SceneHost, iptablesSave: string): object {
  const forwarding = host.forwards ? "1" : "0";
  return {
    kind: host.kind,
    links: [
      { ...linkJson(1, "lo", "00:00:00:00:00:00"), mtu: 65536, link_type: "loopback" },
      ...host.devices.map(({ name, mac }, i) => ({
        ...linkJson(i + 2, name, mac),
        linkinfo: { info_kind: "veth" },
      })),
    ],
    addrs: [
      addressJson("lo", "127.0.0.1", 8, "host"),
      ...host.devices.map(({ name, address }) => addressJson(name, address, 24, "global")),
    ],
    routes: [
      ...host.routes.map(({ dst, via, dev }) => ({ dst, gateway: via, dev, flags: [] })),
      ...host.devices.flatMap(({ name, address }) => [
        {
          dst: address.replace(/\d+$/, "0/24"),
          dev: name,
          protocol: "kernel",
          scope: "link",
          prefsrc: address,
          flags: [],
        },
        localRoute(address, name),
      ]),
      ...host.blackholes.map((dst) => ({ type: "blackhole", dst, flags: [] })),
      ...host.local.map((prefix) => localRoute(prefix, "lo")),
    ],
    rules: [],
    neigh: host.devices.map(({ name, neighbour }) => ({
      dst: neighbour.address,
      dev: name,
      lladdr: neighbour.mac,
      state: ["PERMANENT"],
    })),
    fdb: [],
    bridgeLinks: [],
    sysctl: {
      "net.ipv4.ip_forward": forwarding,
      "net.ipv4.conf.all.forwarding": forwarding,
      "net.ipv4.conf.all.rp_filter": "0",
      "net.ipv4.conf.default.rp_filter": "0",
    },
    iptablesBackend: "legacy",
    iptablesSave,
    ipsetSave: "",
    nftRuleset: "",
  };
}

function linkJson(ifindex: number, ifname: string, address: string) {
  return { ifindex, ifname, flags: ["UP", "LOWER_UP"], mtu: 1500, link_type: "ether", address };
}

function addressJson(ifname: string, local: string, prefixlen: number, scope: string) {
  return { ifname, addr_info: [{ family: "inet", local, prefixlen, scope }] };
}

function localRoute(dst: string, dev: string) {
  return { type: "local", dst, dev, table: "local", protocol: "kernel", scope: "host", flags: [] };
}
