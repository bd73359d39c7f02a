import { readArguments } from "../arguments.ts";
import { WORKLOAD_MAC, workloadDevice } from "../calico/names.ts";
import { fail } from "../cni-error.ts";
import { bitsOf, formatIp, fromIpv4, fromWords, type Ip, sameIp } from "../ip.ts";
import { ipamCall, ipamOf, ipamType } from "../ipam/delegate.ts";
import { linkLocalOf } from "../ipv6-state.ts";
import { integer, object } from "../json.ts";
import type { Netns } from "../netns.ts";
import { type CniIp, type CniResult, parseDns } from "../result.ts";
import { openNetns, type Plugin, type PluginCall } from "./plugin.ts";

/** Where every pod sends what is not for itself: no device has the address, the cable's end answers for it. */
const GATEWAY = fromIpv4((169 << 24) | (254 << 16) | (1 << 8) | 1);

/** The same of IPv6: the link-local address that the cable's end has by its MAC, `fe80::ecee:eeff:feee:eeee`. */
const GATEWAY6 = fromWords(linkLocalOf(WORKLOAD_MAC));

const DEFAULT_MTU = 1500;

/**
 * The `calico` plugin: a cable from each pod to the node with no network around it. The pod has a /32, of IPv6 a /128, and one
 * gateway, which the node's end answers for by proxy ARP, or in IPv6 has; the node has a route to the pod by its device.
 */
export const CALICO: Plugin = { add, del, check };

function add(call: PluginCall): CniResult {
  const taken = ipamOf(call).add(ipamCall(call));
  try {
    return configure(call, taken.ips);
  } catch (error) {
    ipamOf(call).del(ipamCall(call));
    throw error;
  }
}

function configure(call: PluginCall, given: readonly CniIp[]): CniResult {
  const { machine, ifName, containerId, network } = call;
  const { node, names } = machine;
  const pod = openNetns(call);
  if (pod.device(ifName) !== undefined) fail(`container veth name provided (${ifName}) already exists`);
  const ips = given.map(({ address }) => address.ip);
  if (ips.length === 0) fail("IPAM plugin did not return any IP addresses");
  const key = `${network} ${containerId} ${ifName}`;
  const mtu = integer(call.config, "mtu") || DEFAULT_MTU;
  const host = deviceOf(call);
  // What an ADD that failed left behind gives way.
  node.deleteDevice(host);
  const container = pod.addDevice({
    ...{ name: ifName, mac: names.mac(`${key} container`), mtu, detail: { kind: "veth" }, up: false },
  });
  node.addDevice({
    ...{ name: host, mac: WORKLOAD_MAC, mtu, detail: { kind: "veth" }, carrier: false },
  });
  machine.join({ host: node.name, device: host }, { host: pod.name, device: ifName });
  pod.setUp(ifName);
  node.setCarrier(host, true);
  for (const ip of ips) configurePod(pod, ifName, ip);
  setWorkloadSysctls(node, host);
  if (ips.some(({ family }) => family === 6)) {
    setWorkloadSysctls6(node, host);
    node.addLinkLocal(host);
  }
  for (const ip of ips) node.addRoute({ dst: { ip, length: bitsOf(ip.family) }, gw: null, dev: host });
  return {
    interfaces: [{ name: host, mac: "", sandbox: "", mtu: container.mtu }],
    ips: ips.map((ip) => ({ interface: null, address: { ip, length: bitsOf(ip.family) }, gateway: null })),
    routes: [],
    dns: parseDns(object(call.config, "dns")),
  };
}

function configurePod(pod: Netns, dev: string, ip: Ip): void {
  if (ip.family === 6) {
    pod.addAddress(dev, { ip, length: 128 });
    pod.addRoute({ dst: { ip: { family: 6, value: 0n }, length: 0 }, gw: GATEWAY6, dev });
    return;
  }
  pod.addRoute({ dst: { ip: GATEWAY, length: 32 }, gw: null, dev });
  pod.addRoute({ dst: { ip: fromIpv4(0), length: 0 }, gw: GATEWAY, dev });
  pod.addAddress(dev, { ip, length: 32 });
}

/** `configureInterfaceSysctls` of Felix and the plugin. */
function setWorkloadSysctls(node: Netns, dev: string): void {
  node.enableForwarding(4);
  for (const [key, value] of [
    ["route_localnet", "1"],
    ["proxy_arp", "1"],
    ["forwarding", "1"],
    ["rp_filter", "1"],
  ] as const) {
    node.sysctl(`net.ipv4.conf.${dev}.${key}`, value);
  }
  node.sysctl(`net.ipv4.neigh.${dev}.proxy_delay`, "0");
}

/** The same of IPv6. */
function setWorkloadSysctls6(node: Netns, dev: string): void {
  node.enableForwarding(6);
  node.sysctl(`net.ipv6.conf.${dev}.proxy_ndp`, "1");
  node.sysctl(`net.ipv6.conf.${dev}.forwarding`, "1");
}

/** Named after the pod; where no orchestrator told its name, after the container. */
function deviceOf({ args, containerId }: PluginCall): string {
  const known = readArguments(args, ["K8S_POD_NAMESPACE", "K8S_POD_NAME"]);
  const pod = known.get("K8S_POD_NAME") ?? "";
  return pod === ""
    ? `cali${containerId.replace(/[^A-Za-z0-9]/g, "").slice(0, 11)}`
    : workloadDevice(known.get("K8S_POD_NAMESPACE") ?? "", pod);
}

function del(call: PluginCall): void {
  const { machine } = call;
  if (ipamType(call) !== "") ipamOf(call).del(ipamCall(call));
  const pod = machine.netns(call.netns);
  if (pod?.device(call.ifName) !== undefined) machine.deleteLink(pod, call.ifName);
  const host = deviceOf(call);
  machine.node.deleteRoute(({ nextHops }) => nextHops.some(({ dev }) => dev === host));
  machine.node.deleteDevice(host);
}

function check(call: PluginCall): void {
  const pod = openNetns(call);
  if (pod.device(call.ifName) === undefined) fail("Link not found");
  const host = deviceOf(call);
  if (call.machine.node.device(host) === undefined) fail(`failed to find the workload's device ${host}`);
  for (const { address } of call.prevResult?.ips ?? []) {
    if (!pod.netsOf(call.ifName).some((found) => sameIp(found.ip, address.ip))) {
      fail(`the workload's address ${formatIp(address.ip)} is missing on ${call.ifName}`);
    }
  }
}
