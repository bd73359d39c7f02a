import type { Mac } from "../../address/mac.ts";
import type { Device } from "../../kernel/device/device.ts";
import type { Json } from "../../kernel/json-fields.ts";
import { goQuote } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { checkAddresses, checkRoutes, configureInterface } from "../configure-interface.ts";
import { ipamCall, ipamOf, ipamType } from "../ipam/delegate.ts";
import { integer, object, text } from "../json.ts";
import { type CniIp, type CniResult, hasDns, macText, NO_DNS, parseDns } from "../result.ts";
import { containerIn, openNetns, type Plugin, type PluginCall, previousResult } from "./plugin.ts";

/**
 * What `macvlan`, `ipvlan` and `vlan` have in common: a device in the container that sits on one of the node's. Nothing
 * is added to the node.
 */
export interface SubInterface {
  readonly type: "macvlan" | "ipvlan" | "vlan";
  /** Whether the configuration may leave `ipam` out. */
  readonly mayLackIpam: boolean;
  /** Fails for a configuration that is none, before anything is looked up: at ADD and DEL alike. */
  readonly checkFirst: (call: PluginCall) => void;
  /** Fails for arguments that are none, where they are read. */
  readonly checkArguments: (call: PluginCall) => void;
  /** Fails for a mode that is none. */
  readonly checkMode: (call: PluginCall) => void;
  /** Whether the configuration is read with its master's MTU, at DEL as well: what is wrong there hinders it. */
  readonly readsMaster: boolean;
  /** What is said of a master that is not there. */
  readonly missingMaster: (name: string) => string;
  readonly link: (call: PluginCall, master: Device) => SubLink;
}

export interface SubLink {
  readonly mac: Mac;
  readonly noArp: boolean;
  /** As `ip -d link` shows it. */
  readonly data: Json;
}

export function subInterfacePlugin(kind: SubInterface): Plugin {
  return {
    add: (call) => add(call, kind),
    del: (call) => del(call, kind),
    check: (call) => check(call, kind),
    status: (call) => {
      if (ipamType(call) !== "") ipamOf(call);
    },
  };
}

function add(call: PluginCall, kind: SubInterface): CniResult {
  const { ifName, machine } = call;
  kind.checkFirst(call);
  if (!kind.readsMaster) kind.checkMode(call);
  const master = masterOf(call, kind);
  const mtu = mtuOf(call, master);
  kind.checkArguments(call);
  const pod = openNetns(call);
  kind.checkMode(call);
  const { mac, noArp, data } = kind.link(call, master);
  if (pod.device(ifName) !== undefined) {
    fail(`failed to rename ${kind.type} to ${goQuote(ifName)}: file exists`);
  }
  const isBare = ipamType(call) === "" && kind.mayLackIpam;
  const make = () =>
    pod.addDumped(
      { name: ifName, mac, mtu, noArp, up: false },
      kind.type,
      data,
      { link_index: master.ifindex, link_netnsid: 0 },
      { host: machine.node.name, device: master.name },
    );
  if (isBare) {
    const made = make();
    pod.setUp(ifName);
    return { ...bareResult(call, made), dns: parseDns(object(call.config, "dns")) };
  }
  // Whatever fails from here on, the device stays until DEL: the plugins' own clean-up does not see the error.
  const made = make();
  const ipam = ipamOf(call);
  const taken = ipam.add(ipamCall(call));
  try {
    if (taken.ips.length === 0) fail("IPAM plugin returned missing IP config");
    const ips = taken.ips.map((ip): CniIp => ({ ...ip, interface: 0 }));
    pod.sysctl(`net.ipv4.conf.${ifName}.arp_notify`, "1");
    const result = { ...bareResult(call, made), ...taken, ips };
    configureInterface(pod, ifName, result, () => {
      // `macvlan_open`.
      if (machine.isMacvlanTaken(pod.device(ifName) ?? made, mac)) {
        fail(`failed to set ${goQuote(ifName)} UP: address already in use`);
      }
      pod.setUp(ifName);
    });
    const dns = parseDns(object(call.config, "dns"));
    // Release 1.1 forgets what the IPAM plugin said.
    return { ...result, dns: hasDns(dns) || call.release === "1.1" ? dns : result.dns };
  } catch (error) {
    ipam.del(ipamCall(call));
    throw error;
  }
}

function bareResult({ ifName, netns }: PluginCall, device: Device): CniResult {
  return {
    interfaces: [{ name: ifName, mac: macText(device), sandbox: netns, mtu: device.mtu }],
    ips: [],
    routes: [],
    dns: NO_DNS,
  };
}

/** The device below: named, made by an earlier plugin of the chain, or the one of the default route. */
function masterOf({ config, machine, prevResult }: PluginCall, { missingMaster }: SubInterface): Device {
  const named =
    text(config, "master") || (prevResult?.interfaces.find(({ sandbox }) => sandbox === "")?.name ?? "");
  if (named !== "") return machine.node.device(named) ?? fail(missingMaster(named));
  const route = machine.node.host.routes.find(({ dst, table }) => table === "main" && dst.length === 0);
  const dev = route?.nextHops[0]?.dev ?? null;
  const found = dev === null ? undefined : machine.node.device(dev);
  return found ?? fail("no default route interface found");
}

function mtuOf({ config }: PluginCall, master: Device): number {
  const mtu = integer(config, "mtu");
  if (mtu < 0 || mtu > master.mtu) fail(`invalid MTU ${mtu}, must be [0, master MTU(${master.mtu})]`);
  return mtu === 0 ? master.mtu : mtu;
}

/** Even to take a container out, the plugins first look for the device below, ipvlan only when it is not named. */
function del(call: PluginCall, kind: SubInterface): void {
  kind.checkFirst(call);
  if (kind.readsMaster) {
    mtuOf(call, masterOf(call, kind));
    kind.checkArguments(call);
  } else if (text(call.config, "master") === "") masterOf(call, kind);
  if (ipamType(call) !== "") ipamOf(call).del(ipamCall(call));
  const pod = call.machine.netns(call.netns);
  if (pod?.device(call.ifName) === undefined) return;
  call.machine.deleteLink(pod, call.ifName);
}

function check(call: PluginCall, kind: SubInterface): void {
  if (kind.type === "macvlan") {
    mtuOf(call, masterOf(call, kind));
    kind.checkArguments(call);
  }
  const pod = openNetns(call);
  if (ipamType(call) !== "") ipamOf(call).check(ipamCall(call));
  const { ifName } = call;
  const previous = previousResult(call);
  const container = containerIn(previous, call);
  const device = pod.device(ifName);
  if (device === undefined) fail(`Container Interface name in prevResult: ${ifName} not found`);
  if (device.detail.kind !== kind.type) {
    fail(`Container interface ${ifName} not of type ${kind.type}`);
  }
  if (container !== undefined && container.mac !== macText(device)) {
    fail(`Interface ${ifName} Mac ${container.mac} doesn't match container Mac: ${macText(device)}`);
  }
  checkAddresses(pod, ifName, previous.ips);
  checkRoutes(pod, previous.routes);
}
