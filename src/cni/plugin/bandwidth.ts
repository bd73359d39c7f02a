import { hashText } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { field, integer, object } from "../json.ts";
import type { Netns } from "../netns.ts";
import { macText } from "../netns.ts";
import type { CniResult } from "../result.ts";
import type { Plugin, PluginCall } from "./plugin.ts";

/**
 * The `bandwidth` plugin: token buckets on the node's end of the cable, and on an ifb device for the other direction.
 * Queueing is not walked: the commands are kept with the host under `trafficControl`.
 */
export const BANDWIDTH: Plugin = { add, del, check };

const MAX_NAME = 15;
const NOTES = "trafficControl";

interface Limits {
  readonly ingressRate: number;
  readonly ingressBurst: number;
  readonly egressRate: number;
  readonly egressBurst: number;
}

const FIELDS = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"];

function readLimits({ config }: PluginCall): Limits {
  // What the configuration itself says comes before what the runtime says.
  const runtime = object(object(config, "runtimeConfig"), "bandwidth");
  const source = FIELDS.some((name) => field(config, name) !== undefined) ? config : runtime;
  for (const name of FIELDS) {
    if (integer(config, name) >= 0) continue;
    fail(
      `failed to parse network configuration: json: cannot unmarshal number ${integer(config, name)} into Go struct field PluginConf.${name} of type uint64`,
    );
  }
  const limits = {
    ingressRate: integer(source, "ingressRate"),
    ingressBurst: integer(source, "ingressBurst"),
    egressRate: integer(source, "egressRate"),
    egressBurst: integer(source, "egressBurst"),
  };
  requirePair(limits.ingressRate, limits.ingressBurst);
  requirePair(limits.egressRate, limits.egressBurst);
  return limits;
}

function requirePair(rate: number, burst: number): void {
  if (burst < 0 || rate < 0) fail("rate and burst must be a positive integer");
  if (burst === 0 && rate !== 0) fail("if rate is set, burst must also be set");
  if (rate === 0 && burst !== 0) fail("if burst is set, rate must also be set");
  if (burst / 8 >= 2 ** 32) fail("burst cannot be more than 4GB");
}

function ifbName({ network, containerId }: PluginCall): string {
  return `bwp${hashText(network + containerId)}`.slice(0, MAX_NAME);
}

function add(call: PluginCall): CniResult {
  const limits = readLimits(call);
  const { prevResult, machine, containerId, network } = call;
  if (limits.ingressRate === 0 && limits.egressRate === 0) {
    return prevResult ?? fail("must be called as chained plugin");
  }
  if (prevResult === null) fail("must be called as chained plugin");
  const { node, names } = machine;
  const host = hostInterface(call, prevResult);
  if (limits.ingressRate > 0) note(node, [tbf(host, limits.ingressRate, limits.ingressBurst)]);
  if (limits.egressRate === 0) return prevResult;

  const name = ifbName(call);
  const { mtu } = node.device(host) ?? { mtu: 1500 };
  const ifb = node.addDumped({ name, mac: names.mac(`${network} ${containerId} ifb`), mtu }, "ifb", {});
  note(node, [
    `qdisc add dev ${host} ingress`,
    `filter add dev ${host} parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ${name}`,
    tbf(name, limits.egressRate, limits.egressBurst),
  ]);
  const made = { name, mac: macText(ifb), sandbox: "", mtu: 0 };
  return { ...prevResult, interfaces: [...prevResult.interfaces, made] };
}

/** Bits a second, and the burst in bytes. */
function tbf(dev: string, rate: number, burst: number): string {
  return `qdisc add dev ${dev} root tbf rate ${rate}bit burst ${Math.floor(burst / 8)} latency 25ms`;
}

function notesOf(node: Netns): readonly string[] {
  const value = node.host.unmodelled.get(NOTES);
  return Array.isArray(value) ? (value as readonly unknown[]).map(String) : [];
}

function note(node: Netns, commands: readonly string[]): void {
  node.keep(NOTES, [...notesOf(node), ...commands]);
}

/** The node's end of the container's cable, among what the plugins before made. */
function hostInterface({ machine, netns, ifName }: PluginCall, { interfaces }: CniResult): string {
  if (interfaces.length === 0) fail("no interfaces provided");
  const pod = machine.netns(netns);
  const peer = pod === undefined ? undefined : machine.peerOf({ host: pod.name, device: ifName });
  const own = pod?.device(ifName);
  if (peer === undefined || own?.detail.kind !== "veth") {
    const reason =
      own === undefined
        ? `could not look up ${JSON.stringify(ifName)}: Link not found`
        : `interface ${JSON.stringify(ifName)} was not a veth interface`;
    return fail(`container interface ${ifName} has no veth peer: ${reason}`);
  }
  if (peer.host !== machine.node.name) {
    const index = machine.hostOf(peer)?.device(peer.device)?.ifindex ?? 0;
    return fail(`veth peer with index ${index} is not in host ns`);
  }
  const found = interfaces.find(({ name, sandbox }) => sandbox === "" && name === peer.device);
  return found?.name ?? fail("no veth peer of container interface found in host ns");
}

function del(call: PluginCall): void {
  readLimits(call);
  const { node } = call.machine;
  const ifb = ifbName(call);
  node.deleteDevice(ifb);
  const hosts = (call.prevResult?.interfaces ?? []).filter(({ sandbox }) => sandbox === "");
  const gone = new Set([ifb, ...hosts.map(({ name }) => name)]);
  const notes = notesOf(node);
  const rest = notes.filter((command) => !gone.has(command.split(" ")[3] ?? ""));
  if (rest.length < notes.length) node.keep(NOTES, rest);
}

function check(call: PluginCall): void {
  const { ingressRate, egressRate } = readLimits(call);
  if (call.prevResult === null) fail("must be called as a chained plugin");
  const notes = notesOf(call.machine.node);
  const has = (dev: string) => notes.some((command) => command.startsWith(`qdisc add dev ${dev} root tbf `));
  if (ingressRate > 0 && !has(hostInterface(call, call.prevResult))) fail("Failed to find qdisc");
  if (egressRate > 0 && !has(ifbName(call))) fail("Failed to find qdisc");
}
