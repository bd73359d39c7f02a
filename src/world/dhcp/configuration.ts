import { explainIpv4, type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import type { Mac } from "../../address/mac.ts";
import {
  contains,
  explainPrefix4,
  lastOf,
  networkOf,
  type Prefix4,
  parsePrefix4,
} from "../../address/prefix.ts";
import type { Host } from "../../kernel/host.ts";
import { Faults, isJsonObject, type Json, JsonFields } from "../../kernel/json-fields.ts";
import { suggestion } from "../../kernel/nearest-word.ts";

/**
 * What of DHCP (RFC 2131) runs on a host: a snapshot's field `dhcp`. No rule of the walk reads it, so it stays with the host
 * as it was written; this is what it says.
 *
 *     "dhcp": {
 *       "servers": [{"device": "eth0", "subnet": "10.60.0.0/24", "rangeStart": "10.60.0.5", "routers": ["10.60.0.1"]}],
 *       "clients": ["eth1"],
 *       "daemon": "/run/cni/dhcp.sock"
 *     }
 */
export interface Dhcp {
  readonly servers: readonly DhcpServer[];
  /** Devices that the host itself configures by DHCP. */
  readonly clients: readonly string[];
  /** Where the daemon of the CNI plugin `dhcp` listens; null: it does not run. */
  readonly daemon: string | null;
}

export interface DhcpServer {
  /** On which it hears and answers. */
  readonly device: string;
  readonly subnet: Prefix4;
  /** First and last address of the pool. */
  readonly start: Ipv4;
  readonly end: Ipv4;
  /** The server's own address (option 54); null: the device's first one of the subnet. */
  readonly identifier: Ipv4 | null;
  /** Seconds: options 51, 58 and 59. */
  readonly leaseTime: number;
  readonly renewalTime: number;
  readonly rebindingTime: number;
  /** Option 3. */
  readonly routers: readonly Ipv4[];
  /** Option 33: to one host, or to a network of the old classes. */
  readonly staticRoutes: readonly StaticRoute[];
  /** Option 121 (RFC 3442). */
  readonly classlessRoutes: readonly ClasslessRoute[];
  /** Option 26; null: it says nothing of it. */
  readonly mtu: number | null;
  /** It runs, and answers nobody. */
  readonly stopped: boolean;
  readonly reservations: readonly { readonly mac: Mac; readonly address: Ipv4 }[];
  readonly leases: readonly DhcpLease[];
}

export interface StaticRoute {
  readonly dst: Ipv4;
  readonly gw: Ipv4;
}

export interface ClasslessRoute {
  readonly dst: Prefix4;
  /** 0: on the link itself. */
  readonly gw: Ipv4;
}

/** A server's memory of a client. */
export interface DhcpLease {
  /** The client identifier (option 61), or the link address of a client that says none. */
  readonly client: string;
  readonly address: Ipv4;
  /** Seconds of the virtual clock; past: the address is free, and remembered for the client. */
  readonly expires: number;
}

/** The name of the field, and of what keeps it with the host. */
export const DHCP_FIELD = "dhcp";

const HOUR_S = 3600;
/** 0xffffffff is "infinity". */
const LONGEST_S = 0xffff_ffff;
const SMALLEST_MTU = 68;

const FIELDS = ["servers", "clients", "daemon"];
const SERVER_FIELDS = [
  ...["device", "subnet", "rangeStart", "rangeEnd", "serverIdentifier", "leaseTime", "renewalTime"],
  ...["rebindingTime", "routers", "staticRoutes", "classlessStaticRoutes", "mtu", "stopped"],
  ...["reservations", "leases"],
];

export function readDhcp(json: JsonFields): Dhcp {
  refuseUnknown(json, FIELDS);
  return {
    servers: json.objects("servers").map(readServer),
    clients: json.texts("clients"),
    daemon: json.has("daemon") ? json.optionalText("daemon") : null,
  };
}

function readServer(json: JsonFields): DhcpServer {
  refuseUnknown(json, SERVER_FIELDS);
  const device = json.text("device");
  const subnet = prefix(json, "subnet");
  const first = (subnet.address + 1) | 0;
  const start = addressIn(json, "rangeStart", subnet) ?? first;
  const end = addressIn(json, "rangeEnd", subnet) ?? (lastOf(subnet) - 1) | 0;
  if (start >>> 0 > end >>> 0) json.fault("rangeEnd", "lies before rangeStart: the pool would be empty");
  const leaseTime = json.integer("leaseTime", 1, LONGEST_S, HOUR_S);
  return {
    device,
    subnet,
    start,
    end,
    identifier: addressIn(json, "serverIdentifier", subnet),
    leaseTime,
    renewalTime: json.integer("renewalTime", 1, leaseTime, Math.ceil(leaseTime / 2)),
    rebindingTime: json.integer("rebindingTime", 1, leaseTime, Math.ceil((leaseTime * 7) / 8)),
    routers: addresses(json, "routers"),
    staticRoutes: json
      .objects("staticRoutes")
      .map((route) => ({ dst: route.address("dst"), gw: route.address("gw") })),
    classlessRoutes: json
      .objects("classlessStaticRoutes")
      .map((route) => ({ dst: prefix(route, "dst"), gw: route.address("gw") })),
    mtu: json.has("mtu") ? json.integer("mtu", SMALLEST_MTU, 65_535) : null,
    stopped: json.flag("stopped", false),
    reservations: json
      .objects("reservations")
      .map((one) => ({ mac: one.mac("mac"), address: one.address("address") })),
    leases: json.objects("leases").map((lease) => ({
      client: lease.text("client"),
      address: lease.address("address"),
      expires: lease.integer("expires", 0, Number.MAX_SAFE_INTEGER),
    })),
  };
}

function refuseUnknown(json: JsonFields, known: readonly string[]): void {
  for (const name of Object.keys(json.json)) {
    if (!known.includes(name)) json.fault(name, `is no field of this${suggestion(name, known)}`);
  }
}

function prefix(json: JsonFields, name: string): Prefix4 {
  const text = json.text(name);
  const found = parsePrefix4(text);
  if (found !== undefined) {
    const net = networkOf(found);
    if (net.address !== found.address)
      json.fault(name, "has host bits: the network's own address is expected");
    return net;
  }
  if (text !== "") json.fault(name, explainPrefix4(text));
  return { address: 0, length: 0 };
}

function addressIn(json: JsonFields, name: string, subnet: Prefix4): Ipv4 | null {
  const address = json.optionalAddress(name);
  if (address !== null && address !== 0 && !contains(subnet, address)) {
    json.fault(name, "is no address of the subnet");
  }
  return address;
}

function addresses(json: JsonFields, name: string): readonly Ipv4[] {
  return json.texts(name).map((text, i) => {
    const address = parseIpv4(text);
    if (address === undefined) json.fault(`${name}[${i}]`, explainIpv4(text));
    return address ?? 0;
  });
}

const NONE: Dhcp = { servers: [], clients: [], daemon: null };
const known = new WeakMap<Json, Dhcp>();

/** What runs on a host. The field was checked when the host was read. */
export function dhcpOf({ unmodelled }: Host): Dhcp {
  const json = unmodelled.get(DHCP_FIELD);
  if (!isJsonObject(json)) return NONE;
  const before = known.get(json);
  if (before !== undefined) return before;
  const read = readDhcp(new JsonFields(json, DHCP_FIELD, new Faults(1)));
  known.set(json, read);
  return read;
}
