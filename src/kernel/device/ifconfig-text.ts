import { parseIpv4 } from "../../address/ipv4.ts";
import { contains, lengthOfMask } from "../../address/prefix.ts";
import type { Json } from "../json-fields.ts";
import { type TextLine, type ToolText, ToolTextDraft } from "../tool-text.ts";

/**
 * Devices as `ifconfig` and `ifconfig -a` print them (net-tools 2, ifconfig(8)), and as net-tools 1.60 and busybox do, in the
 * form of `ip -j addr` without indexes and kinds, which ifconfig does not know:
 *
 *     v0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
 *             inet 10.1.2.3  netmask 255.255.255.0  broadcast 10.1.2.255
 *             ether f6:0a:43:1b:29:b3  txqueuelen 1000  (Ethernet)
 *
 *     eth0      Link encap:Ethernet  HWaddr 02:42:AC:11:00:02
 *               inet addr:172.17.0.2  Bcast:172.17.255.255  Mask:255.255.0.0
 *               UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1
 *
 * A device's alias (`v0:7`) is an address of the device with a label. Of several addresses without one ifconfig shows the first.
 */
export function parseIfconfigText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  const devices = new Map<string, Draft>();
  let section: Section | null = null;
  for (const line of lines) {
    if (line.text.trim() === "" || COUNTERS.test(line.text)) continue;
    const name = /^(\S+?):? (?= *(?:flags=|Link encap:))/.exec(line.text)?.[1];
    if (name !== undefined) section = { label: name, device: deviceOf(name, devices, line, draft) };
    if (section === null || !readWords(section, name === undefined, line, draft)) draft.odd.push(line);
  }
  for (const [name, device] of devices) {
    const { mtu } = device;
    if (mtu !== undefined) continue;
    const number = draft.lineOf.get(device) ?? 1;
    draft.fault({ number, text: "" }, `${name} has no mtu: its lines were cut off`);
  }
  return draft;
}

/** JSON being written. */
type Draft = Record<string, unknown>;

/** The lines about a device, or about an alias of it. */
interface Section {
  readonly label: string;
  readonly device: Draft;
}

const COUNTERS = /^\s+(?:RX|TX|collisions:|Interrupt:|device (?:interrupt|memory)|Memory:|inet6 prefix)/;

function deviceOf(label: string, devices: Map<string, Draft>, line: TextLine, draft: ToolTextDraft): Draft {
  const [ifname = label] = label.split(":");
  const known = devices.get(ifname);
  if (known !== undefined) return known;
  const device: Draft = { ifname, flags: [], addr_info: [] };
  devices.set(ifname, device);
  draft.add(device, line);
  return device;
}

const HEAD = /^\S+: +flags=\d+<([A-Z,0-9-]*)>\s+mtu (\d+)/;
const OLD_FLAGS = /^\s+((?:[A-Z0-9]+ )+) ?MTU:(\d+) {2}Metric:/;
const OLD_HEAD = /Link encap:(.+?)(?: {2}HWaddr (\S+))?\s*$/;
const LINK_LAYER = /^\s+(ether|loop|unspec|tunnel|sit|ppp|infiniband|gre)\b(?: ([\da-f:]{17})\b)?/i;
const INET =
  /^\s+inet (?:addr:)?(\S+)(?:\s+(?:P-t-P:(\S+)))?(?:\s+Bcast:(\S+))?\s+(?:netmask |Mask:)(\S+)(?:\s+(?:broadcast (\S+)|destination (\S+)))?/;
const INET6 = /^\s+inet6 (?:addr: )?([\da-f:]+)(?:\/(\d+)|\s+prefixlen (\d+))/i;

function readWords(
  { label, device }: Section,
  isDetail: boolean,
  line: TextLine,
  draft: ToolTextDraft,
): boolean {
  const { text } = line;
  const flags = HEAD.exec(text) ?? OLD_FLAGS.exec(text);
  if (flags !== null) {
    if (label === device["ifname"]) Object.assign(device, stateOf(flags[1] ?? "", Number(flags[2])));
    return true;
  }
  const oldHead = OLD_HEAD.exec(text);
  if (!isDetail && oldHead !== null) {
    Object.assign(device, linkLayer(oldHead[1] ?? "", oldHead[2]));
    return true;
  }
  if (!isDetail) return false;
  const layer = LINK_LAYER.exec(text);
  if (layer !== null) {
    Object.assign(device, linkLayer(layer[1] ?? "", layer[2]));
    return true;
  }
  const info = inetOf(INET.exec(text), label, device) ?? inet6Of(INET6.exec(text));
  if (info !== null) {
    const { addr_info: before } = device;
    Object.assign(device, { addr_info: [...(before as readonly Json[]), info] });
    draft.lineOf.set(info, line.number);
    return true;
  }
  if (!/^\s+inet6? /.test(text)) return false;
  draft.fault(
    line,
    `${JSON.stringify(text.trim())} was cut off: an address with its netmask or prefixlen is expected`,
  );
  return true;
}

/** RUNNING is what `ip` calls LOWER_UP, and NO-CARRIER where an interface that is up lacks it. */
function stateOf(words: string, mtu: number): Draft {
  const given = words.split(/[ ,]/).filter((word) => word !== "");
  const running = given.includes("RUNNING");
  const isUp = given.includes("UP");
  const flags = [
    ...(isUp && !running ? ["NO-CARRIER"] : []),
    ...given.filter((word) => word !== "RUNNING"),
    ...(running ? ["LOWER_UP"] : []),
  ];
  return { flags, mtu, operstate: isUp && running ? "UP" : "DOWN" };
}

function linkLayer(type: string, mac: string | undefined): Draft {
  if (/^(?:loop|local loopback)/i.test(type)) return { link_type: "loopback", address: "00:00:00:00:00:00" };
  if (/^ether/i.test(type) && mac !== undefined) return { link_type: "ether", address: mac.toLowerCase() };
  return { link_type: "none" };
}

function inetOf(found: RegExpExecArray | null, label: string, device: Draft): Json | null {
  if (found === null) return null;
  const [, local = "", oldPeer, oldBroadcast, netmask = "", broadcast = oldBroadcast, peer = oldPeer] = found;
  const address = parseIpv4(local);
  const mask = parseIpv4(netmask);
  const prefixlen = mask === undefined ? undefined : lengthOfMask(mask);
  if (address === undefined || prefixlen === undefined) return null;
  const { addr_info: before, ifname } = device;
  const isSecond = (before as readonly Json[]).some(
    ({ local: other, prefixlen: length }) =>
      length === prefixlen &&
      contains({ address: parseIpv4(String(other)) ?? 0, length: prefixlen }, address),
  );
  return {
    family: "inet",
    local,
    ...(peer === undefined || peer === local ? {} : { address: peer }),
    prefixlen,
    ...(broadcast === undefined || broadcast === "0.0.0.0" ? {} : { broadcast }),
    scope: ifname === "lo" ? "host" : "global",
    ...(isSecond ? { secondary: true } : {}),
    label,
  };
}

function inet6Of(found: RegExpExecArray | null): Json | null {
  if (found === null) return null;
  const [, local = "", oldLength, length = oldLength] = found;
  const scope = local === "::1" ? "host" : /^fe[89ab]/i.test(local) ? "link" : "global";
  return { family: "inet6", local, prefixlen: Number(length), scope };
}
