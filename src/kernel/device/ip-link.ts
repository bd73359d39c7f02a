import { formatIpv4 } from "../../address/ipv4.ts";
import { formatMac, MAC_ZERO } from "../../address/mac.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import type { Origin } from "../origin.ts";
import { formatBridgePort, NEW_BRIDGE_PORT, parseBridgePort } from "./bridge-link.ts";
import type { BridgePort, Device, DeviceDetail } from "./device.ts";
import { formatDetail, parseDetail } from "./link-detail.ts";
import { LINK_TYPES } from "./link-kind.ts";

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
    ...groupOf(json),
    master,
    detail: parseDetail(json, linkType),
    port: parsePort(json, name, master, ports, bridges),
    origin,
  };
}

/** A group that bears a name but `default` is known to its machine alone (/etc/iproute2/group). */
function groupOf(json: JsonFields): { readonly group?: number } {
  const group = Number(json.optionalText("group") ?? 0);
  return Number.isInteger(group) && group > 0 ? { group } : {};
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
  return {
    ifindex: device.ifindex,
    ...formatLower(device),
    ifname: device.name,
    flags: formatFlags(device),
    mtu: device.mtu,
    ...(device.master === null ? {} : { master: device.master }),
    operstate: operState(device),
    ...(device.group === undefined ? {} : { group: String(device.group) }),
    ...formatLinkLayer(device),
  };
}

/** Only in its own namespace can a device name the one it sits on. */
function formatLower({ detail }: Device): Json {
  const lower = "lower" in detail ? detail.lower : null;
  return lower === null || lower.host !== null ? {} : { link: lower.device };
}

/** A tunnel's ends stand where others have their hardware addresses. */
function formatLinkLayer({ detail, mac }: Device): Json {
  if (detail.kind === "ipip") {
    const [address, broadcast] = [formatIpv4(detail.local ?? 0), formatIpv4(detail.remote ?? 0)];
    return { link_type: "ipip", address, broadcast };
  }
  if (detail.kind === "tun" && detail.mode === "tun") return { link_type: "none" };
  return detail.kind === "loopback"
    ? { link_type: "loopback", address: formatMac(mac), broadcast: "00:00:00:00:00:00" }
    : { link_type: "ether", address: formatMac(mac), broadcast: "ff:ff:ff:ff:ff:ff" };
}

const WITHOUT_CARRIER: readonly DeviceDetail["kind"][] = [
  "loopback",
  "vxlan",
  "dummy",
  "ipip",
  "ipvlan",
  "geneve",
  "ifb",
];

/** Drivers without a carrier of their own leave the state at UNKNOWN (`Documentation/networking/operstates.rst`). */
function operState({ up, carrier, detail }: Device): string {
  if (!up || !carrier) return "DOWN";
  return WITHOUT_CARRIER.includes(detail.kind) ? "UNKNOWN" : "UP";
}

/** Of the kinds whose every setting is not state, what a dump says is kept beside it (`formatLink`). */
export function keepsDump({ detail }: Device): boolean {
  return !["loopback", "veth", "ether", "bridge", "vxlan"].includes(detail.kind);
}

/**
 * `dumped` is what a dump said of a device of which not everything is modelled: the rest of it is given back with it.
 */
export function formatLink(device: Device, dumped: Json | undefined): Json {
  if (dumped !== undefined && keepsDump(device)) {
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

/** iproute2 writes NO-CARRIER for a device that is up without being able to send. */
function formatFlags(device: Device): string[] {
  return [
    ...(device.up && !device.carrier ? ["NO-CARRIER"] : []),
    ...formatReach(device),
    ...(device.noArp ? ["NOARP"] : []),
    ...(device.detail.kind === "vrf" ? ["MASTER"] : []),
    ...(device.up ? ["UP"] : []),
    ...(device.up && device.carrier ? ["LOWER_UP"] : []),
  ];
}

function formatReach({ detail, noArp }: Device): string[] {
  if (detail.kind === "vrf") return [];
  if (detail.kind === "loopback") return ["LOOPBACK"];
  if (detail.kind === "ipip") return detail.remote === null ? [] : ["POINTOPOINT"];
  if (detail.kind === "tun" && detail.mode === "tun") return ["POINTOPOINT", "MULTICAST"];
  return noArp ? ["BROADCAST"] : ["BROADCAST", "MULTICAST"];
}

/** Whether the flags that a device models are those of the dump. */
function sameFlags(dumped: unknown, flags: unknown): boolean {
  if (!Array.isArray(dumped) || !Array.isArray(flags)) return false;
  return ["UP", "NO-CARRIER", "NOARP"].every((flag) => dumped.includes(flag) === flags.includes(flag));
}
