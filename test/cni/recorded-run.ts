import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { formatIpv4 } from "../../src/address/ipv4.ts";
import { formatIpv6 } from "../../src/address/ipv6.ts";
import { formatMac, internMac, type Mac } from "../../src/address/mac.ts";
import { formatPrefix4 } from "../../src/address/prefix.ts";
import { HASHED_NAMES, type NameSource } from "../../src/cni/names.ts";
import type { Environment } from "../../src/cni/run-plugin.ts";
import type { Host } from "../../src/kernel/host.ts";
import type { Json } from "../../src/kernel/json-fields.ts";
import type { Ruleset } from "../../src/kernel/netfilter/rule.ts";
import { formatRule } from "../../src/kernel/netfilter/save/format.ts";
import { formatTable } from "../../src/kernel/nft/text/format.ts";
import { formatQdiscs } from "../../src/kernel/tc/tc-text.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";

/** Runs of the real plugins: every call with what it printed, and what the namespaces held after each step. */

const ROOT = new URL("../../fixtures/cni-runs/", import.meta.url);

export interface RecordedCall {
  readonly plugin: string;
  readonly env: {
    readonly CNI_COMMAND: Environment["command"];
    readonly CNI_CONTAINERID: string;
    readonly CNI_NETNS: string;
    readonly CNI_IFNAME: string;
    readonly CNI_ARGS?: string;
  };
  readonly stdin: Json;
  readonly exit: number;
  readonly stdout: Json | "";
}

export interface RecordedRun {
  readonly name: string;
  readonly networks: Readonly<Record<string, Json>>;
  readonly steps: Readonly<
    Record<
      string,
      { readonly calls: readonly RecordedCall[]; readonly ipam?: Readonly<Record<string, string>> }
    >
  >;
  /** By step, then by host: the snapshot's form of a host. */
  readonly states: Readonly<Record<string, Readonly<Record<string, Json>> & { readonly node?: Json }>>;
  readonly other?: Readonly<Record<string, Json>>;
}

export function runNames(): readonly string[] {
  return readdirSync(ROOT)
    .filter((name) => name.endsWith(".json.gz"))
    .map((name) => name.slice(0, -".json.gz".length))
    .sort();
}

export function readRun(name: string): RecordedRun {
  const text = gunzipSync(readFileSync(new URL(`${name}.json.gz`, ROOT))).toString("utf8");
  return JSON.parse(text) as RecordedRun;
}

/**
 * A host of a recording. `NO-CARRIER` shows only once the kernel's link watch has run; that LOWER_UP is gone shows at once.
 */
export function hostOf(name: string, json: Json): Host {
  const links = linksOf(json).map((link) => {
    const lost = link.flags.includes("UP") && !link.flags.includes("LOWER_UP");
    return lost ? { ...link, flags: ["NO-CARRIER", ...link.flags] } : link;
  });
  const read = readSnapshot("run.json", JSON.stringify({ hosts: { [name]: { ...json, links } } }));
  if (read.kind === "invalid") throw new Error(JSON.stringify(read.errors));
  const host = read.world.hosts.get(name);
  if (host === undefined) throw new Error(`no host ${name}`);
  return host;
}

interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly address: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

function linksOf(state: Json | undefined): readonly Link[] {
  const { links = [] } = (state ?? {}) as { readonly links?: readonly Link[] };
  return links;
}

/** What the kernel and the plugins drew at random in a step, so that ours draw the same. */
export function recordedNames(run: RecordedRun, step: string, call: RecordedCall, before: Host): NameSource {
  const known = new Set(before.devices.map(({ name }) => name));
  const after = run.states[step];
  const made = linksOf(after?.node).filter(({ ifname }) => !known.has(ifname));
  const { interfaces = [] } = (call.stdout === "" ? {} : call.stdout) as {
    readonly interfaces?: readonly { name: string; mac: string; sandbox?: string }[];
  };
  const veths = made.filter(({ ifname }) => ifname.startsWith("veth"));
  const host = interfaces.find(({ name, sandbox }) => sandbox === undefined && name.startsWith("veth"));
  const hostName = host?.name ?? veths[0]?.ifname;
  const pod = call.env.CNI_NETNS.split("/").at(-1) ?? "";
  const macOf = (link: Link | undefined): Mac | undefined =>
    link === undefined ? undefined : internMac(link.address);
  const drawn = (key: string): Mac | undefined => {
    if (key.endsWith(" container")) {
      const inside = interfaces.find(({ sandbox }) => sandbox !== undefined);
      if (inside !== undefined) return internMac(inside.mac);
      return macOf(linksOf(after?.[pod]).find(({ ifname }) => ifname === call.env.CNI_IFNAME));
    }
    if (key.endsWith(" ifb")) {
      const ifb = interfaces.find(({ name }) => name.startsWith("bwp"));
      if (ifb !== undefined) return internMac(ifb.mac);
    }
    if (key.endsWith(" host")) return macOf(veths.find(({ ifname }) => ifname === hostName));
    if (key.endsWith(" port")) return macOf(veths.find(({ ifname }) => ifname !== hostName));
    if (key.endsWith(" ifb")) return macOf(made.find(({ linkinfo }) => linkinfo?.info_kind === "ifb"));
    if (key.startsWith("vlan ")) return macOf(made.find(({ ifname }) => ifname.includes(".")));
    return macOf(made.find(({ linkinfo }) => linkinfo?.info_kind === "bridge"));
  };
  return {
    veth: (key, taken) => {
      const name = key.startsWith("vlan ")
        ? veths.find(({ ifname }) => ifname !== hostName)?.ifname
        : hostName;
      return name ?? HASHED_NAMES.veth(key, taken);
    },
    mac: (key) => drawn(key) ?? HASHED_NAMES.mac(key),
  };
}

/** What plugins set of a device, by the last part of its name (`net.ipv4.conf.DEV.…`). */
export const DEVICE_SETTINGS = [
  "forwarding",
  "proxy_arp",
  "route_localnet",
  "rp_filter",
  "arp_notify",
  "arp_ignore",
  "arp_announce",
];

/** What is modelled of a host, in an order of its own, as values that a test can show. */
export function modelled(host: Host, saysIp6tables = false): unknown {
  return {
    devices: [...host.devices]
      .sort((a, b) => a.ifindex - b.ifindex)
      // A namespace never gives a number twice, and does not tell which it gave before: what counts is the order.
      .map(({ origin: _, mac, detail, ifindex: __, ...device }) => ({
        ...device,
        mac: formatMac(mac),
        kind: detail.kind === "unmodelled" ? detail.type : detail.kind,
        vlanFiltering: detail.kind === "bridge" && detail.vlanFiltering,
      })),
    addresses: host.addresses
      .map(
        ({ dev, address, length, broadcast, scope, secondary, label }) =>
          `${dev} ${formatIpv4(address)}/${length} brd ${broadcast === null ? "-" : formatIpv4(broadcast)} ${scope} ${secondary} ${label}`,
      )
      .sort(),
    six: host.addresses6
      .filter(({ scope }) => scope === "global")
      .map(({ dev, address, length }) => `${dev} ${formatIpv6(address)}/${length}`)
      .sort(),
    routes: host.routes
      .map(
        (route) =>
          `${route.type} ${formatPrefix4(route.dst)} table ${route.table} proto ${route.protocol} scope ${route.scope} src ${route.prefsrc === null ? "-" : formatIpv4(route.prefsrc)} ${route.nextHops.map(({ dev, gateway }) => `${dev} via ${gateway === null ? "-" : formatIpv4(gateway)}`).join()}`,
      )
      .sort(),
    iptables: rulesText(host.iptables),
    ...(saysIp6tables
      ? {
          rules: host.rules.map(
            ({ priority, src, action }) =>
              `${priority} from ${src === null ? "all" : formatPrefix4(src)} ${action.kind === "lookup" ? action.table : action.kind}`,
          ),
          vlans: host.bridgeVlans
            .map(({ dev, from, to, pvid, untagged }) => `${dev} ${from}-${to} ${pvid} ${untagged}`)
            // What every port is in is not worth saying of those that are in nothing else.
            .filter(
              (text, _, all) =>
                !(
                  text.endsWith(" 1-1 true true") &&
                  all.filter((other) => other.startsWith(`${text.split(" ")[0]} `)).length === 1
                ),
            )
            .sort(),
        }
      : {}),
    ...(saysIp6tables ? { ip6tables: rulesText(host.ip6tables) } : {}),
    bridgeTables: (host.nft?.tables ?? [])
      .filter(({ family }) => family === "bridge")
      .map((table) => formatTable(table)),
    // How many refer to a queue differs from kernel to kernel, and actions are numbered through the namespace.
    queues: formatQdiscs(host.tc.qdiscs)
      .replace(/refcnt \d+/g, "refcnt N")
      .split("\n")
      .sort(),
    filters: host.tc.filters.map(({ dev, hook, head, lines }) =>
      [dev, hook, head, ...lines.map((line) => line.replace(/index \d+/, "index N"))].join("\n"),
    ),
    settings: Object.fromEntries(
      ["all", ...host.devices.map(({ name }) => name)].flatMap((device) =>
        DEVICE_SETTINGS.map((setting) => {
          const own = host.sysctl.get(`net.ipv4.conf.${device}.${setting}`);
          const value = own ?? host.sysctl.get(`net.ipv4.conf.default.${setting}`) ?? "0";
          return [`${device}.${setting}`, value];
        }),
      ),
    ),
    ipForward: host.sysctl.get("net.ipv4.ip_forward") ?? "0",
  };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function rulesText(ruleset: Ruleset | null): readonly string[] {
  return [...(ruleset?.tables.values() ?? [])]
    .sort(byName)
    .flatMap(({ name, chains }) =>
      [...chains.values()]
        .sort(byName)
        .flatMap((chain) => [
          `${name} :${chain.name} ${chain.policy}`,
          ...chain.rules.map((rule) => `${name} ${formatRule(chain.name, rule)}`),
        ]),
    );
}
