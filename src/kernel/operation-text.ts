import { formatIpv4 } from "../address/ipv4.ts";
import { formatMac, MAC_ZERO } from "../address/mac.ts";
import { formatPrefix4, networkOf, type Prefix4 } from "../address/prefix.ts";
import type { BridgeVlan } from "./device/bridge-vlan.ts";
import type {
  BridgePort,
  Device,
  DeviceDetail,
  FdbEntry,
  InterfaceAddress,
  Neighbour,
} from "./device/device.ts";
import type { EntryBatch } from "./entry-batch.ts";
import { formatEntry } from "./ipset/add-line.ts";
import { formatElement } from "./ipset/element-text.ts";
import { endText, selectorWords, serverWords, serviceWords } from "./ipvs/ipvsadm-words.ts";
import { splitArguments } from "./netfilter/save/arguments.ts";
import { formatRuleArguments } from "./netfilter/save/format.ts";
import { formatNftCommand } from "./nft/text/format-command.ts";
import type { LinkChange, Operation } from "./operation.ts";
import { formatTos } from "./route/dsfield.ts";
import { formatDestination } from "./route/ip-route.ts";
import { formatProtocol } from "./route/ip-rule.ts";
import type { NextHop, PolicyRule, Route } from "./route/route.ts";

/**
 * An operation as the command lines that do it. None for what has no command: sockets are opened by programs, and what
 * is not modelled is only kept. The text of an `iptables-restore` is written by `formatIptablesSave`; here is its line.
 */
export function operationText(operation: Operation): string[] {
  switch (operation.kind) {
    case "link-add":
      return [...addLinkText(operation.device), ...linkSettingsText(operation.device)];
    case "link-delete":
      return [`ip link delete ${quote(operation.name)}`];
    case "link-set":
      return [`ip link set ${quote(operation.name)} ${operation.up ? "up" : "down"}`];
    case "link-change":
      return linkChangeText(operation.name, operation.change);
    case "address-add":
      return [`ip addr add ${addressText(operation.address)}`];
    case "address-delete":
      return [`ip addr del ${addressText(operation.address)}`];
    case "route-add":
      return [`ip route add ${routeText(operation.route)}`];
    case "route-replace":
      return [`ip route replace ${routeText(operation.route)}`];
    case "route-delete":
      return [`ip route del ${routeText(operation.route)}`];
    case "rule-add":
      return [`ip rule add ${ruleText(operation.rule)}`];
    case "neighbour-replace":
      return [`ip neigh replace ${neighbourText(operation.neighbour)}`];
    case "fdb-append":
      return [`bridge fdb append ${fdbText(operation.entry)}`];
    case "bridge-vlan-add":
      return [bridgeVlanText(operation.vlan)];
    case "bridge-vlan-delete":
      return [
        words(
          `bridge vlan del dev ${quote(operation.dev)} vid ${vidText(operation)}`,
          operation.self && "self",
        ),
      ];
    case "batch-add":
      return batchText(operation.batch, operation.without);
    case "sysctl":
      return [`sysctl -w ${quote(`${operation.name}=${operation.value}`)}`];
    case "iptables-restore":
      return [operation.noflush ? "iptables-restore --noflush" : "iptables-restore"];
    case "iptables-insert":
      return [insertText(operation)];
    case "iptables-delete":
      return [`iptables -t ${quote(operation.table)} -D ${quote(operation.chain)} ${operation.index}`];
    case "nft-restore":
      return ["nft flush ruleset", "nft -f -"];
    case "nft":
      return operation.commands.map((command) => `nft ${quote(formatNftCommand(command))}`);
    case "ipset-restore":
      return ["ipset restore"];
    case "ipset-destroy":
      return [`ipset destroy ${quote(operation.set)}`];
    case "ipset-add":
      return [
        words(
          `ipset add ${quote(operation.set)} ${formatEntry(operation.entry, quote)}`,
          operation.exist && "-exist",
        ),
      ];
    case "ipset-delete":
      return [`ipset del ${quote(operation.set)} ${quote(formatElement(operation.entry.parts))}`];
    case "ipvs-restore":
      return ["ipvsadm -R"];
    case "virtual-server-add":
    case "virtual-server-edit": {
      const { selector } = operation.service;
      const letter = operation.kind === "virtual-server-add" ? "A" : "E";
      return [`ipvsadm -${letter} ${selectorWords(selector)} ${serviceWords(operation.service)}`];
    }
    case "virtual-server-delete":
      return [`ipvsadm -D ${selectorWords(operation.selector)}`];
    case "real-server-add":
    case "real-server-edit": {
      const { selector, server } = operation;
      const letter = operation.kind === "real-server-add" ? "a" : "e";
      return [`ipvsadm -${letter} ${selectorWords(selector)} -r ${endText(server)} ${serverWords(server)}`];
    }
    case "real-server-delete":
      return [`ipvsadm -d ${selectorWords(operation.selector)} -r ${endText(operation.server)}`];
    case "ipvs-clear":
      return ["ipvsadm -C"];
    case "ipvs-timeouts": {
      const { tcpS, tcpFinS, udpS } = operation.timeouts;
      return [`ipvsadm --set ${tcpS} ${tcpFinS} ${udpS}`];
    }
    case "sockets":
    case "socket-open":
    case "unmodelled":
      return [];
    default:
      operation satisfies never;
      throw new Error("unknown operation");
  }
}

/** Group by group, in each what a route's next hop needs before the route. */
function batchText({ groups }: EntryBatch, without: number | null): string[] {
  return groups
    .filter((_, i) => i !== without)
    .flatMap(({ neighbours, fdb, routes }) => [
      ...neighbours.map((neighbour) => `ip neigh replace ${neighbourText(neighbour)}`),
      ...fdb.map((entry) => `bridge fdb append ${fdbText(entry)}`),
      ...routes.map((route) => `ip route add ${routeText(route)}`),
    ]);
}

/** A carrier and a port's state have no command: they follow the other end of the cable. */
function linkChangeText(device: string, { mac, mtu, up, noArp, master }: LinkChange): string[] {
  const name = quote(device);
  return [
    ...(mac === undefined ? [] : [`ip link set ${name} address ${formatMac(mac)}`]),
    ...(mtu === undefined ? [] : [`ip link set ${name} mtu ${mtu}`]),
    ...(noArp === undefined ? [] : [`ip link set ${name} arp ${noArp ? "off" : "on"}`]),
    ...(master === undefined
      ? []
      : [`ip link set ${name} ${master === null ? "nomaster" : `master ${quote(master)}`}`]),
    ...(up === undefined ? [] : [`ip link set ${name} ${up ? "up" : "down"}`]),
  ];
}

/** A word as a shell takes it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A loopback is there from the beginning, and a card is plugged in: it can only be set. */
function addLinkText(device: Device): string[] {
  const { detail } = device;
  if (detail.kind === "loopback") return [];
  if (detail.kind === "ether") {
    return [`ip link set ${quote(device.name)} address ${formatMac(device.mac)} mtu ${device.mtu}`];
  }
  if (detail.kind === "tun") {
    const name = quote(device.name);
    return [`ip tuntap add dev ${name} mode ${detail.mode}`, `ip link set ${name} mtu ${device.mtu}`];
  }
  return [newLinkText(device, detailText(detail))];
}

/** `ip link add`; `type` is the kind with its own settings. */
export function newLinkText(device: Device, type: string): string {
  const address = device.mac === MAC_ZERO ? "" : ` address ${formatMac(device.mac)}`;
  const lower = "lower" in device.detail ? device.detail.lower : null;
  const below = lower === null ? "" : ` link ${quote(lower.device)}`;
  return `ip link add ${quote(device.name)}${below} index ${device.ifindex}${address} mtu ${device.mtu} type ${type}`;
}

function detailText(detail: Exclude<DeviceDetail, { kind: "loopback" | "ether" | "tun" }>): string {
  switch (detail.kind) {
    case "veth":
      return "veth";
    case "unmodelled":
      return detail.type;
    case "bridge":
      return bridgeText(detail);
    case "vxlan":
      return vxlanText(detail);
    case "dummy":
      return "dummy";
    case "ipip":
      return ipipText(detail);
    case "ifb":
      return "ifb";
    case "bond":
      return words(
        "bond",
        `mode ${detail.mode}`,
        detail.active !== null && `active_slave ${quote(detail.active)}`,
      );
    case "geneve":
      return words(
        `geneve id ${detail.vni} remote ${formatIpv4(detail.remote)}`,
        detail.ttl !== 0 && `ttl ${detail.ttl}`,
        detail.df !== "unset" && `df ${detail.df}`,
        `dstport ${detail.port}`,
      );
    case "macvlan":
      return `macvlan mode ${detail.mode}`;
    case "ipvlan":
      return `ipvlan mode ${detail.mode} ${detail.flag}`;
    case "vlan":
      return `vlan id ${detail.id}`;
    default:
      detail satisfies never;
      throw new Error("unknown kind of device");
  }
}

/** Only what a new bridge has otherwise: a kernel may be built without VLAN filtering or br_netfilter. */
function bridgeText(detail: Extract<DeviceDetail, { kind: "bridge" }>): string {
  return words(
    "bridge",
    detail.ageingS !== 300 && `ageing_time ${detail.ageingS * 100}`,
    detail.vlanFiltering && "vlan_filtering 1",
    detail.nfCallIptables && "nf_call_iptables 1",
  );
}

function vxlanText(detail: Extract<DeviceDetail, { kind: "vxlan" }>): string {
  const { remote, local, link, ttl } = detail;
  const isGroup = remote !== null && remote >>> 28 === 0xe;
  return words(
    `vxlan id ${detail.vni}`,
    remote !== null && `${isGroup ? "group" : "remote"} ${formatIpv4(remote)}`,
    local !== null && `local ${formatIpv4(local)}`,
    link !== null && `dev ${quote(link)}`,
    `dstport ${detail.port}`,
    detail.learning ? "learning" : "nolearning",
    ttl !== 0 && `ttl ${ttl}`,
    detail.df !== "unset" && `df ${detail.df}`,
  );
}

function ipipText(detail: Extract<DeviceDetail, { kind: "ipip" }>): string {
  const { link, local, remote, ttl, tos } = detail;
  return words(
    "ipip",
    remote !== null && `remote ${formatIpv4(remote)}`,
    local !== null && `local ${formatIpv4(local)}`,
    link !== null && `dev ${quote(link)}`,
    ttl !== 0 && `ttl ${ttl}`,
    tos !== 0 && `tos ${tos === 1 ? "inherit" : formatTos(tos)}`,
    detail.pmtudisc ? "pmtudisc" : "nopmtudisc",
  );
}

/** What is set once the device is there: its master, its port, whether it is up. */
export function linkSettingsText(device: Device): string[] {
  const name = quote(device.name);
  return [
    ...(device.noArp ? [`ip link set ${name} arp off`] : []),
    ...(device.master === null ? [] : [`ip link set ${name} master ${quote(device.master)}`]),
    ...(device.port === null ? [] : portText(name, device.port)),
    ...(device.up ? [`ip link set ${name} up`] : []),
  ];
}

/** Only what a new port has otherwise. */
function portText(name: string, port: BridgePort): string[] {
  const settings = words(
    port.hairpin && "hairpin on",
    !port.learning && "learning off",
    !port.flood && "flood off",
    !port.mcastFlood && "mcast_flood off",
    !port.bcastFlood && "bcast_flood off",
    port.isolated && "isolated on",
    port.state !== "forwarding" && `state ${port.state}`,
  );
  return settings === "" ? [] : [`bridge link set dev ${name} ${settings}`];
}

/** What follows `ip addr add`. */
export function addressText(address: InterfaceAddress): string {
  const own = formatIpv4(address.address);
  const { peer, broadcast, scope, label, length, dev } = address;
  return words(
    peer === null ? `${own}/${length}` : `${own} peer ${formatIpv4(peer)}/${length}`,
    broadcast !== null && `broadcast ${formatIpv4(broadcast)}`,
    `dev ${quote(dev)}`,
    scope !== "global" && `scope ${scope}`,
    label !== null && label !== dev && `label ${quote(label)}`,
  );
}

/** What follows `ip route add`. */
export function routeText(route: Route): string {
  const [first, second] = route.nextHops;
  const single = second === undefined && first !== undefined && first.weight === 1;
  return words(
    route.type !== "unicast" && route.type,
    formatDestination(networkOf(route.dst)),
    route.tos !== 0 && `tos ${formatTos(route.tos)}`,
    single && hopText(first),
    single && first.onlink && "onlink",
    route.table !== "main" && `table ${quote(route.table)}`,
    route.protocol !== null && `proto ${quote(route.protocol)}`,
    `scope ${route.scope}`,
    route.prefsrc !== null && `src ${formatIpv4(route.prefsrc)}`,
    route.metric !== 0 && `metric ${route.metric}`,
    route.mtu !== 0 && `mtu ${route.mtu}`,
    !single && route.nextHops.map(nextHopText).join(" "),
  );
}

function nextHopText(hop: NextHop): string {
  return words("nexthop", hopText(hop), `weight ${hop.weight}`, hop.onlink && "onlink");
}

function hopText(hop: NextHop): string {
  return words(
    hop.gateway !== null && `via ${formatIpv4(hop.gateway)}`,
    hop.dev !== null && `dev ${quote(hop.dev)}`,
  );
}

/** What follows `ip rule add`. */
export function ruleText(rule: PolicyRule): string {
  return words(
    rule.not && "not",
    rule.src === null ? "from all" : `from ${selectorText(rule.src)}`,
    rule.dst !== null && `to ${selectorText(rule.dst)}`,
    rule.tos !== 0 && `tos ${formatTos(rule.tos)}`,
    rule.fwmark !== null && `fwmark ${markText(rule.fwmark)}`,
    rule.iif !== null && `iif ${quote(rule.iif)}`,
    rule.oif !== null && `oif ${quote(rule.oif)}`,
    rule.uidRange !== null && `uidrange ${rule.uidRange.from}-${rule.uidRange.to}`,
    rule.ipproto !== null && `ipproto ${formatProtocol(rule.ipproto).replace("ipproto-", "")}`,
    rule.sport !== null && `sport ${rangeText(rule.sport)}`,
    rule.dport !== null && `dport ${rangeText(rule.dport)}`,
    `priority ${rule.priority}`,
    actionText(rule.action),
  );
}

function selectorText(prefix: Prefix4): string {
  return prefix.length === 32 ? formatIpv4(prefix.address) : formatPrefix4(prefix);
}

function markText({ value, mask }: { readonly value: number; readonly mask: number }): string {
  const own = `0x${value.toString(16)}`;
  return mask === 0xffff_ffff ? own : `${own}/0x${mask.toString(16)}`;
}

function rangeText({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}-${to}`;
}

function actionText(action: PolicyRule["action"]): string {
  if (action.kind === "goto") return `goto ${action.priority}`;
  if (action.kind !== "lookup") return action.kind;
  const suppress = action.suppressPrefixLength;
  return words(`lookup ${quote(action.table)}`, suppress !== null && `suppress_prefixlength ${suppress}`);
}

/** What follows `ip neigh replace`. */
function neighbourText(neighbour: Neighbour): string {
  const { dst, dev, lladdr, state, proxy } = neighbour;
  if (proxy) return `proxy ${formatIpv4(dst)} dev ${quote(dev)}`;
  return words(
    formatIpv4(dst),
    lladdr !== null && `lladdr ${formatMac(lladdr)}`,
    `dev ${quote(dev)}`,
    `nud ${state}`,
  );
}

/** What follows `bridge fdb append`. */
function fdbText(entry: FdbEntry): string {
  const { mac, dev, dst, vlan, master, state } = entry;
  return words(
    formatMac(mac),
    `dev ${quote(dev)}`,
    dst !== null && `dst ${formatIpv4(dst)}`,
    vlan !== null && `vlan ${vlan}`,
    master === null ? "self" : "master",
    FDB_STATES[state],
  );
}

/** What `bridge vlan` is given. A device in no VLAN was taken out of the one that it began with. */
export function bridgeVlanText(vlan: BridgeVlan): string {
  const dev = quote(vlan.dev);
  if (vlan.from === 0) return words(`bridge vlan del dev ${dev} vid 1`, vlan.self && "self");
  return words(
    `bridge vlan add dev ${dev} vid ${vidText(vlan)}`,
    vlan.pvid && "pvid",
    vlan.untagged && "untagged",
    vlan.self && "self",
  );
}

function vidText({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}-${to}`;
}

const FDB_STATES: Readonly<Record<FdbEntry["state"], string>> = {
  permanent: "permanent",
  static: "static",
  reachable: "dynamic",
  stale: "dynamic",
};

/** `iptables-save` quotes words for itself; here they are quoted for a shell. */
function insertText(operation: Extract<Operation, { kind: "iptables-insert" }>): string {
  const { table, chain, index, rule } = operation;
  const split = splitArguments(formatRuleArguments(rule));
  const args = split.kind === "ok" ? split.arguments.map(({ text }) => quote(text)) : [];
  return words(
    `iptables -t ${quote(table)}`,
    index === null ? `-A ${quote(chain)}` : `-I ${quote(chain)} ${index}`,
    ...args,
  );
}

function words(...parts: readonly (string | false)[]): string {
  return parts.filter((part) => part !== false && part !== "").join(" ");
}
