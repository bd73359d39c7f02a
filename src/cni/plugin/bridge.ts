import { MAC_ZERO } from "../../address/mac.ts";
import type { Device } from "../../kernel/device/device.ts";
import { NEW_BRIDGE } from "../../kernel/device/device.ts";
import { fail } from "../cni-error.ts";
import { checkAddresses, checkRoutes, configureInterface } from "../configure-interface.ts";
import { containsIp, formatIpNet, type IpNet, isDefault, networkOf, plus, sameIp } from "../ip.ts";
import { ipamCall, ipamOf, ipamType } from "../ipam/delegate.ts";
import { flag, integer, object, text } from "../json.ts";
import { masquerade, unmasquerade } from "../masquerade.ts";
import type { Netns } from "../netns.ts";
import {
  type CniInterface,
  type CniIp,
  type CniResult,
  type CniRoute,
  hasDns,
  macText,
  NO_DNS,
  parseDns,
} from "../result.ts";
import { checkSpoofing, uncheckSpoofing } from "../spoof-check.ts";
import { MAX_INTERFACE_NAME } from "../validate.ts";
import { addVethPair, isMtu, requestedMac, setPairUp, type VethPair } from "../veth-pair.ts";
import { containerIn, openNetns, type Plugin, type PluginCall, previousResult } from "./plugin.ts";

/** The `bridge` plugin: containers are ports of a bridge on the node, which may be their gateway. */
export const BRIDGE: Plugin = { add, del, check, status };

interface Config {
  readonly bridge: string;
  readonly isGateway: boolean;
  readonly isDefaultGateway: boolean;
  readonly forceAddress: boolean;
  readonly ipMasq: boolean;
  readonly hairpinMode: boolean;
  readonly promiscMode: boolean;
  readonly mtu: number;
  readonly vlan: number;
  readonly macSpoofCheck: boolean;
}

function readConfig({ config }: PluginCall): Config {
  const vlan = integer(config, "vlan");
  if (vlan < 0 || vlan > 4094) fail(`invalid VLAN ID ${vlan} (must be between 0 and 4094)`);
  const isDefaultGateway = flag(config, "isDefaultGateway");
  return {
    bridge: text(config, "bridge") || "cni0",
    isGateway: flag(config, "isGateway") || isDefaultGateway,
    isDefaultGateway,
    forceAddress: flag(config, "forceAddress"),
    ipMasq: flag(config, "ipMasq"),
    hairpinMode: flag(config, "hairpinMode"),
    promiscMode: flag(config, "promiscMode"),
    mtu: integer(config, "mtu"),
    vlan,
    macSpoofCheck: flag(config, "macspoofchk"),
  };
}

function add(call: PluginCall): CniResult {
  const mac = requestedMac(call);
  const config = readConfig(call);
  const { node } = call.machine;
  if (config.hairpinMode && config.promiscMode) {
    fail("cannot set hairpin mode and promiscuous mode at the same time.");
  }
  const { machine } = call;
  const bridge = node.as(machine.origin, () => ensureBridge(call, config));
  const pod = openNetns(call);
  const pair = addVethPair(call, {
    mtu: config.mtu,
    mac,
    master: config.bridge,
    port: { hairpin: config.hairpinMode },
  });
  if (config.vlan !== 0) setPortVlan(node, pair.host.name, config.vlan);

  const interfaces = [
    interfaceOf(bridge, ""),
    { ...interfaceOf(pair.host, ""), mtu: pair.host.mtu },
    { ...interfaceOf(pair.container, call.netns), mtu: pair.container.mtu },
  ];
  if (config.macSpoofCheck) {
    checkSpoofing(node, call.containerId, call.ifName, pair.host.name, macText(pair.container));
  }
  let result: CniResult = { interfaces, ips: [], routes: [], dns: NO_DNS };
  if (ipamType(call) === "") setPairUp(call, pod, pair);
  else {
    try {
      result = { ...result, ...addNetworkLayer(call, config, { bridge, pair, pod, interfaces }) };
    } catch (error) {
      if (config.macSpoofCheck) uncheckSpoofing(node, call.containerId, call.ifName);
      throw error;
    }
  }

  // The bridge's address may have changed with its first port, or with its own first address.
  const settled = node.device(config.bridge) ?? bridge;
  const dns = parseDns(object(call.config, "dns"));
  return {
    ...result,
    interfaces: result.interfaces.map((item, i) => (i === 0 ? interfaceOf(settled, "") : item)),
    // Release 1.1 forgets what the IPAM plugin said.
    dns: hasDns(dns) || call.release === "1.1" ? dns : result.dns,
  };
}

interface Links {
  readonly bridge: Device;
  readonly pair: VethPair;
  readonly pod: Netns;
  readonly interfaces: readonly CniInterface[];
}

/** Addresses, routes, gateway, masquerade. An address that was taken is given back when any of it fails. */
function addNetworkLayer(call: PluginCall, config: Config, links: Links): CniResult {
  const ipam = ipamOf(call);
  const taken = ipam.add(ipamCall(call));
  try {
    return configure(call, config, links, { ...taken, interfaces: links.interfaces });
  } catch (error) {
    ipam.del(ipamCall(call));
    throw error;
  }
}

function configure(call: PluginCall, config: Config, links: Links, taken: CniResult): CniResult {
  const { pod, pair, bridge } = links;
  const { node } = call.machine;
  if (taken.ips.length === 0) fail("IPAM plugin returned missing IP config");
  const ips = taken.ips.map((ip): CniIp => ({ ...ip, interface: 2, gateway: gatewayOf(ip, config) }));
  const routes = config.isDefaultGateway ? withDefaultRoutes(taken.routes, ips) : taken.routes;
  const result = { ...taken, ips, routes };

  pod.sysctl(`net.ipv4.conf.${call.ifName}.arp_notify`, "1");
  pod.sysctl(`net.ipv6.conf.${call.ifName}.accept_dad`, "0");
  configureInterface(pod, call.ifName, result, () => setPairUp(call, pod, pair));

  const gateways = config.isGateway ? setGateways(call, config, bridge, ips) : [];
  if (config.ipMasq) {
    for (const { address } of ips) masquerade(node, call.network, call.containerId, address);
  }
  return { ...result, interfaces: [...result.interfaces, ...gateways] };
}

function gatewayOf({ address, gateway }: CniIp, { isGateway }: Config): CniIp["gateway"] {
  return gateway === null && isGateway ? plus(networkOf(address).ip, 1n) : gateway;
}

/** One default route a family, unless one with a gateway is there. */
function withDefaultRoutes(routes: readonly CniRoute[], ips: readonly CniIp[]): readonly CniRoute[] {
  const all = [...routes];
  for (const { gateway, address } of ips) {
    if (gateway === null) continue;
    const { family } = address.ip;
    if (all.some(({ dst, gw }) => gw !== null && dst.ip.family === family && isDefault(dst))) continue;
    all.push({ dst: { ip: { family, value: 0n }, length: 0 }, gw: gateway, more: {}, isMade: true });
  }
  return all;
}

/** The bridge, or a device of its VLAN, bears the gateways' addresses. Returns what the result names beside the bridge. */
function setGateways(
  call: PluginCall,
  config: Config,
  bridge: Device,
  ips: readonly CniIp[],
): readonly CniInterface[] {
  const { node } = call.machine;
  const holder =
    config.vlan === 0 ? bridge : node.as(call.machine.origin, () => ensureVlanGateway(call, config));
  for (const family of [4, 6] as const) {
    const own = ips.filter(({ address }) => address.ip.family === family);
    for (const { gateway, address } of own) {
      if (gateway === null) continue;
      if (gateway.family !== family) {
        fail(
          `failed to set bridge addr: could not add IP address to ${JSON.stringify(holder.name)}: invalid argument`,
        );
      }
      const net = { ip: gateway, length: address.length };
      node.as(call.machine.origin, () => ensureAddress(node, holder, net, config.forceAddress));
    }
    if (own.length > 0) node.enableForwarding(family);
  }
  return config.vlan === 0 ? [] : [interfaceOf(holder, "")];
}

function ensureAddress(node: Netns, holder: Device, net: IpNet, force: boolean): void {
  for (const own of node.netsOf(holder.name)) {
    if (own.ip.family !== net.ip.family) continue;
    if (sameIp(own.ip, net.ip) && own.length === net.length) return;
    // A bridge may have several IPv6 addresses, as long as their networks are apart.
    if (net.ip.family === 6 && !containsIp(own, net.ip) && !containsIp(net, own.ip)) continue;
    if (!force) {
      fail(
        `failed to set bridge addr: ${JSON.stringify(holder.name)} already has an IP address different from ${formatIpNet(net)}`,
      );
    }
    node.deleteAddress(holder.name, own);
  }
  node.addAddress(holder.name, net);
  // Its own address is set as its own, which that of a bridge that lost all its ports is not fit for.
  if (holder.mac === MAC_ZERO)
    fail("failed to set bridge addr: could not set bridge's mac: invalid argument");
  // What the plugin read when it made the bridge: from now on the bridge no longer follows its lowest port.
  node.changeDevice(holder.name, { mac: holder.mac });
}

function ensureBridge(call: PluginCall, { bridge: name, promiscMode }: Config): Device {
  const { node, names } = call.machine;
  const known = node.device(name);
  if (known !== undefined) {
    if (known.detail.kind !== "bridge") {
      const quoted = JSON.stringify(name);
      fail(`failed to create bridge ${quoted}: ${quoted} already exists but is not a bridge`);
    }
    node.setUp(name);
    return known;
  }
  const { vlan, mtu } = readConfig(call);
  const quoted = JSON.stringify(name);
  const refused = `failed to create bridge ${quoted}: could not add ${quoted}`;
  if (name.length > MAX_INTERFACE_NAME) fail(`${refused}: numerical result out of range`);
  if (mtu > 0 && !isMtu(mtu)) fail(`${refused}: invalid argument`);
  const made = node.addDevice({
    name,
    mac: names.mac(`bridge ${node.name} ${name}`),
    mtu: mtu > 0 ? mtu : 1500,
    carrier: false,
    detail: { ...NEW_BRIDGE, vlanFiltering: vlan !== 0 },
  });
  node.sysctl(`net.ipv6.conf.${name}.accept_ra`, "0");
  if (promiscMode) noteOfLink(node, name, "promisc");
  return made;
}

/** Settings of a device that no rule of the walk reads, kept with the host as the command that makes them. */
function noteOfLink(node: Netns, name: string, setting: string): void {
  const value = node.host.unmodelled.get("linkSettings");
  const before = Array.isArray(value) ? (value as readonly unknown[]) : [];
  node.keep("linkSettings", [...before, `ip link set ${name} ${setting} on`]);
}

function setPortVlan(node: Netns, port: string, vlan: number): void {
  const added = { dev: port, from: vlan, to: vlan, pvid: true, untagged: true, self: false };
  node.do({ kind: "bridge-vlan-add", vlan: { ...added, origin: node.origin } });
}

/** A veth pair of the node's own: one end a port in the VLAN, the other, `<bridge>.<vlan>`, the gateway. */
function ensureVlanGateway({ machine }: PluginCall, { bridge, vlan, mtu }: Config): Device {
  const { node, names } = machine;
  const name = `${bridge}.${vlan}`;
  const known = node.device(name);
  if (known !== undefined) return known;
  const size = mtu === 0 ? 1500 : mtu;
  const port = node.addDevice({
    name: names.veth(`vlan ${node.name} ${name}`, (taken) => node.device(taken) !== undefined),
    mac: names.mac(`vlan ${node.name} ${name} port`),
    mtu: size,
    detail: { kind: "veth" },
    master: bridge,
  });
  const made = node.addDevice({
    name,
    mac: names.mac(`vlan ${node.name} ${name}`),
    mtu: size,
    detail: { kind: "veth" },
  });
  machine.join({ host: node.name, device: port.name }, { host: node.name, device: name });
  setPortVlan(node, port.name, vlan);
  return made;
}

function interfaceOf(device: Device, sandbox: string): CniInterface {
  return { name: device.name, mac: macText(device), sandbox, mtu: 0 };
}

function del(call: PluginCall): void {
  const { machine, containerId, ifName } = call;
  const { macSpoofCheck } = readConfig(call);
  requestedMac(call);
  // The interface goes first: a lease that was had through it cannot be given back any more.
  const pod = machine.netns(call.netns);
  const isThere = pod?.device(ifName) !== undefined;
  const addresses = pod === undefined || !isThere ? [] : pod.netsOf(ifName);
  if (pod !== undefined && isThere) machine.deleteLink(pod, ifName);
  if (ipamType(call) !== "") ipamOf(call).del(ipamCall(call));
  if (macSpoofCheck && pod !== undefined) uncheckSpoofing(machine.node, containerId, ifName);
  if (isThere && flag(call.config, "ipMasq")) unmasquerade(call, addresses, false);
}

function check(call: PluginCall): void {
  const { bridge } = readConfig(call);
  requestedMac(call);
  const { ifName, machine } = call;
  const pod = openNetns(call);
  ipamOf(call).check(ipamCall(call));
  const previous = previousResult(call);
  const bridgeBefore = previous.interfaces.find(({ name, sandbox }) => name === bridge && sandbox === "");
  const container = containerIn(previous, call);
  const found = machine.node.device(bridge);
  if (found === undefined) fail("Link not found");
  if (found.detail.kind !== "bridge") fail(`Bridge interface ${bridge} does not have link type of bridge`);
  if (bridgeBefore !== undefined && bridgeBefore.mac !== macText(found)) {
    fail(`Bridge interface ${bridge} Mac doesn't match: ${bridgeBefore.mac}`);
  }
  checkContainer(pod, ifName, container);
  checkAddresses(pod, ifName, previous.ips);
  checkRoutes(pod, previous.routes);
}

function checkContainer(pod: Netns, ifName: string, expected: CniInterface | undefined): void {
  const device = pod.device(ifName);
  if (device === undefined) fail(`Interface name ${ifName} not found`);
  if (device.detail.kind !== "veth") fail(`Container interface ${ifName} not of type veth/p2p`);
  if (expected !== undefined && expected.mac !== "" && expected.mac !== macText(device)) {
    fail(`Interface ${ifName} Mac ${expected.mac} doesn't match container Mac: ${macText(device)}`);
  }
}

function status(call: PluginCall): void {
  if (ipamType(call) !== "") ipamOf(call);
}
