import { internIpv6 } from "../../address/ip6-handle.ts";
import type { Host } from "../host.ts";
import { ORIGIN_NONE } from "../origin.ts";
import { RT_SCOPE_BY_NAME } from "../route/rt-scope.ts";
import type { Sysctl } from "../sysctl.ts";
import { type BridgeVlan, defaultVlan } from "./bridge-vlan.ts";
import { internInterfaceName } from "./interface-name.ts";
import { type CompiledAddress, NetDevice } from "./net-device.ts";
import { VlanFilter } from "./vlan-filter.ts";

/** A host's devices with their settings, addresses, masters and VLANs, by slot. */
export function compileDevices(host: Host, sysctl: Sysctl): NetDevice[] {
  const devices = host.devices.map(
    (device, slot) => new NetDevice(device, slot, internInterfaceName(device.name)),
  );
  const byName = new Map(devices.map((device) => [device.name, device]));
  for (const device of devices) {
    device.conf = sysctl.device(device.name);
    device.conf6 = sysctl.device6(device.name);
  }
  giveAddresses(host, byName);
  giveAddresses6(host, byName);
  for (const device of devices) attachToMaster(device, byName);
  callIptables(devices, sysctl);
  filterVlans(host, devices);
  return devices;
}

function giveAddresses(host: Host, byName: ReadonlyMap<string, NetDevice>): void {
  const addresses = new Map<NetDevice, CompiledAddress[]>();
  for (const entry of host.addresses) {
    const device = byName.get(entry.dev);
    if (device === undefined) continue;
    const compiled = {
      address: entry.address,
      mask: entry.length === 0 ? 0 : (-1 << (32 - entry.length)) | 0,
      length: entry.length,
      broadcast: entry.broadcast ?? 0,
      scope: RT_SCOPE_BY_NAME[entry.scope],
      secondary: entry.secondary,
      prefixAddress: entry.peer ?? entry.address,
    };
    const list = addresses.get(device);
    if (list === undefined) addresses.set(device, [compiled]);
    else list.push(compiled);
  }
  for (const [device, list] of addresses) device.addresses = list;
}

function giveAddresses6(host: Host, byName: ReadonlyMap<string, NetDevice>): void {
  for (const entry of host.addresses6) {
    byName.get(entry.dev)?.addresses6.push({
      address: internIpv6(entry.address),
      length: entry.length,
      scope: RT_SCOPE_BY_NAME[entry.scope],
      prefixAddress: internIpv6(entry.peer ?? entry.address),
      deprecated: entry.flags.includes("deprecated"),
      temporary: entry.flags.includes("temporary"),
      usable: !entry.flags.includes("tentative") && !entry.flags.includes("dadfailed"),
    });
  }
}

function attachToMaster(device: NetDevice, byName: ReadonlyMap<string, NetDevice>): void {
  const name = device.plain.master;
  const master = name === null ? undefined : byName.get(name);
  if (master?.isBridge) {
    device.master = master;
    // The kernel puts a new port at the head of the bridge's list.
    master.ports.unshift(device);
  } else if (master?.kind === "bond") {
    device.bond = master;
    master.slaves.push(device);
  } else if (master?.kind === "vrf") device.vrf = master;
}

/** br_netfilter is on for all bridges, or for one. */
function callIptables(devices: readonly NetDevice[], sysctl: Sysctl): void {
  const call = sysctl.integer("net.bridge.bridge-nf-call-iptables", 0) !== 0;
  const call6 = sysctl.integer("net.bridge.bridge-nf-call-ip6tables", 0) !== 0;
  for (const device of devices) {
    const { detail } = device.plain;
    if (detail.kind !== "bridge") continue;
    device.nfCallIptables = call || detail.nfCallIptables;
    device.nfCallIp6tables = call6 || detail.nfCallIp6tables;
  }
}

/** Bridges that filter, and their ports, heed their VLANs. */
function filterVlans(host: Host, devices: readonly NetDevice[]): void {
  const said = new Map<string, BridgeVlan[]>();
  for (const vlan of host.bridgeVlans) {
    const known = said.get(vlan.dev);
    if (known === undefined) said.set(vlan.dev, [vlan]);
    else known.push(vlan);
  }
  for (const device of devices) {
    const { detail } = (device.master ?? device).plain;
    if (detail.kind !== "bridge" || !detail.vlanFiltering) continue;
    device.vlans = new VlanFilter(
      said.get(device.name) ?? [defaultVlan(device.name, device.isBridge, ORIGIN_NONE)],
    );
  }
}
