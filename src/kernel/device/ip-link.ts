import { formatIpv4, type Ipv4 } from "../../address/ipv4.ts";
import { formatMac, MAC_ZERO } from "../../address/mac.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import { nearestWord } from "../nearest-word.ts";
import type { Origin } from "../origin.ts";
import { formatBridgePort, NEW_BRIDGE_PORT, parseBridgePort } from "./bridge-link.ts";
import type { BridgePort, Device, DeviceDetail } from "./device.ts";
import { LINK_KINDS, LINK_TYPES } from "./link-kind.ts";

/** Devices as `ip -j -d link` prints them, and as the heads of `ip -j addr`, which know no kinds. */

/** What `bridge -j -d link` says of a port, by the port's name. */
export type BridgePorts = ReadonlyMap<string, BridgePort>;

/** The longest name a device may have (`IFNAMSIZ` without its final zero). */
const NAME_LENGTH = 15;

/**
 * One device. undefined, having told the faults, when not even the name can be read: a device with other faults is
 * handed out, so that what refers to it is not reported too.
 */
export function parseLink(
  json: JsonFields,
  ports: BridgePorts,
  bridges: ReadonlySet<string>,
  origin: Origin,
): Device | undefined {
  const name = json.text("ifname");
  if (name === "") return undefined;
  if (name.length > NAME_LENGTH || /[\s/]/.test(name)) {
    json.fault(
      "ifname",
      `${JSON.stringify(name)} is no device name: at most 15 characters, no blanks or slashes`,
    );
    return undefined;
  }
  const flags = json.texts("flags");
  if (!json.has("flags")) json.fault("flags", 'is missing: a list such as ["UP", "LOWER_UP"] is expected');
  const up = flags.includes("UP");
  const linkType = json.word("link_type", LINK_TYPES, "ether");
  const hasMac = linkType === "ether" || linkType === "loopback";
  const master = json.optionalText("master");
  return {
    ifindex: json.integer("ifindex", 1, 0x7fff_ffff),
    name,
    mac: hasMac ? json.mac("address") : MAC_ZERO,
    mtu: json.integer("mtu", 0, 0x7fff_ffff),
    up,
    carrier: !flags.includes("NO-CARRIER"),
    noArp: flags.includes("NOARP"),
    master,
    detail: parseDetail(json, linkType),
    port: parsePort(json, name, master, ports, bridges),
    origin,
  };
}

function parseDetail(json: JsonFields, linkType: string): DeviceDetail {
  const info = json.object("linkinfo");
  const kind = info?.optionalText("info_kind") ?? null;
  if (info !== undefined && kind !== null && !LINK_KINDS.includes(kind)) {
    const nearest = nearestWord(kind, LINK_KINDS, Number.POSITIVE_INFINITY);
    info.fault(
      "info_kind",
      `${JSON.stringify(kind)} is no kind of device that Linux has: the nearest is ${JSON.stringify(nearest)}`,
    );
  }
  if (kind === null) {
    if (linkType === "loopback") return { kind: "loopback" };
    return linkType === "ether" ? { kind: "ether" } : { kind: "unmodelled", type: linkType };
  }
  const data = info?.object("info_data");
  if (kind === "veth") return { kind: "veth" };
  if (kind === "bridge") return parseBridge(data);
  if (kind === "vxlan" && data !== undefined && isModelledVxlan(data)) return parseVxlan(data);
  if (kind === "vxlan" && data === undefined) {
    info?.fault("info_data", "is missing: the vxlan's id is expected");
  }
  return { kind: "unmodelled", type: kind };
}

function parseBridge(data: JsonFields | undefined): DeviceDetail {
  return {
    kind: "bridge",
    vlanFiltering: data?.flag("vlan_filtering", false) ?? false,
    ageingS: (data?.integer("ageing_time", 0, 0xffff_ffff, 30_000) ?? 30_000) / 100,
    nfCallIptables: data?.flag("nf_call_iptables", false) ?? false,
  };
}

/** A VXLAN over IPv6, or one whose tunnels come with each packet (`external`), is not modelled. */
function isModelledVxlan(data: JsonFields): boolean {
  return !["remote6", "group6", "local6", "external"].some(
    (name) => data.has(name) && data.get(name) !== false,
  );
}

function parseVxlan(data: JsonFields): DeviceDetail {
  return {
    kind: "vxlan",
    vni: data.integer("id", 0, 0xff_ffff),
    link: data.optionalText("link"),
    local: data.optionalAddress("local"),
    remote: data.optionalAddress(data.has("group") ? "group" : "remote"),
    port: data.integer("port", 0, 65_535, 8472),
    learning: data.flag("learning", true),
    ttl: data.integer("ttl", 0, 255, 0),
    df: data.word("df", ["unset", "set", "inherit"], "unset"),
  };
}

/** `bridge link` knows more of a port than `ip link`; a port of which neither says anything is as new. */
function parsePort(
  json: JsonFields,
  name: string,
  master: string | null,
  ports: BridgePorts,
  bridges: ReadonlySet<string>,
): BridgePort | null {
  if (master === null) return null;
  const fromBridge = ports.get(name);
  if (fromBridge !== undefined) return fromBridge;
  const info = json.object("linkinfo");
  const data = info?.get("info_slave_kind") === "bridge" ? info.object("info_slave_data") : undefined;
  if (data !== undefined) return parseBridgePort(data);
  return bridges.has(master) ? NEW_BRIDGE_PORT : null;
}

/** What `ip -j addr` and `ip -j link` print alike. */
export function formatLinkHead(device: Device): Json {
  const loopback = device.detail.kind === "loopback";
  return {
    ifindex: device.ifindex,
    ifname: device.name,
    flags: formatFlags(device),
    mtu: device.mtu,
    ...(device.master === null ? {} : { master: device.master }),
    operstate: operState(device),
    link_type: loopback ? "loopback" : "ether",
    address: formatMac(device.mac),
    broadcast: loopback ? "00:00:00:00:00:00" : "ff:ff:ff:ff:ff:ff",
  };
}

/** Drivers without a carrier of their own leave the state at UNKNOWN (`Documentation/networking/operstates.rst`). */
function operState({ up, carrier, detail }: Device): string {
  if (!up || !carrier) return "DOWN";
  return detail.kind === "loopback" || detail.kind === "vxlan" ? "UNKNOWN" : "UP";
}

/**
 * `dumped` is what a dump said of a device of a kind that is not modelled: the rest of it is given back with it.
 */
export function formatLink(device: Device, dumped: Json | undefined): Json {
  if (device.detail.kind === "unmodelled" && dumped !== undefined) {
    const { ifindex, ifname, flags, mtu } = formatLinkHead(device);
    const { flags: dumpedFlags } = dumped;
    const unchanged = sameFlags(dumpedFlags, flags);
    return { ...dumped, ifindex, ifname, mtu, ...(unchanged ? {} : { flags }) };
  }
  const linkinfo = formatLinkInfo(device);
  return { ...formatLinkHead(device), ...(linkinfo === undefined ? {} : { linkinfo }) };
}

function formatLinkInfo(device: Device): Json | undefined {
  const kind = formatDetail(device.detail);
  const port = device.port;
  if (kind === undefined && port === null) return undefined;
  if (port === null) return kind;
  return { ...kind, info_slave_kind: "bridge", info_slave_data: formatBridgePort(port) };
}

function formatDetail(detail: DeviceDetail): Json | undefined {
  switch (detail.kind) {
    case "loopback":
    case "ether":
      return undefined;
    case "veth":
      return { info_kind: "veth" };
    case "unmodelled":
      return LINK_KINDS.includes(detail.type) ? { info_kind: detail.type } : undefined;
    case "bridge":
      return {
        info_kind: "bridge",
        info_data: {
          ageing_time: detail.ageingS * 100,
          vlan_filtering: Number(detail.vlanFiltering),
          nf_call_iptables: Number(detail.nfCallIptables),
        },
      };
    case "vxlan":
      return {
        info_kind: "vxlan",
        info_data: {
          id: detail.vni,
          ...formatRemote(detail.remote),
          ...(detail.local === null ? {} : { local: formatIpv4(detail.local) }),
          ...(detail.link === null ? {} : { link: detail.link }),
          port: detail.port,
          learning: detail.learning,
          ttl: detail.ttl,
          df: detail.df,
        },
      };
    default:
      detail satisfies never;
      throw new Error("unknown kind of device");
  }
}

/** A multicast remote is called the group. */
function formatRemote(remote: Ipv4 | null): Json {
  if (remote === null) return {};
  return { [remote >>> 28 === 0xe ? "group" : "remote"]: formatIpv4(remote) };
}

/** iproute2 writes NO-CARRIER for a device that is up without being able to send. */
function formatFlags(device: Device): string[] {
  const loopback = device.detail.kind === "loopback";
  return [
    ...(device.up && !device.carrier ? ["NO-CARRIER"] : []),
    ...(loopback ? ["LOOPBACK"] : device.noArp ? ["BROADCAST"] : ["BROADCAST", "MULTICAST"]),
    ...(device.noArp ? ["NOARP"] : []),
    ...(device.up ? ["UP"] : []),
    ...(device.up && device.carrier ? ["LOWER_UP"] : []),
  ];
}

/** Whether the flags that a device models are those of the dump. */
function sameFlags(dumped: unknown, flags: unknown): boolean {
  if (!Array.isArray(dumped) || !Array.isArray(flags)) return false;
  return ["UP", "NO-CARRIER", "NOARP"].every((flag) => dumped.includes(flag) === flags.includes(flag));
}
