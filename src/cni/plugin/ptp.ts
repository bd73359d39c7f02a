import { fail } from "../cni-error.ts";
import { checkAddresses, checkRoutes, configureInterface } from "../configure-interface.ts";
import { bitsOf, formatIp, formatIpNet, type Ip, toIpv4 } from "../ip.ts";
import { ipamCall, ipamOf, ipamType } from "../ipam/delegate.ts";
import { flag, integer, object } from "../json.ts";
import { masquerade, unmasquerade } from "../masquerade.ts";
import type { Netns } from "../netns.ts";
import { type CniIp, type CniResult, hasDns, macText, parseDns } from "../result.ts";
import { addVethPair, setPairUp } from "../veth-pair.ts";
import { containerIn, openNetns, type Plugin, type PluginCall, previousResult } from "./plugin.ts";

/** The `ptp` plugin: a cable from each container to the node, routed at both ends. */
export const PTP: Plugin = { add, del, check, status };

function add(call: PluginCall): CniResult {
  const ipam = ipamOf(call);
  const taken = ipam.add(ipamCall(call));
  try {
    return configure(call, { ...taken, interfaces: [] });
  } catch (error) {
    ipam.del(ipamCall(call));
    throw error;
  }
}

function configure(call: PluginCall, taken: CniResult): CniResult {
  const { node } = call.machine;
  if (taken.ips.length === 0) fail("IPAM plugin returned missing IP config");
  for (const family of new Set(taken.ips.map(({ address }) => address.ip.family)))
    node.enableForwarding(family);
  const pod = openNetns(call);
  const pair = addVethPair(call, { mtu: integer(call.config, "mtu"), mac: null });
  const ips = taken.ips.map((ip): CniIp => ({ ...ip, interface: 1 }));
  const result = { ...taken, ips };
  configureInterface(pod, call.ifName, result, () => setPairUp(call, pod, pair));
  for (const ip of ips) routeContainer(pod, call.ifName, ip);
  for (const ip of ips) routeHost(node, pair.host.name, ip);
  if (flag(call.config, "ipMasq")) {
    for (const { address } of ips) masquerade(node, call.network, call.containerId, address);
  }
  const dns = parseDns(object(call.config, "dns"));
  return {
    ...result,
    interfaces: [
      { name: pair.host.name, mac: macText(pair.host), sandbox: "", mtu: pair.host.mtu },
      {
        ...{ name: call.ifName, mac: macText(pair.container) },
        ...{ sandbox: call.netns, mtu: pair.container.mtu },
      },
    ],
    dns: hasDns(dns) ? dns : result.dns,
  };
}

/** Nobody but the gateway is a neighbour: the network's own route gives way to one by the gateway. */
function routeContainer(pod: Netns, dev: string, { address, gateway }: CniIp): void {
  if (address.ip.family === 4) {
    const own = toIpv4(address.ip);
    pod.deleteRoute(
      ({ table, protocol, prefsrc, nextHops }) =>
        table === "main" && protocol === "kernel" && prefsrc === own && nextHops[0]?.dev === dev,
    );
  }
  if (gateway === null) {
    // What the plugin asks for then is a route to everywhere, and one to its own network by nobody.
    if (address.ip.family === 6) return;
    const everywhere = { ip: { family: 4 as const, value: 0n }, length: 0 };
    pod.addRoute({ dst: everywhere, gw: null, dev, src: address.ip });
    pod.addRoute({ dst: address, gw: null, dev, src: address.ip, scope: "global" });
    return;
  }
  const refuse = (reason: string): never => {
    const { ifindex } = pod.device(dev) ?? { ifindex: 0 };
    return fail(
      `failed to add route {Ifindex: ${ifindex} Dst: ${formatIpNet(single(gateway))} Src: ${formatIp(address.ip)} Gw: <nil> Flags: [] Table: 0 Realm: 0}: ${reason}`,
    );
  };
  if (gateway.family !== address.ip.family) refuse("source and destination ip are not the same IP family");
  if (gateway.family === 6) return;
  if (!pod.addRoute({ dst: single(gateway), gw: null, dev, src: address.ip })) refuse("file exists");
  pod.addRoute({ dst: address, gw: gateway, dev, src: address.ip });
}

/** Every host end bears the gateway's address, and the way to its container. */
function routeHost(node: Netns, dev: string, { address, gateway }: CniIp): void {
  if (gateway === null) {
    const mask = Array.from({ length: bitsOf(address.ip.family) / 8 }, () => "0xff").join(", ");
    fail(
      `failed to add IP addr (&net.IPNet{IP:net.IP(nil), Mask:net.IPMask{${mask}}}) to veth: numerical result out of range`,
    );
  }
  node.addAddress(dev, single(gateway));
  node.addRoute({ dst: single(address.ip), gw: null, dev, scope: "host" });
}

function single(ip: Ip): { readonly ip: Ip; readonly length: number } {
  return { ip, length: ip.family === 4 ? 32 : 128 };
}

function del(call: PluginCall): void {
  const { machine, ifName } = call;
  ipamOf(call).del(ipamCall(call));
  const pod = machine.netns(call.netns);
  if (pod?.device(ifName) === undefined) return;
  const addresses = pod.netsOf(ifName);
  machine.deleteLink(pod, ifName);
  if (flag(call.config, "ipMasq")) unmasquerade(call, addresses, true);
}

function check(call: PluginCall): void {
  const pod = openNetns(call);
  ipamOf(call).check(ipamCall(call));
  const { ifName } = call;
  const previous = previousResult(call);
  const container = containerIn(previous, call);
  const device = pod.device(ifName);
  if (device === undefined) fail(`ptp: Container Interface name in prevResult: ${ifName} not found`);
  if (container !== undefined && container.mac !== macText(device)) {
    fail(`ptp: Interface ${ifName} Mac ${container.mac} doesn't match container Mac: ${macText(device)}`);
  }
  checkAddresses(pod, ifName, previous.ips);
  checkRoutes(pod, previous.routes);
}

function status(call: PluginCall): void {
  if (ipamType(call) !== "") ipamOf(call);
}
