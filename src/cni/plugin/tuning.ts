import { formatMac, internMac, parseMac } from "../../address/mac.ts";
import { fail } from "../cni-error.ts";
import { field, flag, integer, object, text } from "../json.ts";
import type { Netns } from "../netns.ts";
import { type CniResult, macText } from "../result.ts";
import { requestedMac } from "../veth-pair.ts";
import { openNetns, type Plugin, type PluginCall, previousResult } from "./plugin.ts";

/** The `tuning` plugin: settings of the container's namespace and of its interface. */
export const TUNING: Plugin = { add, del, check };

/** Where the values before are kept for DEL. */
function backupPath({ containerId, ifName }: PluginCall): string {
  return `tuning/${containerId}_${ifName}.json`;
}

function add(call: PluginCall): CniResult {
  const { ifName, config, machine } = call;
  const own = text(config, "mac");
  const named = requestedMac(call) ?? (own === "" ? null : own);
  const mac =
    named === null
      ? null
      : (parseMac(named) ??
        fail(`invalid args ${named} for MAC addr: address ${named}: invalid MAC address`));
  const previous = previousResult(call);
  const pod = openNetns(call);
  for (const [name, value] of settings(call)) {
    requireSetting(pod, name);
    pod.sysctl(name, value);
  }
  const mtu = integer(config, "mtu");
  const isLinkTouched =
    mac !== null || mtu !== 0 || field(config, "promisc") === true || field(config, "allmulti") === true;
  if (!isLinkTouched) return previous;

  const before = pod.device(ifName) ?? fail(`failed to get ${JSON.stringify(ifName)}: Link not found`);
  machine.files.write(backupPath(call), JSON.stringify({ mac: macText(before), mtu: before.mtu }));
  if (mac !== null && before.up && machine.isMacvlanTaken(before, mac)) fail("address already in use");
  if (mac !== null) machine.setMac(pod, ifName, mac);
  if (mtu !== 0) {
    if (mtu > machine.mostMtu(before)) fail("invalid argument");
    pod.changeDevice(ifName, { mtu });
  }
  for (const mode of ["promisc", "allmulti"]) if (flag(config, mode)) noteMode(pod, ifName, mode);
  if (mac === null) return previous;
  return {
    ...previous,
    interfaces: previous.interfaces.map((item) =>
      item.name === ifName && item.sandbox !== "" ? { ...item, mac: formatMac(mac) } : item,
    ),
  };
}

/** Only the network's settings may be touched. */
function settings({ config, ifName }: PluginCall): readonly (readonly [string, string])[] {
  return Object.entries(object(config, "sysctl")).map(([written, value]) => {
    const name = written.replaceAll("/", ".").replaceAll("IFNAME", ifName);
    if (!name.startsWith("net.")) fail(`invalid net sysctl key: ${JSON.stringify(written)}`);
    return [name, String(value)];
  });
}

/** A device's settings are there while it is. */
function requireSetting(pod: Netns, name: string): void {
  const [, , device] = /^net\.(ipv4|ipv6)\.(?:conf|neigh)\.([^.]+)\./.exec(name) ?? [];
  if (device === undefined || ["all", "default"].includes(device) || pod.device(device) !== undefined) return;
  const path = name.replaceAll(".", "/");
  fail(`open /proc/sys/${path}: no such file or directory`);
}

/** Modes that no rule of the walk reads are kept as the commands that set them. */
function noteMode(pod: Netns, ifName: string, mode: string): void {
  const value = pod.host.unmodelled.get("linkSettings");
  const before = Array.isArray(value) ? (value as readonly unknown[]) : [];
  const setting = `ip link set ${ifName} ${mode} on`;
  if (!before.includes(setting)) pod.keep("linkSettings", [...before, setting]);
}

/** Puts the interface back as it was; there is nothing to do when it is gone. */
function del(call: PluginCall): void {
  requestedMac(call);
  const { machine, ifName } = call;
  const backup = machine.files.read(backupPath(call));
  const pod = machine.netns(call.netns);
  if (backup === undefined || pod === undefined) return;
  const { mac, mtu } = JSON.parse(backup) as { readonly mac: string; readonly mtu: number };
  machine.setMac(pod, ifName, internMac(mac));
  pod.changeDevice(ifName, { mtu });
  const value = pod.host.unmodelled.get("linkSettings");
  const notes = Array.isArray(value) ? (value as readonly unknown[]) : [];
  const rest = notes.filter((note) => !String(note).startsWith(`ip link set ${ifName} `));
  if (rest.length < notes.length) pod.keep("linkSettings", rest);
  machine.files.remove(backupPath(call));
}

function check(call: PluginCall): void {
  requestedMac(call);
  const { ifName, config } = call;
  previousResult(call);
  const pod = openNetns(call);
  for (const [name, value] of settings(call)) {
    // Release 1.1 puts the interface's name into what it sets, and forgets to in what it looks for.
    const raw = Object.keys(object(config, "sysctl")).find((key) => key.includes("IFNAME"));
    if (call.release === "1.1" && raw !== undefined) {
      const path = raw.includes("/") ? raw : raw.replaceAll(".", "/");
      fail(`open /proc/sys/${path}: no such file or directory`);
    }
    const current = pod.host.sysctl.get(name) ?? "";
    if (current !== value) {
      fail(`Error: Tuning configured value of ${name} is ${value}, current value is ${current}`);
    }
  }
  const device = pod.device(ifName) ?? fail(`Cannot find container link ${ifName}`);
  const mac = parseMac(text(config, "mac"));
  if (mac !== undefined && mac !== device.mac) {
    fail(
      `Error: Tuning configured Ethernet of ${ifName} is ${formatMac(mac)}, current value is ${macText(device)}`,
    );
  }
  const mtu = integer(config, "mtu");
  if (mtu !== 0 && mtu !== device.mtu) {
    fail(`Error: Tuning configured MTU of ${ifName} is ${mtu}, current value is ${device.mtu}`);
  }
}
