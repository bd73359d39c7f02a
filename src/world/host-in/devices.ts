import { parseFdbEntry } from "../../kernel/device/bridge-fdb.ts";
import { parseBridgePort } from "../../kernel/device/bridge-link.ts";
import { FIRST_VLAN, LAST_VLAN, parseBridgeVlans } from "../../kernel/device/bridge-vlan.ts";
import type { BridgePort, InterfaceAddress6 } from "../../kernel/device/device.ts";
import { isIpv6Address, parseAddress, parseAddress6 } from "../../kernel/device/ip-addr.ts";
import { keepsDump, parseLink } from "../../kernel/device/ip-link.ts";
import { isIpv6Neighbour, parseNeighbour, parseNeighbour6 } from "../../kernel/device/ip-neigh.ts";
import { isJsonObject, type Json, type JsonFields } from "../../kernel/json-fields.ts";
import type { HostReading } from "./reading.ts";

export function readLinks(reading: HostReading): void {
  const { json } = reading;
  const fromLinks = json.has("links");
  if (!fromLinks && !json.has("addrs")) {
    json.fault("links", 'is missing: the output of "ip -j -d link" is expected');
  }
  const before = json.faults.count;
  const items = json.objects(fromLinks ? "links" : "addrs");
  reading.knowsDevices = json.faults.count === before;
  const ports = bridgePorts(reading);
  const bridges = new Set<string>();
  for (const item of items) {
    const info = item.get("linkinfo");
    const { info_kind: kind } = isJsonObject(info) ? info : {};
    if (kind === "bridge") bridges.add(String(item.get("ifname")));
  }
  const kept: Json[] = [];
  for (const item of items) {
    const device = parseLink(item, ports, bridges, reading.origin(item));
    if (device === undefined) {
      reading.knowsDevices = false;
      continue;
    }
    if (keepsDump(device)) kept.push(withoutAddresses(item.json));
    if (!reading.devices.has(device.name)) reading.devices.set(device.name, device);
    reading.add({ kind: "link-add", device });
  }
  reading.keep("links", kept);
  for (const item of json.objects("bridgeLinks")) {
    const name = item.get("ifname");
    if (reading.knowsDevices && typeof name === "string" && !reading.devices.has(name)) {
      item.fault("ifname", reading.noDevice(name));
    }
  }
}

function bridgePorts(reading: HostReading): Map<string, BridgePort> {
  const ports = new Map<string, BridgePort>();
  for (const item of reading.json.objects("bridgeLinks")) {
    const name = item.text("ifname");
    if (name !== "") ports.set(name, parseBridgePort(item));
  }
  return ports;
}

export function readAddresses(reading: HostReading): void {
  for (const item of reading.json.objects("addrs")) {
    const dev = item.text("ifname");
    // Of IPv6 the newest stands first, and is the last to be added.
    const newestFirst: InterfaceAddress6[] = [];
    for (const info of item.objects("addr_info")) readAddress(reading, info, dev, newestFirst);
    for (const address of newestFirst.reverse()) reading.add({ kind: "address-add", address });
  }
}

function readAddress(
  reading: HostReading,
  info: JsonFields,
  dev: string,
  newestFirst: InterfaceAddress6[],
): void {
  const before = info.faults.count;
  if (isIpv6Address(info)) {
    const address = parseAddress6(info, dev, reading.origin(info));
    if (info.faults.count > before || dev === "") return;
    reading.addresses6.push(address);
    newestFirst.push(address);
    return;
  }
  const address = parseAddress(info, dev, reading.origin(info));
  if (info.faults.count > before || dev === "") return;
  reading.addresses.push(address);
  reading.add({ kind: "address-add", address });
}

export function readNeighbours(reading: HostReading): void {
  reading.each("neigh", (item) => ({
    kind: "neighbour-replace",
    neighbour: isIpv6Neighbour(item)
      ? parseNeighbour6(item, reading.origin(item))
      : parseNeighbour(item, reading.origin(item)),
  }));
}

export function readFdb(reading: HostReading): void {
  reading.each("fdb", (item) => {
    const device = reading.devices.get(String(item.get("ifname")));
    return { kind: "fdb-append", entry: parseFdbEntry(item, device, reading.origin(item)) };
  });
}

/** Every device named begins with none: what a dump says is all there is. */
export function readBridgeVlans(reading: HostReading): void {
  const bridges = new Set<string>();
  for (const { name, detail } of reading.devices.values()) if (detail.kind === "bridge") bridges.add(name);
  for (const item of reading.json.objects("bridgeVlans")) {
    const before = item.faults.count;
    const vlans = parseBridgeVlans(item, bridges, reading.origin(item));
    if (item.faults.count > before) continue;
    const dev = item.text("ifname");
    const self = bridges.has(dev);
    reading.add({ kind: "bridge-vlan-delete", dev, self, from: FIRST_VLAN, to: LAST_VLAN });
    for (const vlan of vlans) reading.add({ kind: "bridge-vlan-add", vlan });
  }
}

/** The head of an `ip -j addr` entry is kept as a link; its addresses are kept elsewhere. */
function withoutAddresses(json: Json): Json {
  if (!Object.hasOwn(json, "addr_info")) return json;
  const { addr_info: _, ...head } = json;
  return head;
}
