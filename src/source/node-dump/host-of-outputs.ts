import { parseBrctlText } from "../../kernel/device/brctl-text.ts";
import { parseBridgeFdbText, parseBridgeLinkText } from "../../kernel/device/bridge-text.ts";
import { parseIfconfigText } from "../../kernel/device/ifconfig-text.ts";
import { parseIpLinkText } from "../../kernel/device/ip-link-text.ts";
import { parseArpText, parseIpNeighText } from "../../kernel/device/ip-neigh-text.ts";
import { ipsetSaveOfList } from "../../kernel/ipset/list.ts";
import { ipvsSaveOfList } from "../../kernel/ipvs/list.ts";
import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import { parseIpRouteText } from "../../kernel/route/ip-route-text.ts";
import { parseIpRuleText } from "../../kernel/route/ip-rule-text.ts";
import { parseRouteTableText } from "../../kernel/route/route-table-text.ts";
import { ssOfNetstat } from "../../kernel/socket/netstat-text.ts";
import { parseSysctlText } from "../../kernel/sysctl-text.ts";
import type { TextLine, ToolText } from "../../kernel/tool-text.ts";
import { DumpDraft, placed } from "./dump-draft.ts";
import { iptablesOf } from "./iptables.ts";
import { fieldOfJson } from "./json-output.ts";
import { isIpv6Output, type Output } from "./output.ts";

/** An output and the file it stands in. */
export interface FileOutput {
  readonly file: string;
  readonly output: Output;
}

/** What the outputs of one node say, in a snapshot's form; nothing of it assumed yet. */
export function hostOfOutputs(outputs: readonly FileOutput[]): DumpDraft {
  const draft = new DumpDraft();
  const links: Links = { items: [], bridges: [] };
  // What is said by more than one tool, the one that says more says first.
  const byWorth = outputs.toSorted((a, b) => Number(isOfOldTool(a.output)) - Number(isOfOldTool(b.output)));
  for (const { file, output } of byWorth) readOutput(file, output, draft, links);
  readLinks(links, draft);
  const iptables = outputs.filter(({ output }) => /^iptables/.test(output.tool));
  for (const family of [4, 6] as const) {
    const own = iptables.filter(({ output }) => isIpv6Output(output) === (family === 6));
    iptablesOf(own, family, draft);
  }
  draft.warnings.push(...draft.oddLines());
  return draft;
}

/** What outputs say of devices. */
interface Links {
  readonly items: Json[];
  /** Of bridges and their ports, what nobody else may have said. */
  readonly bridges: Json[];
}

const IFCONFIG_ALONE =
  'no "ip addr" or "ip link": devices are as ifconfig shows them, without second addresses that have no label, and of kinds that their names tell';

/** Tools of before iproute2. */
function isOfOldTool({ tool }: Output): boolean {
  return tool === "ifconfig" || tool === "brctl" || tool === "route" || tool === "netstat";
}

function readOutput(file: string, output: Output, draft: DumpDraft, links: Links): void {
  const { lines } = output;
  const taken = (text: ToolText): readonly Json[] => {
    draft.take(file, text);
    return text.items;
  };
  const text = (field: string, own: readonly TextLine[]): void =>
    draft.text(
      field,
      own.map((line) => placed(file, line)),
    );
  switch (output.tool) {
    case "ip-link":
      links.items.push(...taken(parseIpLinkText(lines)));
      return;
    case "ip-route":
      draft.add(isIpv6Output(output) ? "routes6" : "routes", taken(parseIpRouteText(lines)));
      return;
    case "ip-rule":
      draft.add(isIpv6Output(output) ? "rules6" : "rules", taken(parseIpRuleText(lines)));
      return;
    case "ip-neigh":
      draft.add("neigh", taken(parseIpNeighText(lines)));
      return;
    case "arp":
      draft.add("neigh", taken(parseArpText(lines)));
      return;
    case "ifconfig":
      if (links.items.length === 0) draft.assume(IFCONFIG_ALONE);
      links.items.push(...taken(parseIfconfigText(lines)));
      return;
    case "brctl":
      links.bridges.push(...taken(parseBrctlText(lines)));
      return;
    case "route":
      // `ip route` says the same and more.
      if (!draft.has("routes")) draft.add("routes", taken(parseRouteTableText(lines)));
      return;
    case "netstat":
      if (!draft.has("sockets")) text("sockets", ssOfNetstat(lines));
      return;
    case "bridge-fdb":
      draft.add("fdb", taken(parseBridgeFdbText(lines)));
      return;
    case "bridge-link":
      draft.add("bridgeLinks", taken(parseBridgeLinkText(lines)));
      return;
    case "sysctl":
      readSysctl(file, lines, draft);
      return;
    case "ss":
      text("sockets", socketLines(lines, output.command));
      return;
    case "ipset-save":
      text("ipsetSave", lines);
      return;
    case "ipset-list":
      text("ipsetSave", ipsetSaveOfList(lines));
      return;
    case "ipvsadm-save":
      text("ipvs", lines);
      return;
    case "ipvsadm-list": {
      const { save, odd } = ipvsSaveOfList(lines);
      text("ipvs", save);
      if (/--nosort/.test(output.command ?? "")) text("ipvsOrder", lines);
      for (const line of odd) draft.odd(file, line.number);
      return;
    }
    case "nft":
      text("nftRuleset", lines);
      return;
    case "nfqueue":
      // Nothing in it says something: nobody listens.
      draft.set("nfnetlinkQueue", lines.map((line) => `${line.text}\n`).join(""));
      return;
    case "tc-qdisc":
      text("qdiscs", lines);
      return;
    case "tc-filter":
      readTcFilters(file, output, draft);
      return;
    case "ovs-vsctl":
      text("ovsVsctl", lines);
      return;
    case "ovs-show":
    case "ovs-flows":
    case "ovs-groups":
      readOpenFlow(file, output, draft);
      return;
    case "conntrack":
      text("conntrack", lines);
      return;
    case "json":
      readJson(file, output, draft, links);
      return;
    default:
      return;
  }
}

/** Which device's filters these are, and of which hook, only the command says. */
function readTcFilters(file: string, { command, lines }: Output, draft: DumpDraft): void {
  const [, dev] = /\bdev\s+(\S+)/.exec(command ?? "") ?? [];
  const hook = /\begress\b|ffff:fff3\b/.test(command ?? "") ? "egress" : "ingress";
  if (dev === undefined || !/\b(?:ingress|egress)\b|\bffff:/.test(command ?? "")) {
    if (lines.length === 0) return;
    draft.warnings.push({
      ...{ file, line: lines[0]?.number ?? 1, field: null },
      message: 'filters without the command "tc filter show dev DEV ingress" above them: left out',
    });
    return;
  }
  const { tcFilters } = draft.json;
  const text = lines.map((line) => `${line.text}\n`).join("");
  if (text.trim() === "") return;
  draft.set("tcFilters", { ...(isJsonObject(tcFilters) ? tcFilters : {}), [`${dev} ${hook}`]: text });
}

const OPENFLOW_FIELDS = {
  "ovs-show": "ovsShow",
  "ovs-flows": "ovsFlows",
  "ovs-groups": "ovsGroups",
} as const;

/** Of which bridge, the command says; or there is but one. */
function readOpenFlow(file: string, { command, lines, tool }: Output, draft: DumpDraft): void {
  const field = OPENFLOW_FIELDS[tool as keyof typeof OPENFLOW_FIELDS];
  const said = /\b(?:show|dump-flows|dump-groups|dump-ports-desc)\s+([^\s-]\S*)/.exec(command ?? "")?.[1];
  const shown = lines.flatMap(({ text }) => /^\s*LOCAL\(([^)]+)\)/.exec(text)?.[1] ?? []);
  const { ovsVsctl, [field]: before } = draft.json;
  const known = typeof ovsVsctl === "string" ? [...ovsVsctl.matchAll(/^ +Bridge "?([^"\n]+)"?$/gm)] : [];
  const bridge = said ?? shown[0] ?? (known.length === 1 ? known[0]?.[1] : undefined);
  if (bridge === undefined) {
    draft.warnings.push({
      ...{ file, line: lines[0]?.number ?? 1, field: null },
      message:
        'of which bridge this is nothing says: the command above it, "ovs-ofctl … BRIDGE", does: left out',
    });
    return;
  }
  const own = lines.map((line) => `${line.text}\n`).join("");
  const texts = isJsonObject(before) ? before : {};
  const { [bridge]: already } = texts;
  draft.set(field, { ...texts, [bridge]: (typeof already === "string" ? already : "") + own });
  draft.ovsLines(
    `${field}.${bridge}`,
    lines.map((line) => placed(file, line)),
  );
}

function readSysctl(file: string, lines: readonly TextLine[], draft: DumpDraft): void {
  const { settings, odd } = parseSysctlText(lines);
  const { sysctl } = draft.json;
  draft.set("sysctl", { ...(isJsonObject(sysctl) ? sysctl : {}), ...Object.fromEntries(settings) });
  for (const { number } of odd) draft.odd(file, number);
}

/** `ss -tln` leaves the first column out, which `ss -Htuln` has. */
function socketLines(lines: readonly TextLine[], command: string | null): TextLine[] {
  const head = lines.find(({ text }) => /^(?:Netid\s+)?State\s+Recv-Q/.test(text));
  const lacksNetid = head !== undefined && !/^Netid/.test(head.text);
  const proto = lacksNetid && /-\w*u/.test(command ?? "") ? "udp" : "tcp";
  return lines
    .filter((line) => line !== head && line.text.trim() !== "")
    .map((line) => (lacksNetid ? { ...line, text: `${proto} ${line.text}` } : line));
}

function readJson(file: string, output: Output, draft: DumpDraft, links: Links): void {
  const first = output.lines[0]?.number ?? 1;
  let value: unknown;
  try {
    value = JSON.parse(output.lines.map(({ text }) => text).join("\n"));
  } catch {
    draft.error(file, first, "the JSON that begins here was cut off or is damaged");
    return;
  }
  const field = fieldOfJson(value);
  if (field === "qdiscs") {
    draft.set(field, output.lines.map(({ text }) => text).join("\n"));
    return;
  }
  if (field === "tcFilters") {
    readTcFilters(file, output, draft);
    return;
  }
  // Where there is nothing.
  if (Array.isArray(value) && value.length === 0) return;
  if (field === null) {
    draft.warnings.push({
      file,
      line: first,
      field: null,
      message: "this JSON is no output of ip, bridge, tc or nft: left out",
    });
    return;
  }
  if (field === "nftRulesetJson") {
    draft.set(field, value);
    return;
  }
  const items = (value as readonly unknown[]).filter(isJsonObject);
  for (const [i, item] of items.entries()) placeJson(item, file, first, `[${i}]`, draft);
  if (field === "links") links.items.push(...items);
  else draft.add(/\bip\s.*-6\b/.test(output.command ?? "") && field !== "neigh" ? `${field}6` : field, items);
}

function placeJson(item: Json, file: string, line: number, path: string, draft: DumpDraft): void {
  draft.place(item, file, line, path);
  const { addr_info: infos } = item;
  if (!Array.isArray(infos)) return;
  for (const [i, info] of (infos as readonly unknown[]).entries()) {
    if (isJsonObject(info)) draft.place(info, file, line, `${path}.addr_info[${i}]`);
  }
}

/** Devices said several times are one: what knows its kind counts for the device, addresses are put together. */
function readLinks({ items, bridges }: Links, draft: DumpDraft): void {
  const links = new Map<unknown, Json>();
  const infos = new Map<unknown, Json[]>();
  for (const item of items) {
    const { ifname, addr_info: own } = item;
    if (ifname === undefined) continue;
    const before = links.get(ifname);
    if (before === undefined || (!Object.hasOwn(before, "linkinfo") && Object.hasOwn(item, "linkinfo"))) {
      links.set(ifname, item);
    }
    const list = infos.get(ifname) ?? [];
    const known = new Set(list.map(addressKey));
    for (const info of Array.isArray(own) ? own.filter(isJsonObject) : []) {
      if (!known.has(addressKey(info))) list.push(info);
    }
    infos.set(ifname, list);
  }
  if (links.size === 0) return;
  for (const item of bridges) {
    const { ifname } = item;
    const link = links.get(ifname);
    if (link === undefined || Object.hasOwn(link, "linkinfo") || Object.hasOwn(link, "master")) continue;
    links.set(ifname, alike(draft, link, item));
  }
  // The first index is lo's (`LOOPBACK_IFINDEX`).
  let index = Math.max(1, ...[...links.values()].map(({ ifindex }) => Number(ifindex ?? 0)));
  for (const [name, link] of links) {
    if (Object.hasOwn(link, "ifindex")) continue;
    links.set(name, alike(draft, link, { ifindex: name === "lo" ? 1 : ++index }));
  }
  draft.set("links", [...links.values()]);
  const addrs = [...links.values()].map((link) => {
    const { ifname } = link;
    const made = { ifname, addr_info: infos.get(ifname) ?? [] };
    draft.placeLike(made, link);
    return made;
  });
  if ([...infos.values()].some((list) => list.length > 0)) draft.set("addrs", addrs);
}

/** An object with more in it, in the same place. */
function alike(draft: DumpDraft, item: Json, more: Json): Json {
  const made = { ...item, ...more };
  draft.placeLike(made, item);
  return made;
}

function addressKey(info: Json): string {
  const { local, prefixlen, address } = info;
  return `${String(local)}/${String(prefixlen)} ${String(address)}`;
}
