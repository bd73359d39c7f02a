import type { Device } from "../../kernel/device/device.ts";
import { addVrf, enslaveToVrf } from "../../kernel/device/vrf-link.ts";
import type { Route, Route6 } from "../../kernel/route/route.ts";
import { tableName } from "../../kernel/route/rt-table.ts";
import { fail } from "../cni-error.ts";
import { integer, text } from "../json.ts";
import type { Netns } from "../netns.ts";
import type { CniResult } from "../result.ts";
import type { Plugin, PluginCall } from "./plugin.ts";

/**
 * The `vrf` plugin: puts the container's interface into a VRF of the container, which it makes when it is the first there and
 * removes with the last.
 */
export const VRF: Plugin = { add, del, check };

interface Config {
  readonly name: string;
  /** 0: one that no other VRF has. */
  readonly table: number;
}

function readConfig({ config }: PluginCall): Config {
  const table = integer(config, "table");
  const name = text(config, "vrfname");
  if (name === "") fail("configuration is expected to have a valid vrf name");
  return { name, table };
}

type VrfDevice = Device & { readonly detail: { readonly kind: "vrf"; readonly table: number } };

function isVrf(device: Device): device is VrfDevice {
  return device.detail.kind === "vrf";
}

function findVrf(pod: Netns, name: string): VrfDevice | undefined {
  const found = pod.device(name);
  if (found === undefined || isVrf(found)) return found;
  return fail(`Netlink ${name} is not a VRF`);
}

function add(call: PluginCall): CniResult {
  const config = readConfig(call);
  const { prevResult } = call;
  if (prevResult === null) fail("missing prevResult from earlier plugin");
  const failed = (error: unknown): never =>
    fail(`cmdAdd failed: ${error instanceof Error ? error.message : String(error)}`);
  try {
    const pod = openContainer(call);
    addInterface(pod, findVrf(pod, config.name) ?? makeVrf(call, pod, config), call);
  } catch (error) {
    failed(error);
  }
  return prevResult;
}

/** As the plugin says it, which names the path alone. */
function openContainer(call: PluginCall): Netns {
  return (
    call.machine.netns(call.netns) ??
    fail(`failed to Statfs ${JSON.stringify(call.netns)}: no such file or directory`)
  );
}

/** A VRF with the first table from 1 that none of the container's has. */
function makeVrf({ machine }: PluginCall, pod: Netns, { name, table }: Config): VrfDevice {
  const taken = new Set(pod.host.devices.filter(isVrf).map(({ detail }) => detail.table));
  let free = 1;
  while (taken.has(free)) free++;
  const mac = machine.names.mac(`vrf ${pod.name} ${name}`);
  pod.do(...addVrf(pod.host, { name, table: table === 0 ? free : table, mac, origin: pod.origin }));
  pod.setUp(name);
  return pod.device(name) as VrfDevice;
}

/** Into the VRF, with the IPv6 addresses that the kernel takes from it on the way, and from release 1.2 its routes. */
function addInterface(pod: Netns, vrf: VrfDevice, { ifName, release }: PluginCall): void {
  const device = pod.device(ifName) ?? fail(`could not get link by name ${ifName}`);
  if (device.master !== null) fail(`interface ${ifName} has already a master set: ${device.master}`);
  const own6 = pod.host.addresses6.filter(({ dev }) => dev === ifName);
  const isOwn = (route: Route | Route6): boolean =>
    route.nextHops.some(({ dev }) => dev === ifName) &&
    route.type === "unicast" &&
    route.protocol !== "kernel";
  const routes = [...pod.host.routes.filter(isOwn), ...pod.host.routes6.filter(isOwn)];
  pod.do(...enslaveToVrf(pod.host, device, vrf.name));
  const left = new Set(pod.host.addresses6);
  const lost = own6.filter((address) => !left.has(address));
  for (const address of lost) pod.do({ kind: "address-add", address });
  if (lost.length > 0) pod.addKernelRoutes6(ifName);
  if (release === "1.1") return;
  const table = tableName(String(vrf.detail.table));
  for (const route of routes) {
    if (route.scope === "global") pod.do({ kind: "route-replace", route: { ...route, table } });
  }
}

function del(call: PluginCall): void {
  const { name } = readConfig(call);
  const pod = call.machine.netns(call.netns);
  const vrf = pod === undefined ? undefined : findVrf(pod, name);
  if (pod === undefined || vrf === undefined) return;
  const device = pod.device(call.ifName) ?? fail(`resetMaster: could not get link by name ${call.ifName}`);
  pod.do(...enslaveToVrf(pod.host, device, null));
  if (!pod.host.devices.some(({ master }) => master === name)) pod.deleteDevice(name);
}

/** The plugin forgets what it finds (release 1.1): only its configuration can fail. */
function check(call: PluginCall): void {
  readConfig(call);
  if (call.prevResult === null) fail("missing prevResult from earlier plugin");
}
