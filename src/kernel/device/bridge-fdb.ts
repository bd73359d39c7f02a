import { IPV6 } from "../../address/family.ts";
import { formatIp } from "../../address/ip.ts";
import { formatMac } from "../../address/mac.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import type { Origin } from "../origin.ts";
import type { Device, FdbEntry } from "./device.ts";

/** Forwarding entries as `bridge -j fdb show` prints them. A learned one has the state `""`. */

const STATES = ["permanent", "static", "stale", ""] as const;

/** `device` is the one named by `ifname`, where it exists: a tunnel's own port and VNI may be said again. */
export function parseFdbEntry(json: JsonFields, device: Device | undefined, origin: Origin): FdbEntry {
  const detail = device?.detail;
  if (detail?.kind === "vxlan") {
    refuse(json, "port", detail.port);
    refuse(json, "vni", detail.vni);
    refuse(json, "viaIf", detail.link);
  }
  for (const name of ["src_vni", "nhid"]) refuse(json, name, undefined);
  const state = json.word("state", STATES, "");
  return {
    mac: json.mac("mac"),
    dev: json.text("ifname"),
    master: json.optionalText("master"),
    state: state === "" ? "reachable" : state,
    dst: json.mentionsIpv6(["dst"]) ? json.addressOf(IPV6, "dst") : json.optionalAddress("dst"),
    vlan: json.has("vlan") ? json.integer("vlan", 0, 4095) : null,
    origin,
  };
}

/** Left out, such a field would silently send frames elsewhere. */
function refuse(json: JsonFields, name: string, own: unknown): void {
  const value = json.get(name);
  if (value === undefined || value === own) return;
  json.fault(
    name,
    `an entry with its own ${name} (${String(value)}) is not modelled: all of a device use the device's`,
  );
}

export function formatFdbEntry(entry: FdbEntry): Json {
  return {
    mac: formatMac(entry.mac),
    ifname: entry.dev,
    ...(entry.dst === null ? {} : { dst: formatIp(entry.dst) }),
    ...(entry.vlan === null ? {} : { vlan: entry.vlan }),
    flags: entry.master === null ? ["self"] : [],
    ...(entry.master === null ? {} : { master: entry.master }),
    state: entry.state === "reachable" ? "" : entry.state,
  };
}
