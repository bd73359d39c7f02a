import { type Mac, parseMac } from "../address/mac.ts";
import type { BridgePort, Device } from "../kernel/device/device.ts";
import { readArguments } from "./arguments.ts";
import { fail } from "./cni-error.ts";
import { object, text } from "./json.ts";
import type { Netns } from "./netns.ts";
import { openNetns, type PluginCall } from "./plugin/plugin.ts";

/** The two ends of a container's cable: one in the container, one on the node. */
export interface VethPair {
  readonly host: Device;
  readonly container: Device;
}

export interface VethOptions {
  readonly mtu: number;
  /** The container end's address; null: drawn. */
  readonly mac: string | null;
  readonly master?: string;
  readonly port?: Partial<BridgePort>;
}

const DEFAULT_MTU = 1500;
/** `ETH_MIN_MTU`, `ETH_MAX_MTU`. */
const LEAST_MTU = 68;
const MOST_MTU = 65_535;

/**
 * Makes the pair. The node's end is up at once and has no carrier until the container's end is up as well, which is the
 * last thing that a plugin does: a plugin that fails between leaves it so.
 */
export function addVethPair(call: PluginCall, { mtu, mac, master, port }: VethOptions): VethPair {
  const { machine, containerId, ifName } = call;
  const { node, names } = machine;
  const pod = openNetns(call);
  if (pod.device(ifName) !== undefined) fail(`container veth name provided (${ifName}) already exists`);
  if (mtu > 0 && !isMtu(mtu)) fail("failed to make veth pair: invalid argument");
  const key = `${call.network} ${containerId} ${ifName}`;
  const container = pod.addDevice({
    name: ifName,
    mac: mac === null ? names.mac(`${key} container`) : requireMac(mac),
    mtu: mtu <= 0 ? DEFAULT_MTU : mtu,
    detail: { kind: "veth" },
    up: false,
  });
  const host = node.addDevice({
    name: names.veth(key, (name) => node.device(name) !== undefined),
    mac: names.mac(`${key} host`),
    mtu: container.mtu,
    detail: { kind: "veth" },
    carrier: false,
    ...(master === undefined ? {} : { master }),
    ...(port === undefined ? {} : { port }),
  });
  machine.join({ host: node.name, device: host.name }, { host: pod.name, device: ifName });
  return { host, container };
}

/** What the kernel takes for the MTU of a device that it makes. */
export function isMtu(mtu: number): boolean {
  return mtu >= LEAST_MTU && mtu <= MOST_MTU;
}

/** The container's end is up: the node's end has a carrier. */
export function setPairUp(call: PluginCall, pod: Netns, { host }: VethPair): void {
  pod.setUp(call.ifName);
  call.machine.node.setCarrier(host.name, true);
}

function requireMac(text: string): Mac {
  return parseMac(text) ?? fail(`failed to make veth pair: address ${text}: invalid MAC address`);
}

/**
 * Where a container's link address may come from: `runtimeConfig.mac`, then `args.cni.mac`, then `CNI_ARGS`. The field `mac` of a
 * configuration is read by `macvlan` and `tuning` alone.
 */
export function requestedMac(call: PluginCall): string | null {
  const { args, config } = call;
  const named =
    [
      text(object(config, "runtimeConfig"), "mac"),
      text(object(object(config, "args"), "cni"), "mac"),
      readArguments(args, ["MAC"]).get("MAC") ?? "",
    ].find((value) => value !== "") ?? "";
  return named === "" ? null : named;
}
