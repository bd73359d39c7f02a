import { formatIp, isGroupIp } from "../../address/ip.ts";
import { formatIpv4 } from "../../address/ipv4.ts";
import { formatMac, MAC_ZERO } from "../../address/mac.ts";
import type { LinkChange } from "../operation.ts";
import { formatTos } from "../route/dsfield.ts";
import { quote, words } from "../shell-words.ts";
import type { BridgePort, Device, DeviceDetail } from "./device.ts";

/** The `ip link` and `bridge link` commands that make and change devices. */

/** What iproute2 (6.1, `iplink_parse`) takes for a word of its own, or for the beginning of one. */
const KEYWORDS = (
  "up down name index link address txqueuelen mtu xdp xdpgeneric xdpdrv xdpoffload netns multicast allmulticast promisc " +
  "trailers arp carrier vf master vrf nomaster dynamic type alias group mode state numtxqueues numrxqueues addrgenmode " +
  "link-netns link-netnsid protodown protodown_reason gso_max_size gso_max_segs gro_max_size parentdev broadcast brd qlen " +
  "txqlen dev help peer"
).split(" ");

/** A device's name as `ip link` takes it: introduced by `dev` or `name` where it could be read as something else. */
export function deviceWords(device: string, introduced: "dev" | "name" = "dev"): string {
  const name = quote(device);
  return KEYWORDS.some((word) => word.startsWith(device)) ? `${introduced} ${name}` : name;
}

/** A carrier and a port's state have no command: they follow the other end of the cable. */
export function linkChangeText(device: string, { mac, mtu, up, noArp, master }: LinkChange): string[] {
  const name = deviceWords(device);
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

/** A loopback is there from the beginning, and a card is plugged in: it can only be set. */
export function addLinkText(device: Device): string[] {
  const { detail } = device;
  if (detail.kind === "loopback") return [];
  if (detail.kind === "ether") {
    return [`ip link set ${deviceWords(device.name)} address ${formatMac(device.mac)} mtu ${device.mtu}`];
  }
  if (detail.kind === "tun") {
    const name = quote(device.name);
    return [
      `ip tuntap add dev ${name} mode ${detail.mode}`,
      `ip link set ${deviceWords(device.name)} mtu ${device.mtu}`,
    ];
  }
  return [newLinkText(device, detailText(detail))];
}

/** `ip link add`; `type` is the kind with its own settings. */
export function newLinkText(device: Device, type: string): string {
  const address = device.mac === MAC_ZERO ? "" : ` address ${formatMac(device.mac)}`;
  const lower = "lower" in device.detail ? device.detail.lower : null;
  const below = lower === null ? "" : ` link ${quote(lower.device)}`;
  return `ip link add ${deviceWords(device.name, "name")}${below} index ${device.ifindex}${address} mtu ${device.mtu} type ${type}`;
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
    case "vrf":
      return `vrf table ${detail.table}`;
    case "bond":
      return words(
        "bond",
        `mode ${detail.mode}`,
        detail.active !== null && `active_slave ${quote(detail.active)}`,
      );
    case "geneve":
      return words(
        `geneve id ${detail.vni} remote ${formatIp(detail.remote)}`,
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
    case "external":
      return `${detail.type} external dstport ${detail.port}`;
    // Made by its own daemon alone.
    case "openvswitch":
      return "openvswitch";
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
    detail.nfCallIp6tables && "nf_call_ip6tables 1",
  );
}

function vxlanText(detail: Extract<DeviceDetail, { kind: "vxlan" }>): string {
  const { remote, local, link, ttl } = detail;
  const isGroup = remote !== null && isGroupIp(remote);
  return words(
    `vxlan id ${detail.vni}`,
    remote !== null && `${isGroup ? "group" : "remote"} ${formatIp(remote)}`,
    local !== null && `local ${formatIp(local)}`,
    link !== null && `dev ${quote(link)}`,
    `dstport ${detail.port}`,
    detail.learning ? "learning" : "nolearning",
    detail.ageingS !== undefined && `ageing ${detail.ageingS}`,
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
    ...(device.noArp ? [`ip link set ${deviceWords(device.name)} arp off`] : []),
    ...(device.group === undefined ? [] : [`ip link set dev ${name} group ${device.group}`]),
    ...(device.master === null
      ? []
      : [`ip link set ${deviceWords(device.name)} master ${quote(device.master)}`]),
    ...(device.port === null ? [] : portText(name, device.port)),
    ...(device.up ? [`ip link set ${deviceWords(device.name)} up`] : []),
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
  );
  return [
    ...(settings === "" ? [] : [`bridge link set dev ${name} ${settings}`]),
    ...(port.flags ?? []).map((flag) => `ip link set dev ${name} type bridge_slave ${flag} on`),
  ];
}

/** A port's state, where it does not forward: the kernel takes none before the port is up and has a carrier (`br_set_port_state`). */
export function portStateText({ name, port }: Device): string[] {
  if (port === null || port.state === "forwarding") return [];
  return [`bridge link set dev ${quote(name)} state ${port.state}`];
}
