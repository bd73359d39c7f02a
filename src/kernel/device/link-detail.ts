import { IPV6 } from "../../address/family.ts";
import { familyOfAddress, formatIp, type IpAddress, isGroupIp } from "../../address/ip.ts";
import { formatIpv4, type Ipv4 } from "../../address/ipv4.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import { nearestWord } from "../nearest-word.ts";
import { formatTos } from "../route/dsfield.ts";
import { type BondMode, type DeviceDetail, type LowerDevice, VXLAN_AGEING_S } from "./device.ts";
import { LINK_KINDS } from "./link-kind.ts";

/** What only a device's kind has: `linkinfo` of `ip -j -d link`. */

export function parseDetail(json: JsonFields, linkType: string): DeviceDetail {
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
    if (linkType === "ipip" && isFallbackTunnel(json)) return FALLBACK_TUNNEL;
    return linkType === "ether" ? { kind: "ether" } : { kind: "unmodelled", type: linkType };
  }
  const data = info?.object("info_data");
  if (kind === "veth") return { kind: "veth" };
  if (kind === "bridge") return parseBridge(data);
  if (kind === "dummy") return { kind: "dummy" };
  if (kind === "openvswitch") return { kind: "openvswitch" };
  if ((kind === "vxlan" || kind === "geneve") && data?.get("external") === true)
    return { kind: "external", type: kind, port: data.integer("port", 0, 65_535, 0) };
  if (kind === "ifb") return { kind: "ifb" };
  if (kind === "vrf" && data !== undefined) {
    return { kind: "vrf", table: data.integer("table", 1, 0xffff_ffff) };
  }
  if (kind === "tun") return { kind: "tun", mode: data?.word("type", ["tun", "tap"], "tun") ?? "tun" };
  if (kind === "bond" && data !== undefined) return parseBond(data);
  if (kind === "geneve" && data !== undefined && (data.has("remote") || data.has("remote6")))
    return parseGeneve(data);
  if (kind === "macvlan") return parseMacvlan(data, lowerOf(json)) ?? { kind: "unmodelled", type: kind };
  if (kind === "ipvlan" && data !== undefined) return parseIpvlan(data, lowerOf(json));
  if (kind === "vlan" && data?.get("protocol") !== "802.1ad" && data !== undefined) {
    return { kind: "vlan", id: data.integer("id", 0, 4095), lower: lowerOf(json) };
  }
  if (kind === "ipip" && isModelledIpip(data)) return parseIpip(data);
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
    nfCallIp6tables: data?.flag("nf_call_ip6tables", false) ?? false,
  };
}

/** One whose tunnels come with each packet (`external`) is not modelled. */
function isModelledVxlan(data: JsonFields): boolean {
  return !data.has("external") || data.get("external") === false;
}

function parseVxlan(data: JsonFields): DeviceDetail {
  const local = tunnelEnd(data, "local");
  const remote = tunnelEnd(data, "group") ?? tunnelEnd(data, "remote");
  if (local !== null && remote !== null && familyOfAddress(local) !== familyOfAddress(remote))
    data.fault("local", `is of another family than the remote end, ${formatIp(remote)}`);
  return {
    kind: "vxlan",
    vni: data.integer("id", 0, 0xff_ffff),
    link: data.optionalText("link"),
    local,
    remote,
    port: data.integer("port", 0, 65_535, 8472),
    learning: data.flag("learning", true),
    ...otherAgeing(data.integer("ageing", 0, 0xffff_ffff, VXLAN_AGEING_S)),
    ttl: data.integer("ttl", 0, 255, 0),
    df: data.word("df", ["unset", "set", "inherit"], "unset"),
  };
}

function otherAgeing(ageingS: number): { ageingS?: number } {
  return ageingS === VXLAN_AGEING_S ? {} : { ageingS };
}

/** `NAME`, or `NAME6` of IPv6. */
function tunnelEnd(data: JsonFields, name: string): IpAddress | null {
  return data.optionalAddressOf(IPV6, `${name}6`) ?? data.optionalAddress(name);
}

/** A name says that it is in the same namespace; where it is not, `link_index` is all there is. */
function lowerOf(json: JsonFields): LowerDevice | null {
  const device = json.optionalText("link");
  return device === null ? null : { host: null, device };
}

const BOND_MODES: readonly BondMode[] = [
  "balance-rr",
  "active-backup",
  "balance-xor",
  "broadcast",
  "802.3ad",
  "balance-tlb",
  "balance-alb",
];

function parseBond(data: JsonFields): DeviceDetail {
  return {
    kind: "bond",
    mode: data.word("mode", BOND_MODES, "balance-rr"),
    active: data.optionalText("active_slave"),
  };
}

function parseGeneve(data: JsonFields): DeviceDetail {
  return {
    kind: "geneve",
    vni: data.integer("id", 0, 0xff_ffff),
    remote: tunnelEnd(data, "remote") ?? 0,
    port: data.integer("port", 0, 65_535, 6081),
    ttl: data.integer("ttl", 0, 255, 0),
    df: data.word("df", ["unset", "set", "inherit"], "unset"),
  };
}

/** undefined: the mode `source`, which takes frames by who sent them, is not modelled. */
function parseMacvlan(data: JsonFields | undefined, lower: LowerDevice | null): DeviceDetail | undefined {
  if (data === undefined || data.get("mode") === "source") return undefined;
  return {
    kind: "macvlan",
    mode: data.word("mode", ["private", "vepa", "bridge", "passthru"], "vepa"),
    lower,
  };
}

function parseIpvlan(data: JsonFields, lower: LowerDevice | null): DeviceDetail {
  const flag = data.flag("private", false) ? "private" : data.flag("vepa", false) ? "vepa" : "bridge";
  return { kind: "ipvlan", mode: data.word("mode", ["l2", "l3", "l3s"], "l3"), flag, lower };
}

/** `tunl0` has neither end, and nothing to set (`ip_tunnel_init_net`): it needs no details. */
function isFallbackTunnel(json: JsonFields): boolean {
  return json.get("address") === "0.0.0.0" && json.get("broadcast") === "0.0.0.0";
}

const FALLBACK_TUNNEL: DeviceDetail = {
  kind: "ipip",
  link: null,
  local: null,
  remote: null,
  ttl: 0,
  tos: 0,
  pmtudisc: false,
};

/** Its packets may be wrapped in UDP (`encap`), or come with their tunnels (`external`): neither is modelled. */
function isModelledIpip(data: JsonFields | undefined): data is JsonFields {
  if (data === undefined) return false;
  return !["external", "encap", "ignore-df"].some((name) => data.has(name) && data.get(name) !== false);
}

function parseIpip(data: JsonFields): DeviceDetail {
  return {
    kind: "ipip",
    link: data.optionalText("link"),
    local: parseEnd(data, "local"),
    remote: parseEnd(data, "remote"),
    ttl: data.get("ttl") === "inherit" ? 0 : data.integer("ttl", 0, 255, 0),
    tos: data.get("tos") === "inherit" ? 1 : data.has("tos") ? data.number32("tos") : 0,
    pmtudisc: data.flag("pmtudisc", true),
  };
}

/** A tunnel's end, null for `any`. */
function parseEnd(data: JsonFields, name: string): Ipv4 | null {
  const end = data.get(name) === "any" ? null : data.optionalAddress(name);
  return end === 0 ? null : end;
}

/** `linkinfo`, undefined for a device that has none. */
export function formatDetail(detail: DeviceDetail): Json | undefined {
  switch (detail.kind) {
    case "loopback":
    case "ether":
      return undefined;
    case "veth":
      return { info_kind: "veth" };
    case "unmodelled":
      return LINK_KINDS.includes(detail.type) ? { info_kind: detail.type } : undefined;
    case "dummy":
      return { info_kind: "dummy" };
    case "ifb":
      return { info_kind: "ifb" };
    case "openvswitch":
      return { info_kind: "openvswitch" };
    case "external":
      return { info_kind: detail.type, info_data: { external: true, port: detail.port } };
    case "vrf":
      return { info_kind: "vrf", info_data: { table: detail.table } };
    case "tun":
      return { info_kind: "tun", info_data: { type: detail.mode } };
    case "bond":
      return {
        info_kind: "bond",
        info_data: { mode: detail.mode, ...(detail.active === null ? {} : { active_slave: detail.active }) },
      };
    case "geneve":
      return {
        info_kind: "geneve",
        info_data: {
          id: detail.vni,
          ...formatRemote(detail.remote),
          ttl: detail.ttl,
          df: detail.df,
          port: detail.port,
        },
      };
    case "macvlan":
      return { info_kind: "macvlan", info_data: { mode: detail.mode } };
    case "ipvlan":
      return { info_kind: "ipvlan", info_data: { mode: detail.mode, [detail.flag]: true } };
    case "vlan":
      return { info_kind: "vlan", info_data: { protocol: "802.1Q", id: detail.id } };
    case "ipip":
      return { info_kind: "ipip", info_data: formatIpip(detail) };
    case "bridge":
      return {
        info_kind: "bridge",
        info_data: {
          ageing_time: detail.ageingS * 100,
          vlan_filtering: Number(detail.vlanFiltering),
          nf_call_iptables: Number(detail.nfCallIptables),
          ...(detail.nfCallIp6tables ? { nf_call_ip6tables: 1 } : {}),
        },
      };
    case "vxlan":
      return {
        info_kind: "vxlan",
        info_data: {
          id: detail.vni,
          ...formatRemote(detail.remote),
          ...(detail.local === null ? {} : { [endName("local", detail.local)]: formatIp(detail.local) }),
          ...(detail.link === null ? {} : { link: detail.link }),
          port: detail.port,
          learning: detail.learning,
          ...(detail.ageingS === undefined ? {} : { ageing: detail.ageingS }),
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
function formatRemote(remote: IpAddress | null): Json {
  if (remote === null) return {};
  return { [endName(isGroupIp(remote) ? "group" : "remote", remote)]: formatIp(remote) };
}

function endName(name: string, address: IpAddress): string {
  return typeof address === "number" ? name : `${name}6`;
}

function formatIpip({
  link,
  local,
  remote,
  ttl,
  tos,
  pmtudisc,
}: Extract<DeviceDetail, { kind: "ipip" }>): Json {
  return {
    proto: "ipip",
    remote: remote === null ? "any" : formatIpv4(remote),
    local: local === null ? "any" : formatIpv4(local),
    ...(link === null ? {} : { link }),
    ttl,
    ...(tos === 0 ? {} : { tos: formatTos(tos) }),
    pmtudisc,
  };
}
