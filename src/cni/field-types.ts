import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { ERROR_CODE, fail, failWith } from "./cni-error.ts";

/**
 * What type each field of a configuration is of in the plugins' own code, and what Go's decoder says of one that is of
 * another. The first field that is wrong, in the order of the text, is the one that is told (`encoding/json`, `UnmarshalTypeError`).
 */
type GoType = Scalar | GoList | GoMap | GoStruct;
type Scalar = "string" | "bool" | "int" | "uint64" | "uint32" | "net.IP";
interface GoList {
  readonly kind: "list";
  readonly name: string;
  readonly item: GoType;
}
interface GoMap {
  readonly kind: "map";
  readonly name: string;
  readonly item: Scalar;
}
interface GoStruct {
  readonly kind: "struct";
  /** As a field's type is called, with its package. */
  readonly name: string;
  /** As it is called where one of its own fields is wrong; null: it decodes itself, and only its bearer is named. */
  readonly own: string | null;
  readonly fields: Readonly<Record<string, GoType>>;
}

const list = (item: GoType, name: string): GoList => ({ kind: "list", name, item });
const map = (item: Scalar): GoMap => ({ kind: "map", name: `map[string]${item}`, item });
const struct = (name: string, own: string | null, fields: GoStruct["fields"]): GoStruct => ({
  kind: "struct",
  ...{ name, own, fields },
});
const STRINGS = list("string", "[]string");

const DNS = struct("types.DNS", "DNS", {
  nameservers: STRINGS,
  domain: "string",
  search: STRINGS,
  options: STRINGS,
});
/** What every plugin's configuration begins with (`types.NetConf`). */
const COMMON: GoStruct["fields"] = {
  type: "string",
  capabilities: map("bool"),
  ipam: struct("types.IPAM", "IPAM", { type: "string" }),
  dns: DNS,
};
const ROUTES = list(struct("types.route", null, { dst: "string", gw: "net.IP" }), "[]*types.Route");

interface Decoded {
  /** What the plugin says before what the decoder said. */
  readonly prefix: string;
  readonly own: string;
  readonly fields: GoStruct["fields"];
}

const netConf = (fields: GoStruct["fields"], own = "NetConf"): Decoded => ({
  prefix: "failed to load netconf: ",
  own,
  fields: { ...COMMON, ...fields },
});

const PLUGIN_FIELDS: ReadonlyMap<string, Decoded> = new Map([
  [
    "bridge",
    netConf({
      ...{ bridge: "string", isGateway: "bool", isDefaultGateway: "bool", forceAddress: "bool" },
      ...{ ipMasq: "bool", mtu: "int", hairpinMode: "bool", promiscMode: "bool", vlan: "int" },
      ...{ macspoofchk: "bool", enabledad: "bool" },
    }),
  ],
  ["ptp", netConf({ ipMasq: "bool", mtu: "int" })],
  ["macvlan", netConf({ master: "string", mode: "string", mtu: "int", mac: "string" })],
  ["ipvlan", netConf({ master: "string", mode: "string", mtu: "int" })],
  ["vlan", netConf({ master: "string", vlanId: "int", mtu: "int" })],
  ["host-device", netConf({ device: "string", hwaddr: "string", kernelpath: "string", pciBusID: "string" })],
  [
    "tuning",
    netConf(
      {
        ...{ sysctl: map("string"), mac: "string", promisc: "bool", mtu: "int", allmulti: "bool" },
        ...{ dataDir: "string" },
      },
      "TuningConf",
    ),
  ],
  [
    "firewall",
    netConf(
      {
        backend: "string",
        iptablesAdminChainName: "string",
        firewalldZone: "string",
        ingressPolicy: "string",
      },
      "FirewallNetConf",
    ),
  ],
  ["vrf", netConf({ vrfname: "string", table: "uint32" }, "VRFNetConf")],
  [
    "bandwidth",
    {
      ...netConf(
        { ingressRate: "uint64", ingressBurst: "uint64", egressRate: "uint64", egressBurst: "uint64" },
        "PluginConf",
      ),
      prefix: "failed to parse network configuration: ",
    },
  ],
  [
    "portmap",
    {
      ...netConf(
        {
          ...{ snat: "bool", externalSetMarkChain: "string", markMasqBit: "int", conditionsV4: STRINGS },
          ...{ conditionsV6: STRINGS },
        },
        "PortMapConf",
      ),
      prefix: "failed to parse config: failed to parse network configuration: ",
    },
  ],
]);

const RANGE: GoStruct["fields"] = {
  ...{ subnet: "string", rangeStart: "net.IP", rangeEnd: "net.IP", gateway: "net.IP" },
};
const IPAM_FIELDS: ReadonlyMap<string, GoStruct["fields"]> = new Map([
  [
    "host-local",
    {
      ...RANGE,
      ...{ type: "string", routes: ROUTES, dataDir: "string", resolvConf: "string" },
      ranges: list(
        list(struct("allocator.Range", "Range", RANGE), "allocator.RangeSet"),
        "[]allocator.RangeSet",
      ),
    },
  ],
  [
    "static",
    {
      ...{ type: "string", routes: ROUTES, dns: DNS },
      addresses: list(
        struct("main.Address", "Address", { address: "string", gateway: "net.IP" }),
        "[]main.Address",
      ),
    },
  ],
]);

/** Fails where the plugin's own decoder would. */
export function requireFieldTypes(plugin: string, config: Json): void {
  const known = PLUGIN_FIELDS.get(plugin);
  if (known === undefined) return;
  const fault = faultIn(config, known.fields, known.own, []);
  if (fault !== null) fail(`${known.prefix}${fault}`);
}

/** The same of an IPAM plugin, which decodes its part once more. */
export function requireIpamTypes(plugin: "host-local" | "static", ipam: Json): void {
  const fault = faultIn(ipam, IPAM_FIELDS.get(plugin) ?? {}, "IPAMConfig", ["ipam"]);
  if (fault !== null) fail(fault);
}

/** What is asked of a configuration before any plugin looks at it (`skel`). */
export function requireText(config: Json, field: "name" | "cniVersion", prefix: string): void {
  const fault = faultIn({ [field]: config[field] }, { [field]: "string" }, "", []);
  if (fault !== null) failWith(ERROR_CODE.decoding, `${prefix}: ${fault}`);
}

function faultIn(
  json: Json,
  fields: GoStruct["fields"],
  own: string,
  path: readonly string[],
): string | null {
  for (const [name, value] of Object.entries(json)) {
    const type = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const fault = type === undefined ? null : faultOf(value, type, { own, path: [...path, name] });
    if (fault !== null) return fault;
  }
  return null;
}

interface Bearer {
  readonly own: string;
  readonly path: readonly string[];
}

function faultOf(value: unknown, type: GoType, bearer: Bearer): string | null {
  if (value === null || value === undefined) return null;
  if (typeof type === "string") return faultOfScalar(value, type, bearer);
  if (type.kind === "list") {
    if (!Array.isArray(value)) return refused(value, type.name, bearer);
    for (const item of value as readonly unknown[]) {
      const fault = faultOf(item, type.item, bearer);
      if (fault !== null) return fault;
    }
    return null;
  }
  if (!isJsonObject(value)) return refused(value, type.name, bearer);
  if (type.kind === "struct" && type.own !== null) {
    return faultIn(value, type.fields, type.own, bearer.path);
  }
  for (const [name, item] of Object.entries(value)) {
    const own = type.kind === "map" ? type.item : type.fields[name];
    const fault = own === undefined ? null : faultOf(item, own, bearer);
    if (fault !== null) return fault;
  }
  return null;
}

function faultOfScalar(value: unknown, type: Scalar, bearer: Bearer): string | null {
  switch (type) {
    case "string":
    case "net.IP":
      return typeof value === "string" ? null : refused(value, type, bearer);
    case "bool":
      return typeof value === "boolean" ? null : refused(value, type, bearer);
    case "int":
    case "uint32":
    case "uint64": {
      if (typeof value !== "number") return refused(value, type, bearer);
      const isWithin =
        Number.isInteger(value) && (type === "int" || (value >= 0 && (type === "uint64" || value < 2 ** 32)));
      return isWithin ? null : refused(value, type, bearer, ` ${value}`);
    }
    default:
      return type satisfies never;
  }
}

function refused(value: unknown, type: string, { own, path }: Bearer, which = ""): string {
  return `json: cannot unmarshal ${kindOf(value)}${which} into Go struct field ${own}.${path.join(".")} of type ${type}`;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (isJsonObject(value)) return "object";
  return typeof value === "boolean" ? "bool" : typeof value;
}
