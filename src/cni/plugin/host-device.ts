import { parseMac } from "../../address/mac.ts";
import type { Device } from "../../kernel/device/device.ts";
import { goQuote } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { checkAddresses, checkRoutes, configureInterface } from "../configure-interface.ts";
import { ipamCall, ipamOf, ipamType } from "../ipam/delegate.ts";
import { object, text } from "../json.ts";
import type { Machine } from "../machine.ts";
import type { Netns } from "../netns.ts";
import { type CniIp, type CniResult, macText, NO_DNS, parseDns } from "../result.ts";
import { openNetns, type Plugin, type PluginCall, previousResult } from "./plugin.ts";

/** The `host-device` plugin: one of the node's own devices moves into the container, and back on DEL. */
export const HOST_DEVICE: Plugin = { add, del, check };

/** Where the device's name on the node is kept; the plugin keeps it in the device's alias. */
function aliasPath({ containerId, ifName }: PluginCall): string {
  return `host-device/${containerId}_${ifName}`;
}

function add(call: PluginCall): CniResult {
  requireDevice(call);
  const { machine, config, ifName } = call;
  const pod = openNetns(call);
  const device = findDevice(call);
  if (pod.device(ifName) !== undefined) {
    fail(
      `failed to move link failed to rename device ${goQuote(device.name)} to ${goQuote(ifName)}: file exists`,
    );
  }
  machine.files.write(aliasPath(call), device.name);
  const moved = move(machine, machine.node, device, pod, ifName);
  const base: CniResult = {
    interfaces: [{ name: ifName, mac: macText(moved), sandbox: call.netns, mtu: 0 }],
    ips: [],
    routes: [],
    dns: parseDns(object(config, "dns")),
  };
  pod.setUp(ifName);
  if (ipamType(call) === "") return base;
  const ipam = ipamOf(call);
  const taken = ipam.add(ipamCall(call));
  try {
    if (taken.ips.length === 0) fail("IPAM plugin returned missing IP config");
    const ips = taken.ips.map((ip): CniIp => ({ ...ip, interface: 0 }));
    const result = { ...base, ...taken, ips, dns: base.dns === NO_DNS ? taken.dns : base.dns };
    configureInterface(pod, ifName, result);
    return result;
  } catch (error) {
    ipam.del(ipamCall(call));
    throw error;
  }
}

/** Some way to find the device is named. */
function requireDevice({ config }: PluginCall): void {
  if (["device", "hwaddr", "kernelpath", "pciBusID"].some((name) => text(config, name) !== "")) return;
  fail('specify either "device", "hwaddr", "kernelpath" or "pciBusID"');
}

function findDevice({ config, machine }: PluginCall): Device {
  const name = text(config, "device");
  const address = text(config, "hwaddr");
  if (name !== "") return machine.node.device(name) ?? fail("failed to find host device: Link not found");
  const mac = parseMac(address);
  if (address !== "" && mac === undefined) fail(`failed to parse MAC address ${goQuote(address)}`);
  const found = machine.node.host.devices.find((device) => device.mac === mac);
  return found ?? fail("failed to find host device: failed to find physical interface");
}

/** A device that moves leaves its addresses, routes and port behind, and goes down. */
function move(machine: Machine, from: Netns, device: Device, to: Netns, name: string): Device {
  from.deleteDevice(device.name);
  const made = to.addDevice({
    name,
    mac: device.mac,
    mtu: device.mtu,
    detail: device.detail,
    up: false,
    carrier: device.carrier,
    noArp: device.noArp,
  });
  machine.rewire({ host: from.name, device: device.name }, { host: to.name, device: name });
  return made;
}

function del(call: PluginCall): void {
  requireDevice(call);
  const { machine, ifName } = call;
  if (ipamType(call) !== "") ipamOf(call).del(ipamCall(call));
  const pod = machine.netns(call.netns);
  if (pod === undefined) return;
  const device = pod.device(ifName) ?? fail(`failed to find ${goQuote(ifName)}: Link not found`);
  const name = machine.files.read(aliasPath(call)) ?? ifName;
  move(machine, pod, device, machine.node, name);
  machine.files.remove(aliasPath(call));
}

function check(call: PluginCall): void {
  requireDevice(call);
  const { ifName } = call;
  const pod = openNetns(call);
  if (ipamType(call) !== "") ipamOf(call).check(ipamCall(call));
  const previous = previousResult(call);
  if (pod.device(ifName) === undefined) {
    fail(`Container Interface name in prevResult: ${ifName} not found`);
  }
  checkAddresses(pod, ifName, previous.ips);
  checkRoutes(pod, previous.routes);
}
