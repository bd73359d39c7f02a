import { formatMac, MAC_ZERO } from "../address/mac.ts";
import { formatFdbEntry } from "../kernel/device/bridge-fdb.ts";
import { formatBridgePort } from "../kernel/device/bridge-link.ts";
import { formatBridgeVlans } from "../kernel/device/bridge-vlan.ts";
import type { Device } from "../kernel/device/device.ts";
import { formatAddress, formatAddress6 } from "../kernel/device/ip-addr.ts";
import { formatLink, formatLinkHead } from "../kernel/device/ip-link.ts";
import { formatNeighbour, formatNeighbour6 } from "../kernel/device/ip-neigh.ts";
import { DEFAULT_KERNEL, type Host } from "../kernel/host.ts";
import { formatIpsetSave } from "../kernel/ipset/save.ts";
import { formatIpvsadmList, formatTimeouts } from "../kernel/ipvs/ipvsadm-list.ts";
import { formatIpvsadmSave } from "../kernel/ipvs/ipvsadm-save.ts";
import type { Ipvs } from "../kernel/ipvs/virtual-service.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { formatIptablesSave } from "../kernel/netfilter/save/format.ts";
import { formatNftRuleset } from "../kernel/nft/text/format.ts";
import { formatOvsFlows } from "../kernel/ovs/dump-flows.ts";
import { formatOvsGroups } from "../kernel/ovs/dump-groups.ts";
import { formatOfctlShow } from "../kernel/ovs/ofctl-show.ts";
import type { OvsBridge } from "../kernel/ovs/open-vswitch.ts";
import { formatVsctlShow } from "../kernel/ovs/vsctl-show.ts";
import { formatRoute, formatRoute6 } from "../kernel/route/ip-route.ts";
import { formatRule, formatRule6 } from "../kernel/route/ip-rule.ts";
import type { Sockets } from "../kernel/socket/socket.ts";
import { formatSs } from "../kernel/socket/ss.ts";
import { formatTunDaemons } from "../kernel/socket/tun-daemon.ts";
import { formatQdiscs, formatTcFilters } from "../kernel/tc/tc-text.ts";
import type { TcFilter, TrafficControl } from "../kernel/tc/traffic-control.ts";

/**
 * One host in a snapshot's form: the inverse of `host-in.ts`. What was kept unmodelled is put back where it came from,
 * behind the modelled items of its field.
 */
export function formatHost(host: Host): Json {
  const { iptables, ip6tables, nft, sockets } = host;
  const backend = (iptables ?? ip6tables)?.backend;
  return {
    kind: host.kind,
    ...(host.kernel === DEFAULT_KERNEL ? {} : { kernel: host.kernel }),
    links: formatLinks(host),
    addrs: formatAddrs(host),
    routes: host.routes.map(formatRoute),
    rules: host.rules.map(formatRule),
    ...(host.routes6.length === 0 && host.rules6.length === 0
      ? {}
      : { routes6: host.routes6.map(formatRoute6) }),
    ...(host.rules6.length === 0 ? {} : { rules6: host.rules6.map(formatRule6) }),
    neigh: [...host.neighbours.map(formatNeighbour), ...host.neighbours6.map(formatNeighbour6)],
    fdb: [...host.fdb.map(formatFdbEntry), ...keptList(host, "fdb")],
    bridgeLinks: host.devices.flatMap(formatBridgeLink),
    ...(host.bridgeVlans.length === 0 ? {} : { bridgeVlans: formatBridgeVlans(host.bridgeVlans) }),
    sysctl: Object.fromEntries(host.sysctl),
    ...(backend === undefined ? {} : { iptablesBackend: backend }),
    ...(iptables === null ? {} : { iptablesSave: formatIptablesSave(iptables) }),
    ...(ip6tables === null ? {} : { ip6tablesSave: formatIptablesSave(ip6tables) }),
    ...(host.ipvs === null ? {} : formatIpvs(host.ipvs)),
    ...(host.ipsets === null ? {} : { ipsetSave: formatIpsetSave(host.ipsets) }),
    ...(nft === null ? {} : { nftRuleset: formatNftRuleset(nft, true) }),
    ...(sockets.kind === "assumed"
      ? {}
      : { sockets: formatSs(sockets.sockets, keptList(host, "sockets").map(String)) }),
    ...formatDaemons(sockets),
    ...formatTrafficControl(host.tc),
    ...formatOpenVswitch(host),
    ...keptFields(host),
  };
}

function formatTrafficControl({ qdiscs, filters }: TrafficControl): Json {
  const places = new Map<string, TcFilter[]>();
  for (const filter of filters) {
    const place = `${filter.dev} ${filter.hook}`;
    places.set(place, [...(places.get(place) ?? []), filter]);
  }
  const tcFilters = Object.fromEntries([...places].map(([place, own]) => [place, formatTcFilters(own)]));
  return {
    ...(qdiscs.length === 0 ? {} : { qdiscs: formatQdiscs(qdiscs) }),
    ...(filters.length === 0 ? {} : { tcFilters }),
  };
}

function formatOpenVswitch({ ovs, devices }: Host): Json {
  if (ovs === null) return {};
  const macOf = (name: string): string => {
    const device = devices.find((each) => each.name === name);
    return formatMac(device?.mac ?? MAC_ZERO);
  };
  const byBridge = (textOf: (bridge: OvsBridge) => string | null): Json =>
    Object.fromEntries(
      ovs.bridges.flatMap((bridge) => {
        const text = textOf(bridge);
        return text === null ? [] : [[bridge.name, text]];
      }),
    );
  const fields: Json = {
    ovsShow: byBridge((bridge) => formatOfctlShow(bridge, macOf)),
    ovsFlows: byBridge(({ flows }) => (flows === null ? null : formatOvsFlows(flows))),
    ovsGroups: byBridge(({ groups }) => (groups.length === 0 ? null : formatOvsGroups(groups))),
  };
  const said = Object.entries(fields).filter(([, value]) => Object.keys(value as Json).length > 0);
  return { ovsVsctl: formatVsctlShow(ovs), ...Object.fromEntries(said) };
}

function formatDaemons(sockets: Sockets): Json {
  const list = sockets.kind === "listed" ? sockets.sockets : (sockets.known ?? []);
  const tunDaemons = formatTunDaemons(list);
  return tunDaemons.length === 0 ? {} : { tunDaemons };
}

function formatIpvs({ services, timeouts }: Ipvs): Json {
  return {
    ipvs: formatIpvsadmSave(services),
    // Sorted, the order would be taken for the kernel's.
    ...(services.every(({ ordered }) => ordered)
      ? { ipvsOrder: formatIpvsadmList(services, { sorted: false }) }
      : {}),
    ipvsTimeouts: formatTimeouts(timeouts).trimEnd(),
  };
}

/** Fields that the host as a whole gives back item by item, or that the snapshot gives back for all hosts. */
const PLACED = new Set(["links", "fdb", "sockets", "macvlans"]);

function keptFields(host: Host): Json {
  return Object.fromEntries([...host.unmodelled].filter(([name]) => !PLACED.has(name)));
}

/** The items of a field that were kept unread. */
export function keptList(host: Host, field: string): readonly unknown[] {
  const value = host.unmodelled.get(field);
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

function keptByDevice(host: Host, field: string): ReadonlyMap<unknown, Json> {
  const items = keptList(host, field).filter(isJsonObject);
  return new Map(items.map((item): [unknown, Json] => [nameOf(item), item]));
}

function nameOf({ ifname }: Json): unknown {
  return ifname;
}

function formatLinks(host: Host): Json[] {
  const dumped = keptByDevice(host, "links");
  return host.devices.map((device) => formatLink(device, dumped.get(device.name)));
}

function formatAddrs(host: Host): Json[] {
  const dumped = keptByDevice(host, "links");
  const byDevice = new Map<string, Json[]>();
  const add = (dev: string, address: Json): void => {
    const known = byDevice.get(dev);
    if (known === undefined) byDevice.set(dev, [address]);
    else known.push(address);
  };
  for (const address of host.addresses) add(address.dev, formatAddress(address));
  for (const address of host.addresses6) add(address.dev, formatAddress6(address));
  return host.devices.map((device) => ({
    ...formatHead(device, dumped.get(device.name)),
    addr_info: byDevice.get(device.name) ?? [],
  }));
}

/** What `ip addr` says of a device; `ip -d link` says more. */
const HEAD_FIELDS = new Set([
  "ifindex",
  "link",
  "link_index",
  "ifname",
  "flags",
  "mtu",
  "qdisc",
  "master",
  "operstate",
  "group",
  "txqlen",
  "link_type",
  "address",
  "broadcast",
  "link_netnsid",
]);

function formatHead(device: Device, dumped: Json | undefined): Json {
  if (dumped === undefined) return formatLinkHead(device);
  return Object.fromEntries(
    Object.entries(formatLink(device, dumped)).filter(([field]) => HEAD_FIELDS.has(field)),
  );
}

function formatBridgeLink(device: Device): Json[] {
  if (device.port === null) return [];
  const { ifindex, ifname, flags, mtu, master } = formatLinkHead(device);
  return [{ ifindex, ifname, flags, mtu, master, ...formatBridgePort(device.port) }];
}
