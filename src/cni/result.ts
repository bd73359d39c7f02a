import { formatMac } from "../address/mac.ts";
import type { Device } from "../kernel/device/device.ts";
import type { Json } from "../kernel/json-fields.ts";
import { fail } from "./cni-error.ts";
import { formatIp, formatIpNet, type Ip, type IpNet, parseIp, parseIpNet } from "./ip.ts";
import { field, integer, object, objects, text, texts } from "./json.ts";
import { type CniVersion, isAtLeast } from "./version.ts";

/** What a plugin hands back. One form inside; every version of the specification has its own on paper. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[];
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns;
}

export interface CniInterface {
  readonly name: string;
  readonly mac: string;
  /** Path of the container's network namespace; empty for a device of the node. */
  readonly sandbox: string;
  /** 0: not said. Printed from version 1.1 on. */
  readonly mtu: number;
}

/** A link address as the results print it. */
export function macText(device: Device): string {
  return formatMac(device.mac);
}

export interface CniIp {
  /** Index into `interfaces`, null where the plugin has none. */
  readonly interface: number | null;
  readonly address: IpNet;
  readonly gateway: Ip | null;
  /** It came in a form before 1.0.0 and without its family, as `loopback` prints it: so it is printed again. */
  readonly isUnversioned?: true;
}

export interface CniRoute {
  readonly dst: IpNet;
  readonly gw: Ip | null;
  /** What version 1.1 adds (`mtu`, `advmss`, `priority`, `table`, `scope`), passed on as it came. */
  readonly more: Json;
  /** Made by the plugin, not read from a configuration. */
  readonly isMade?: true;
}

export interface CniDns {
  readonly nameservers: readonly string[];
  readonly domain: string;
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export const NO_DNS: CniDns = { nameservers: [], domain: "", search: [], options: [] };

export function hasDns(dns: CniDns): boolean {
  return dns.nameservers.length > 0 || dns.search.length > 0 || dns.options.length > 0 || dns.domain !== "";
}

/** In the form of the version, its fields in the order that the plugins print them. */
export function formatResult(result: CniResult, version: CniVersion): Json {
  if (!isAtLeast(version, "0.3.0")) return formatOldResult(result, version);
  return {
    cniVersion: version,
    ...(result.interfaces.length === 0
      ? {}
      : { interfaces: result.interfaces.map((item) => formatInterface(item, version)) }),
    ...(result.ips.length === 0 ? {} : { ips: result.ips.map((ip) => formatCniIp(ip, version)) }),
    ...(result.routes.length === 0
      ? {}
      : { routes: result.routes.map((route) => formatCniRoute(route, version)) }),
    dns: formatDns(result.dns),
  };
}

function formatInterface({ name, mac, sandbox, mtu }: CniInterface, version: CniVersion): Json {
  return {
    name,
    ...(mac === "" ? {} : { mac }),
    ...(mtu === 0 || !isAtLeast(version, "1.1.0") ? {} : { mtu }),
    ...(sandbox === "" ? {} : { sandbox }),
  };
}

function formatCniIp(ip: CniIp, version: CniVersion): Json {
  const { address, gateway, interface: index } = ip;
  const family = ip.isUnversioned === true ? "" : String(address.ip.family);
  return {
    ...(isAtLeast(version, "1.0.0") ? {} : { version: family }),
    ...(index === null ? {} : { interface: index }),
    address: formatIpNet(address),
    ...(gateway === null ? {} : { gateway: formatIp(gateway) }),
  };
}

function formatCniRoute({ dst, gw, more }: CniRoute, version: CniVersion): Json {
  return {
    dst: formatIpNet(dst),
    ...(gw === null ? {} : { gw: formatIp(gw) }),
    ...(isAtLeast(version, "1.1.0") ? more : {}),
  };
}

/** Versions 0.1 and 0.2 know one address a family, with the family's routes. */
function formatOldResult(result: CniResult, version: CniVersion): Json {
  const four = formatFamily(result, 4);
  const six = formatFamily(result, 6);
  // An earlier plugin's result without addresses is only passed on.
  if (four === undefined && six === undefined && result.interfaces.length > 0) {
    fail("cannot convert: no valid IP addresses");
  }
  return {
    cniVersion: version,
    ...(four === undefined ? {} : { ip4: four }),
    ...(six === undefined ? {} : { ip6: six }),
    dns: formatDns(result.dns),
  };
}

function formatFamily({ ips, routes }: CniResult, family: 4 | 6): Json | undefined {
  const first = ips.find(({ address }) => address.ip.family === family);
  if (first === undefined) return undefined;
  const own = routes.filter(({ dst }) => dst.ip.family === family);
  return {
    ip: formatIpNet(first.address),
    ...(first.gateway === null ? {} : { gateway: formatIp(first.gateway) }),
    ...(own.length === 0 ? {} : { routes: own.map((route) => formatCniRoute(route, "0.2.0")) }),
  };
}

function formatDns({ nameservers, domain, search, options }: CniDns): Json {
  return {
    ...(nameservers.length === 0 ? {} : { nameservers }),
    ...(domain === "" ? {} : { domain }),
    ...(search.length === 0 ? {} : { search }),
    ...(options.length === 0 ? {} : { options }),
  };
}

/** A result as a plugin printed it, of any version. */
export function parseResult(json: Json): CniResult {
  const isOld =
    field(json, "ip4") !== undefined ||
    field(json, "ip6") !== undefined ||
    ["0.1.0", "0.2.0"].includes(text(json, "cniVersion"));
  const families = [object(json, "ip4"), object(json, "ip6")];
  return {
    interfaces: isOld ? [] : objects(json, "interfaces").map(parseInterface),
    ips: isOld
      ? families.flatMap(parseFamily)
      : objects(json, "ips").map((ip) => parseCniIp(ip, text(json, "cniVersion"))),
    routes: isOld
      ? families.flatMap((family) => objects(family, "routes").map(parseCniRoute))
      : objects(json, "routes").map(parseCniRoute),
    dns: parseDns(object(json, "dns")),
  };
}

function parseInterface(json: Json): CniInterface {
  return {
    name: text(json, "name"),
    mac: text(json, "mac"),
    sandbox: text(json, "sandbox"),
    mtu: integer(json, "mtu"),
  };
}

function parseFamily(json: Json): CniIp[] {
  if (field(json, "ip") === undefined) return [];
  const { address, gateway } = parseCniIp(
    { address: field(json, "ip"), gateway: field(json, "gateway") },
    "",
  );
  return [{ interface: null, address, gateway }];
}

function parseCniIp(json: Json, cniVersion: string): CniIp {
  const gateway = text(json, "gateway");
  const index = field(json, "interface");
  return {
    interface: typeof index === "number" ? index : null,
    address: requireIpNet(text(json, "address")),
    gateway: gateway === "" ? null : requireIp(gateway),
    ...(/^0\.[34]\./.test(cniVersion) && field(json, "version") === undefined ? { isUnversioned: true } : {}),
  };
}

export function parseCniRoute(json: Json): CniRoute {
  const { dst, gw, ...more } = json;
  const gateway = typeof gw === "string" && gw !== "" ? requireIp(gw) : null;
  return { dst: requireIpNet(String(dst ?? "")), gw: gateway, more };
}

export function parseDns(json: Json): CniDns {
  return {
    nameservers: texts(json, "nameservers"),
    domain: text(json, "domain"),
    search: texts(json, "search"),
    options: texts(json, "options"),
  };
}

/** Fails as Go's decoder does. */
export function requireIpNet(value: string): IpNet {
  return parseIpNet(value) ?? fail(`invalid CIDR address: ${value}`);
}

export function requireIp(value: string): Ip {
  return parseIp(value) ?? fail(`invalid IP address: ${value}`);
}
