import type { Json } from "../json-fields.ts";
import { type TextLine, type ToolText, ToolTextDraft, WordReader } from "../tool-text.ts";
import { LINK_KINDS } from "./link-kind.ts";

/**
 * Devices as `ip link`, `ip addr` and `ip -d link` print them for people (iproute2, `ip/ipaddress.c`), in the form of
 * `ip -j -d addr`:
 *
 *     5: veth38a26eb8@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 8951 qdisc noqueue master cni0 state UP group default
 *         link/ether be:1c:a8:30:91:db brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 1
 *         veth
 *         bridge_slave state forwarding priority 32 cost 2 hairpin on learning on flood on
 *         inet 10.244.0.1/24 brd 10.244.0.255 scope global cni0
 */
export function parseIpLinkText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  let device: Draft | null = null;
  for (const line of lines) {
    const head = HEAD.exec(line.text);
    if (head !== null) {
      device = readHead(head, line, draft);
      if (device !== null) draft.add(device, line);
    } else if (line.text.trim() === "") {
    } else if (device === null || !readDetail(device, line, draft)) draft.odd.push(line);
  }
  return draft;
}

/** JSON being written. */
type Draft = Record<string, unknown>;

const HEAD = /^\s*(\d+): ([^\s:@]+)(?:@([^\s:]+))?: <([A-Z0-9_,-]*)>(.*)$/;

function readHead(head: RegExpExecArray, line: TextLine, draft: ToolTextDraft): Draft | null {
  const [, ifindex = "", ifname = "", link, flags = "", rest = ""] = head;
  const words = new WordReader(rest);
  const device: Draft = { ifindex: Number(ifindex) };
  const peer = /^if(\d+)$/.exec(link ?? "")?.[1];
  if (peer !== undefined) Object.assign(device, { link_index: Number(peer) });
  else if (link !== undefined) Object.assign(device, { link: link === "NONE" ? null : link });
  Object.assign(device, { ifname, flags: flags === "" ? [] : flags.split(",") });
  while (!words.done) {
    const name = words.next();
    if (!HEAD_FIELDS.has(name)) continue;
    const value = words.next();
    if (value === "") {
      draft.fault(line, `the line ends after ${name}: its value is missing`);
      return null;
    }
    const field = name === "state" ? "operstate" : name === "qlen" ? "txqlen" : name;
    device[field] = NUMBERS.has(name) && /^\d+$/.test(value) ? Number(value) : value;
  }
  if (!Object.hasOwn(device, "mtu")) {
    draft.fault(line, `${ifname} has no mtu: the line was cut off`);
    return null;
  }
  return device;
}

const HEAD_FIELDS = new Set(["mtu", "qdisc", "master", "state", "mode", "group", "qlen"]);
const NUMBERS = new Set(["mtu", "qlen"]);

/** Lines about a device that nothing here reads: counters, lifetimes, virtual functions, programs attached. */
const UNREAD =
  /^\s+(?:valid_lft|RX|TX|altname|alias|vf \d|prog\/|xdp|openvswitch|parentbus|[\d\s]+$|[A-Z]{2,} |bytes|\\)/;

function readDetail(device: Draft, line: TextLine, draft: ToolTextDraft): boolean {
  const words = new WordReader(line.text);
  const first = words.next();
  if (first.startsWith("link/")) readLinkLayer(device, first.slice("link/".length), words);
  else if (first === "inet" || first === "inet6") readAddress(device, first, words, line, draft);
  else if (LINK_KINDS.includes(first)) readKind(device, first, words);
  else if (first.endsWith("_slave")) readSlave(device, first.replace(/_slave$/, ""), words);
  else return UNREAD.test(line.text);
  return true;
}

function readLinkLayer(device: Draft, type: string, words: WordReader): void {
  // Numbers stand for types that the iproute2 of the day did not know.
  Object.assign(device, { link_type: /^\[\d+\]$/.test(type) ? "none" : type });
  if (!/^(?:brd|peer|promiscuity|link-netnsid|link-netns|)$/.test(words.peek())) {
    Object.assign(device, { address: words.next() });
  }
  if (words.peek() === "brd" || words.peek() === "peer") {
    words.next();
    Object.assign(device, { broadcast: words.next() });
  }
  if (words.peek() !== "link-netnsid") return;
  words.next();
  const id = words.next();
  if (/^\d+$/.test(id)) Object.assign(device, { link_netnsid: Number(id) });
}

const SCOPE_WORD = /^[\w-]+$/;

function readAddress(
  device: Draft,
  family: "inet" | "inet6",
  words: WordReader,
  line: TextLine,
  draft: ToolTextDraft,
): void {
  const info: Draft = { family };
  const own = words.next();
  const hasPeer = words.peek() === "peer";
  if (hasPeer) words.next();
  const [far = "", length] = (hasPeer ? words.next() : own).split("/");
  const [local = ""] = own.split("/");
  if (local === "" || far === "" || !SCOPE_WORD.test(length ?? (family === "inet" ? "32" : "128"))) {
    draft.fault(line, `the line ends before the address: ${JSON.stringify(line.text.trim())}`);
    return;
  }
  const whole = family === "inet" ? 32 : 128;
  Object.assign(info, { local, ...(hasPeer ? { address: far } : {}) });
  Object.assign(info, { prefixlen: length === undefined ? whole : Number(length) });
  while (!words.done) {
    const word = words.next();
    if (word === "brd") Object.assign(info, { broadcast: words.next() });
    else if (word === "scope") Object.assign(info, { scope: words.next() || "global" });
    else if (word === "any" || word === "metric" || word === "proto") words.next();
    else if (word === "secondary" || word === "temporary") Object.assign(info, { secondary: true });
    else if (words.done && family === "inet" && !ADDRESS_FLAGS.has(word))
      Object.assign(info, { label: word });
    else Object.assign(info, { [word]: true });
  }
  const { addr_info: before } = device;
  const list = Array.isArray(before) ? (before as readonly Json[]) : [];
  Object.assign(device, { addr_info: [...list, info] });
  draft.lineOf.set(info, line.number);
}

/** `IFA_F_*` as printed; the last word that is none of them is the label. */
const ADDRESS_FLAGS = new Set([
  ...["dynamic", "noprefixroute", "deprecated", "tentative", "dadfailed", "permanent", "home", "nodad"],
  ...["optimistic", "managetempaddr", "mngtmpaddr", "autojoin", "stable-privacy"],
]);

function infoOf(device: Draft): Draft {
  const { linkinfo } = device;
  if (linkinfo !== undefined) return linkinfo as Draft;
  const made: Draft = {};
  Object.assign(device, { linkinfo: made });
  return made;
}

function readKind(device: Draft, kind: string, words: WordReader): void {
  const data = READERS[kind]?.(words) ?? readPairs(words);
  Object.assign(infoOf(device), {
    info_kind: kind,
    ...(Object.keys(data).length > 0 ? { info_data: data } : {}),
  });
}

function readSlave(device: Draft, kind: string, words: WordReader): void {
  const data = readPairs(words);
  for (const [name, value] of Object.entries(data)) {
    if (value === "on" || value === "off") data[name] = value === "on";
  }
  Object.assign(infoOf(device), { info_slave_kind: kind, info_slave_data: data });
}

/** What every device may have behind what is its kind's own. */
const OF_ALL = "addrgenmode";

const READERS: Readonly<Record<string, (words: WordReader) => Draft>> = {
  vxlan: readTunnel,
  geneve: readTunnel,
  vlan: readVlan,
  veth: () => ({}),
};

/** `forward_delay 1500 hello_time 200`: a name, then its value, up to what every device has. */
function readPairs(words: WordReader): Draft {
  const data: Draft = {};
  while (!words.done && words.peek() !== OF_ALL) {
    const name = words.next();
    const value = words.next();
    if (value === "" || value === OF_ALL) break;
    data[name] = /^\d{1,10}$/.test(value) ? Number(value) : value;
  }
  return data;
}

/**
 * `vxlan id 1 local 192.0.2.1 dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300` (`ip/iplink_vxlan.c`), and
 * `geneve id 1 remote 192.0.2.2 ttl auto dstport 6081 noudpcsum` (`ip/iplink_geneve.c`).
 */
function readTunnel(words: WordReader): Draft {
  const data: Draft = {};
  const put = (name: string, value: unknown) => Object.assign(data, { [name]: value });
  const number = () => Number(words.next());
  while (!words.done && words.peek() !== OF_ALL) {
    const word = words.next();
    if (word === "id") put("id", number());
    else if (word === "local" || word === "remote" || word === "group") {
      const address = words.next();
      put(address.includes(":") ? `${word}6` : word, address);
    } else if (word === "dev") put("link", words.next());
    else if (word === "srcport") put("port_range", { low: number(), high: number() });
    else if (word === "dstport") put("port", number());
    else if (word === "nolearning" || word === "learning") put("learning", word === "learning");
    else if (word === "external") put("external", true);
    else if (word === "df") put("df", words.next());
    else if (word === "ttl") {
      const ttl = words.next();
      if (/^\d+$/.test(ttl)) put("ttl", Number(ttl));
    } else if (word === "ageing") {
      const seconds = words.next();
      put("ageing", seconds === "none" ? 0 : Number(seconds));
    } else if (word === "maxaddr" || word === "tos") words.next();
  }
  return data;
}

/** `vlan protocol 802.1Q id 100 <REORDER_HDR>`. */
function readVlan(words: WordReader): Draft {
  const data: Draft = {};
  while (!words.done && words.peek() !== OF_ALL) {
    const word = words.next();
    const flags = /^<(.*)>$/.exec(word)?.[1];
    if (word === "protocol") Object.assign(data, { protocol: words.next() });
    else if (word === "id") Object.assign(data, { id: Number(words.next()) });
    else if (flags !== undefined) Object.assign(data, { flags: flags === "" ? [] : flags.split(",") });
  }
  return data;
}
