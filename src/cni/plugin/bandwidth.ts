import type { Operation } from "../../kernel/operation.ts";
import type { TcFilter } from "../../kernel/tc/traffic-control.ts";
import { hashText } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { field, integer, object } from "../json.ts";
import type { Netns } from "../netns.ts";
import { type CniResult, macText } from "../result.ts";
import type { Plugin, PluginCall } from "./plugin.ts";

/**
 * The `bandwidth` plugin: token buckets on the node's end of the cable, and on an ifb device for the other direction.
 */
export const BANDWIDTH: Plugin = { add, del, check };

const MAX_NAME = 15;

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
  if (limits.ingressRate > 0) addTbf(node, host, limits.ingressRate, limits.ingressBurst);
  if (limits.egressRate === 0) return prevResult;

  const name = ifbName(call);
  const { mtu } = node.device(host) ?? { mtu: 1500 };
  const ifb = node.addDevice({
    name,
    mac: names.mac(`${network} ${containerId} ifb`),
    mtu,
    noArp: true,
    detail: { kind: "ifb" },
  });
  const { origin } = node;
  node.do(
    {
      kind: "qdisc-add",
      qdisc: {
        ...{ dev: host, kind: "ingress", handle: "ffff:", place: "parent ffff:fff1" },
        ...{ options: "----------------", origin },
      },
    },
    ...redirect(host, name).map(
      (filter): Operation => ({ kind: "tc-filter-add", filter: { ...filter, origin } }),
    ),
  );
  addTbf(node, name, limits.egressRate, limits.egressBurst);
  const made = { name, mac: macText(ifb), sandbox: "", mtu: 0 };
  return { ...prevResult, interfaces: [...prevResult.interfaces, made] };
}

/** Rate and burst in bits, as the kernel then prints them. */
function addTbf(node: Netns, dev: string, rate: number, burst: number): void {
  const options = `refcnt 2 rate ${rateText(rate)} burst ${sizeText(keptBurst(rate, burst))} lat 25ms`;
  const { origin } = node;
  node.do({ kind: "qdisc-add", qdisc: { dev, kind: "tbf", handle: "1:", place: "root", options, origin } });
}

/** The filter in its hash table of u32; release 1.1 makes the action twice, of which the second is never reached. */
function redirect(dev: string, to: string): Omit<TcFilter, "origin">[] {
  const head = "parent ffff: protocol all pref 1 u32 chain 0";
  const action = (order: number, control: string): string[] => [
    `\taction order ${order}: mirred (Egress Redirect to device ${to}) ${control}`,
    `\tindex ${order} ref 1 bind 1`,
  ];
  const lines = ["  match 00000000/00000000 at 0", ...action(1, "stolen"), ...action(2, "pass")];
  return [
    { dev, hook: "ingress", head, lines: [] },
    { dev, hook: "ingress", head: `${head} fh 800: ht divisor 1`, lines: [] },
    {
      ...{ dev, hook: "ingress", lines },
      head: `${head} fh 800::800 order 2048 key ht 800 bkt 0 *flowid 1:1 not_in_hw`,
    },
  ];
}

/** Ticks of the kernel's scheduler in a microsecond. */
const TICKS_PER_US = 15.625;

/** Bytes of a burst as the kernel keeps them: the whole ticks that they take at the rate. */
function keptBurst(rate: number, burst: number): number {
  const bytesPerSecond = Math.floor(rate / 8);
  if (bytesPerSecond === 0) return 0;
  const ticks = Math.floor(((Math.floor(burst / 8) * 1e6) / bytesPerSecond) * TICKS_PER_US);
  return Math.floor((bytesPerSecond * (ticks / TICKS_PER_US)) / 1e6);
}

const RATE_UNITS = ["", "K", "M", "G", "T"];

/** `print_rate` of iproute2. */
function rateText(bits: number): string {
  let rate = bits;
  let unit = 0;
  while (unit < RATE_UNITS.length - 1 && rate >= 1000 && (rate % 1000 === 0 || rate >= 1_000_000)) {
    rate /= 1000;
    unit++;
  }
  return `${Math.round(rate)}${RATE_UNITS[unit]}bit`;
}

/** `print_size` of iproute2. */
function sizeText(bytes: number): string {
  const mega = Math.round(bytes / 1_048_576);
  if (bytes >= 1_048_576 && Math.abs(1_048_576 * mega - bytes) < 1024) return `${mega}Mb`;
  const kilo = Math.round(bytes / 1024);
  return bytes >= 1024 && Math.abs(1024 * kilo - bytes) < 16 ? `${kilo}Kb` : `${bytes}b`;
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

/** With the ifb go its queue and what leads to it; the rest goes with the cable. */
function del(call: PluginCall): void {
  readLimits(call);
  call.machine.node.deleteDevice(ifbName(call));
}

function check(call: PluginCall): void {
  const { ingressRate, egressRate } = readLimits(call);
  if (call.prevResult === null) fail("must be called as a chained plugin");
  const { qdiscs } = call.machine.node.host.tc;
  const has = (dev: string) => qdiscs.some((qdisc) => qdisc.dev === dev && qdisc.kind === "tbf");
  if (ingressRate > 0 && !has(hostInterface(call, call.prevResult))) fail("Failed to find qdisc");
  if (egressRate > 0 && !has(ifbName(call))) fail("Failed to find qdisc");
}
