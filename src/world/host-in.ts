import type { Family } from "../address/ip.ts";
import { contains } from "../address/prefix.ts";
import { applyOperations } from "../kernel/apply-operation.ts";
import { parseFdbEntry } from "../kernel/device/bridge-fdb.ts";
import { parseBridgePort } from "../kernel/device/bridge-link.ts";
import { FIRST_VLAN, LAST_VLAN, parseBridgeVlans } from "../kernel/device/bridge-vlan.ts";
import type { BridgePort, Device, InterfaceAddress, InterfaceAddress6 } from "../kernel/device/device.ts";
import { isIpv6Address, parseAddress, parseAddress6 } from "../kernel/device/ip-addr.ts";
import { keepsDump, parseLink } from "../kernel/device/ip-link.ts";
import { isIpv6Neighbour, parseNeighbour, parseNeighbour6 } from "../kernel/device/ip-neigh.ts";
import { DEFAULT_KERNEL, emptyHost, type Host } from "../kernel/host.ts";
import { parseIpsetSave } from "../kernel/ipset/save.ts";
import { parseIpvsadmList, parseTimeouts } from "../kernel/ipvs/ipvsadm-list.ts";
import { type IpvsadmText, parseIpvsadmSave } from "../kernel/ipvs/ipvsadm-save.ts";
import { mergeVirtualServices } from "../kernel/ipvs/merge-services.ts";
import type { VirtualService } from "../kernel/ipvs/virtual-service.ts";
import { describeJson, fieldOf, isJsonObject, type Json, type JsonFields } from "../kernel/json-fields.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { parseIptablesSave } from "../kernel/netfilter/save/parse.ts";
import { parseNftJson } from "../kernel/nft/json/parse.ts";
import { parseNftRuleset } from "../kernel/nft/text/parse.ts";
import { DUMP } from "../kernel/nft/text/parse-table.ts";
import type { Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import { OpenVswitchReader } from "../kernel/ovs/read-ovs.ts";
import { isIpv6Route, parseRoute, parseRoute6 } from "../kernel/route/ip-route.ts";
import { DEFAULT_RULES, isIpv6Rule, parseRule, parseRule6 } from "../kernel/route/ip-rule.ts";
import { kernelRoutes, kernelRoutes6, vrfTableOf } from "../kernel/route/kernel-routes.ts";
import type { Route, Route6 } from "../kernel/route/route.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import { parseSs } from "../kernel/socket/ss.ts";
import { parseTunDaemon } from "../kernel/socket/tun-daemon.ts";
import { Sysctl } from "../kernel/sysctl.ts";
import { parseQdiscs, parseTcFilters } from "../kernel/tc/tc-text.ts";
import { DHCP_FIELD, readDhcp } from "./dhcp/configuration.ts";
import type { OriginTable } from "./origins.ts";
import type { Source } from "./world.ts";

/**
 * One host of a snapshot: the JSON form of what `ip`, `bridge`, `iptables-save`, `ss` and `sysctl` printed, turned into
 * operations on an empty host. What no rule of the walk reads (other kinds of devices) is
 * kept as it was under the field's own name, and `host-out.ts` gives it back.
 */
export interface HostSource {
  readonly name: string;
  readonly json: JsonFields;
  readonly file: string;
  /** What the kernel is assumed to be when the host names none. */
  readonly kernel: string | null;
  readonly origins: OriginTable;
  /** Where its parts stand, when it was put together from other files. */
  readonly places?: HostPlaces | undefined;
}

/** Which file and line a part of a host's JSON was read from. */
export interface HostPlaces {
  ofObject(json: Json): Source | undefined;
  /** A line, from 1, of a text such as `iptablesSave`. */
  ofLine(field: string, line: number): Source | undefined;
}

/** Fields of a host that become state, and those of which something may stay unmodelled beside it. */
const MODELLED = [
  "links",
  "addrs",
  "routes",
  "rules",
  "routes6",
  "rules6",
  "neigh",
  "fdb",
  "bridgeLinks",
  "bridgeVlans",
  "sysctl",
  "iptablesBackend",
  "iptablesSave",
  "ip6tablesSave",
  "ipsetSave",
  "nftRuleset",
  "ipvs",
  "ipvsOrder",
  "ipvsTimeouts",
  "sockets",
  "tunDaemons",
  "qdiscs",
  "tcFilters",
  "ovsVsctl",
  "ovsShow",
  "ovsFlows",
  "ovsGroups",
] as const;

const DESCRIPTIVE = ["name", "kind", "kernel"];

/** Known fields that are kept as they are. */
const KEPT = ["nftRulesetJson", DHCP_FIELD];

/** Does this object look like one host's state? */
export function isHostJson(json: Json): boolean {
  return MODELLED.some((field) => Object.hasOwn(json, field));
}

/** The host; with faults told, something that must not be used. */
export function readHost(source: HostSource): Host {
  const { json, name } = source;
  const kernel = json.optionalText("kernel") ?? source.kernel ?? DEFAULT_KERNEL;
  const start: Host = { ...emptyHost(name, json.optionalText("kind") ?? "node"), kernel };
  const reader = new HostReader(source);
  const applied = applyOperations(start, reader.operations());
  if (applied.kind === "ok") return applied.host;
  if (!reader.knowsDevices) return start;
  for (const { operation, message } of applied.errors) {
    json.faults.add(source.origins.sourceOf(originOf(operation))?.field ?? json.path, message);
  }
  return start;
}

/** In the place of an operation: the item says nothing that is not known. */
const SKIPPED = "skipped";

class HostReader {
  readonly #json: JsonFields;
  readonly #file: string;
  readonly #origins: OriginTable;
  readonly #places: HostPlaces | undefined;
  readonly #operations: Operation[] = [];
  readonly #devices = new Map<string, Device>();
  readonly #addresses: InterfaceAddress[] = [];
  readonly #addresses6: InterfaceAddress6[] = [];
  /** Made when first asked for, after all devices are known. */
  #vrfs: readonly Device[] | null = null;
  #sysctls: ReadonlyMap<string, string> | null = null;
  /** False when not even the names of all devices could be read: then nothing is said of what refers to a device. */
  knowsDevices = true;

  constructor({ json, file, origins, places }: HostSource) {
    this.#places = places;
    this.#json = json;
    this.#file = file;
    this.#origins = origins;
  }

  operations(): readonly Operation[] {
    this.#links();
    this.#addrs();
    this.#routes();
    this.#rules();
    this.#neigh();
    this.#fdb();
    this.#bridgeVlans();
    this.#sysctl();
    this.#iptables();
    this.#ipsets();
    this.#nft();
    this.#ipvs();
    this.#sockets();
    this.#trafficControl();
    this.#openVswitch();
    this.#dhcp();
    this.#others();
    return this.#operations;
  }

  #links(): void {
    const json = this.#json;
    const fromLinks = json.has("links");
    if (!fromLinks && !json.has("addrs")) {
      json.fault("links", 'is missing: the output of "ip -j -d link" is expected');
    }
    const before = json.faults.count;
    const items = json.objects(fromLinks ? "links" : "addrs");
    this.knowsDevices = json.faults.count === before;
    const ports = this.#bridgePorts();
    const bridges = new Set<string>();
    for (const item of items) {
      const info = item.get("linkinfo");
      const { info_kind: kind } = isJsonObject(info) ? info : {};
      if (kind === "bridge") bridges.add(String(item.get("ifname")));
    }
    const kept: Json[] = [];
    for (const item of items) {
      const device = parseLink(item, ports, bridges, this.#origin(item));
      if (device === undefined) {
        this.knowsDevices = false;
        continue;
      }
      if (keepsDump(device)) kept.push(withoutAddresses(item.json));
      if (!this.#devices.has(device.name)) this.#devices.set(device.name, device);
      this.#operations.push({ kind: "link-add", device });
    }
    this.#keep("links", kept);
    for (const item of json.objects("bridgeLinks")) {
      const name = item.get("ifname");
      if (this.knowsDevices && typeof name === "string" && !this.#devices.has(name)) {
        item.fault(
          "ifname",
          `there is no device ${JSON.stringify(name)}${suggestion(name, this.#devices.keys())}`,
        );
      }
    }
  }

  #bridgePorts(): Map<string, BridgePort> {
    const ports = new Map<string, BridgePort>();
    for (const item of this.#json.objects("bridgeLinks")) {
      const name = item.text("ifname");
      if (name !== "") ports.set(name, parseBridgePort(item));
    }
    return ports;
  }

  #addrs(): void {
    for (const item of this.#json.objects("addrs")) {
      const dev = item.text("ifname");
      for (const info of item.objects("addr_info")) this.#address(info, dev);
    }
  }

  #address(info: JsonFields, dev: string): void {
    const before = info.faults.count;
    if (isIpv6Address(info)) {
      const address = parseAddress6(info, dev, this.#origin(info));
      if (info.faults.count > before || dev === "") return;
      this.#addresses6.push(address);
      this.#operations.push({ kind: "address-add", address });
      return;
    }
    const address = parseAddress(info, dev, this.#origin(info));
    if (info.faults.count > before || dev === "") return;
    this.#addresses.push(address);
    this.#operations.push({ kind: "address-add", address });
  }

  /** A dump that holds no local table was taken of the main table alone: then the kernel's own routes are added. */
  #routes(): void {
    let four = 0;
    let six = 0;
    const known6 = new Set<string>();
    let hasLocal = false;
    let hasLocal6 = false;
    const read6 = (item: JsonFields): Operation | typeof SKIPPED | null => {
      // Old kernels list the entry of their tables that stands for "no route", in none of them and often.
      if (item.get("table") === "unspec") return null;
      const route = parseRoute6(item, this.#origin(item));
      six++;
      // `ip route show table all` tells of what `ip -6 route` does too.
      const key = JSON.stringify({ ...route, origin: null });
      if (known6.has(key)) return SKIPPED;
      known6.add(key);
      if (route.table === "local") hasLocal6 = true;
      return { kind: "route-add", route };
    };
    this.#each("routes", (item) => {
      if (isIpv6Route(item)) return read6(item);
      const route = parseRoute(item, this.#origin(item));
      four++;
      if (route.table === "local") hasLocal = true;
      return { kind: "route-add", route };
    });
    this.#each("routes6", read6);
    const all = !this.#json.has("routes") || (four === 0 && six > 0);
    const all6 = six === 0 && !this.#json.has("routes6");
    const own = [
      ...(hasLocal ? [] : this.#kernelRoutes().filter(({ table }) => all || table === "local")),
      ...(hasLocal6 ? [] : this.#kernelRoutes6().filter(({ table }) => all6 || table === "local")),
    ];
    for (const route of own) this.#operations.push({ kind: "route-add", route });
  }

  #kernelRoutes(): Route[] {
    const byDevice = new Map<string, InterfaceAddress[]>();
    for (const address of this.#addresses) {
      const known = byDevice.get(address.dev);
      if (known === undefined) byDevice.set(address.dev, [address]);
      else known.push(address);
    }
    return [...this.#devices.values()].flatMap((device) =>
      kernelRoutes(device, byDevice.get(device.name) ?? [], this.#vrfTable(device)),
    );
  }

  #kernelRoutes6(): Route6[] {
    const sysctl = new Sysctl(this.#settings());
    return [...this.#devices.values()].flatMap((device) =>
      kernelRoutes6(device, this.#addresses6, sysctl.device6(device.name).forwarding, this.#vrfTable(device)),
    );
  }

  #vrfTable(device: Device): string | null {
    this.#vrfs ??= [...this.#devices.values()].filter(({ detail }) => detail.kind === "vrf");
    return vrfTableOf(device, this.#vrfs);
  }

  /** Rules of IPv6 that nobody dumped are the kernel's own (`Fib`). */
  #rules(): void {
    const read6 = (item: JsonFields): Operation => ({
      kind: "rule-add",
      family: 6,
      rule: parseRule6(item, this.#origin(item)),
    });
    this.#each("rules6", read6);
    if (!this.#json.has("rules")) {
      for (const rule of DEFAULT_RULES) this.#operations.push({ kind: "rule-add", rule });
      return;
    }
    this.#each("rules", (item) =>
      isIpv6Rule(item) ? read6(item) : { kind: "rule-add", rule: parseRule(item, this.#origin(item)) },
    );
  }

  #neigh(): void {
    this.#each("neigh", (item) => ({
      kind: "neighbour-replace",
      neighbour: isIpv6Neighbour(item)
        ? parseNeighbour6(item, this.#origin(item))
        : parseNeighbour(item, this.#origin(item)),
    }));
  }

  #fdb(): void {
    this.#each("fdb", (item) => {
      const device = this.#devices.get(String(item.get("ifname")));
      return { kind: "fdb-append", entry: parseFdbEntry(item, device, this.#origin(item)) };
    });
  }

  /** Every device named begins with none: what a dump says is all there is. */
  #bridgeVlans(): void {
    const bridges = new Set<string>();
    for (const { name, detail } of this.#devices.values()) if (detail.kind === "bridge") bridges.add(name);
    for (const item of this.#json.objects("bridgeVlans")) {
      const before = item.faults.count;
      const vlans = parseBridgeVlans(item, bridges, this.#origin(item));
      if (item.faults.count > before) continue;
      const dev = item.text("ifname");
      const self = bridges.has(dev);
      this.#operations.push({ kind: "bridge-vlan-delete", dev, self, from: FIRST_VLAN, to: LAST_VLAN });
      for (const vlan of vlans) this.#operations.push({ kind: "bridge-vlan-add", vlan });
    }
  }

  /** One operation an item of a list, the faulty ones left out, those without one kept aside. */
  #each(field: string, read: (item: JsonFields) => Operation | typeof SKIPPED | null): void {
    const kept: Json[] = [];
    for (const item of this.#json.objects(field)) {
      const before = item.faults.count;
      const operation = read(item);
      if (item.faults.count > before) continue;
      if (operation === SKIPPED) continue;
      if (operation === null) kept.push(item.json);
      else this.#operations.push(operation);
    }
    this.#keep(field, kept);
  }

  #sysctl(): void {
    for (const [name, value] of this.#settings()) {
      this.#operations.push({ kind: "sysctl", name, value });
    }
  }

  #settings(): ReadonlyMap<string, string> {
    if (this.#sysctls !== null) return this.#sysctls;
    const settings = new Map<string, string>();
    this.#sysctls = settings;
    const json = this.#json.object("sysctl");
    for (const [name, value] of Object.entries(json?.json ?? {})) {
      if (typeof value === "string" || typeof value === "number") settings.set(name, String(value));
      else
        json?.fault(
          name,
          `${describeJson(value)} is not a text: the setting as "sysctl -a" prints it is expected`,
        );
    }
    return settings;
  }

  #iptables(): void {
    const json = this.#json;
    const backend = json.has("iptablesBackend") ? json.word("iptablesBackend", ["legacy", "nft"]) : undefined;
    this.#rulesOf("iptablesSave", 4, backend);
    this.#rulesOf("ip6tablesSave", 6, backend);
  }

  #rulesOf(
    name: "iptablesSave" | "ip6tablesSave",
    family: Family,
    backend: "legacy" | "nft" | undefined,
  ): void {
    const json = this.#json;
    const text = json.optionalText(name);
    if (text === null) return;
    const field = fieldOf(json.path, name);
    const origin = (line: number) => this.#originOfLine(field, line);
    const parsed = parseIptablesSave(text, { origin, family, ...(backend === undefined ? {} : { backend }) });
    if (parsed.kind === "ok") {
      const { ruleset } = parsed;
      this.#operations.push(
        family === 6
          ? { kind: "iptables-restore", family, ruleset, noflush: false }
          : { kind: "iptables-restore", ruleset, noflush: false },
      );
      return;
    }
    for (const { line, message, text: rule } of parsed.errors) {
      json.faults.add(`${field}:${line}`, `${message}: ${shortened(rule)}`);
    }
  }

  #ipsets(): void {
    const json = this.#json;
    const text = json.optionalText("ipsetSave");
    if (text === null) return;
    const field = fieldOf(json.path, "ipsetSave");
    const parsed = parseIpsetSave(text, (line) => this.#originOfLine(field, line));
    if (parsed.kind === "ok") {
      this.#operations.push({ kind: "ipset-restore", sets: parsed.sets });
      return;
    }
    for (const { line, message, text: set } of parsed.errors) {
      json.faults.add(`${field}:${line}`, `${message}: ${shortened(set)}`);
    }
  }

  /** `nft -a list ruleset`. */
  #nft(): void {
    const json = this.#json;
    const text = json.optionalText("nftRuleset");
    if (text === null) {
      this.#nftJson();
      return;
    }
    const field = fieldOf(json.path, "nftRuleset");
    const origin = (line: number) => this.#originOfLine(field, line);
    const parsed = parseNftRuleset(text, { ...DUMP, origin });
    if (parsed.kind === "ok") {
      this.#operations.push({ kind: "nft-restore", ruleset: parsed.ruleset });
      return;
    }
    for (const { line, message } of parsed.errors) json.faults.add(`${field}:${line}`, message);
  }

  /** `nft -j list ruleset`, where the text was not dumped as well. */
  #nftJson(): void {
    const json = this.#json;
    if (!json.has("nftRulesetJson")) return;
    const field = fieldOf(json.path, "nftRulesetJson");
    const origin = (at: number) =>
      this.#origins.add({ file: this.#file, field: `${field}.nftables[${at}]`, line: null });
    const parsed = parseNftJson(json.get("nftRulesetJson"), origin);
    if (parsed.kind === "ok") this.#operations.push({ kind: "nft-restore", ruleset: parsed.ruleset });
    else for (const { at, message } of parsed.errors) json.faults.add(`${field}.nftables[${at}]`, message);
  }

  /** `ipvsadm -Sn` says all but the order of the servers, `-Ln --nosort` the order and the connections there were. */
  #ipvs(): void {
    const saved = this.#ipvsText("ipvs", parseIpvsadmSave);
    const listed = this.#ipvsText("ipvsOrder", (list, origin) => parseIpvsadmList(list, false, origin));
    if (saved !== null || listed !== null) {
      this.#operations.push({ kind: "ipvs-restore", services: mergeVirtualServices(saved, listed) });
    }
    const text = this.#json.optionalText("ipvsTimeouts");
    if (text === null || text === "") return;
    const timeouts = parseTimeouts(text);
    if (timeouts !== null) this.#operations.push({ kind: "ipvs-timeouts", timeouts });
    else this.#json.fault("ipvsTimeouts", 'is not what "ipvsadm -L --timeout" prints');
  }

  #ipvsText(
    name: "ipvs" | "ipvsOrder",
    parse: (text: string, origin: (line: number) => Origin) => IpvsadmText,
  ): readonly VirtualService[] | null {
    const text = this.#json.optionalText(name);
    if (text === null) return null;
    const field = fieldOf(this.#json.path, name);
    const parsed = parse(text, (line) => this.#originOfLine(field, line));
    if (parsed.kind === "ok") return parsed.services;
    for (const { line, message, text: words } of parsed.errors) {
      this.#json.faults.add(`${field}:${line}`, `${message}: ${shortened(words)}`);
    }
    return null;
  }

  #sockets(): void {
    const daemons = this.#tunDaemons();
    const text = this.#json.optionalText("sockets");
    if (text === null) {
      this.#operations.push({ kind: "sockets", sockets: { kind: "assumed" } });
      for (const socket of daemons) this.#operations.push({ kind: "socket-open", socket });
      return;
    }
    const field = fieldOf(this.#json.path, "sockets");
    const parsed = parseSs(text, (line) => this.#originOfLine(field, line));
    if (parsed.kind === "invalid") {
      for (const { line, message } of parsed.errors) this.#json.faults.add(`${field}:${line}`, message);
      return;
    }
    const own = parsed.sockets.map(
      (socket) => daemons.find((daemon) => isSamePlace(daemon, socket)) ?? socket,
    );
    const unlisted = daemons.filter((daemon) => !own.includes(daemon));
    this.#operations.push({
      kind: "sockets",
      sockets: { kind: "listed", sockets: [...own, ...unlisted] },
    });
    this.#keep("sockets", parsed.others);
  }

  /** Read for its mistakes alone: it stays with the host as it was written. */
  #dhcp(): void {
    const json = this.#json.object(DHCP_FIELD);
    if (json === undefined) return;
    const { servers, clients } = readDhcp(json);
    if (!this.knowsDevices) return;
    const check = (name: string, path: string): void => {
      if (name !== "" && !this.#devices.has(name)) {
        json.faults.add(
          path,
          `there is no device ${JSON.stringify(name)}${suggestion(name, this.#devices.keys())}`,
        );
      }
    };
    for (const [i, { device, identifier, subnet }] of servers.entries()) {
      const path = `${json.path}.servers[${i}]`;
      check(device, `${path}.device`);
      const isNear = this.#addresses.some(({ dev, address }) => dev === device && contains(subnet, address));
      if (identifier === null && this.#devices.has(device) && !isNear) {
        json.faults.add(`${path}.subnet`, `${device} has no address of it, so the server could not answer`);
      }
    }
    for (const [i, name] of clients.entries()) check(name, `${json.path}.clients[${i}]`);
  }

  /** What stands behind a TUN: `ss` lists such a daemon's socket as any other. */
  #tunDaemons(): Socket[] {
    return this.#json.objects("tunDaemons").flatMap((item) => {
      const before = item.faults.count;
      const socket = parseTunDaemon(item, this.#origin(item));
      return item.faults.count > before ? [] : [socket];
    });
  }

  /** `tc qdisc show`, and under `DEV ingress` and `DEV egress` what `tc filter show` prints of each. */
  #trafficControl(): void {
    const json = this.#json;
    const text = json.optionalText("qdiscs");
    if (text !== null) {
      const field = fieldOf(json.path, "qdiscs");
      const { qdiscs, errors } = parseQdiscs(text, (line) => this.#originOfLine(field, line));
      for (const { line, message } of errors) json.faults.add(`${field}:${line}`, message);
      for (const qdisc of qdiscs) this.#operations.push({ kind: "qdisc-add", qdisc });
    }
    const filters = json.object("tcFilters");
    for (const name of Object.keys(filters?.json ?? {})) {
      const [, dev, hook] = /^(\S+) (ingress|egress)$/.exec(name) ?? [];
      const own = filters?.text(name) ?? "";
      if (dev === undefined) {
        filters?.fault(name, 'is no place of filters: "DEV ingress" or "DEV egress" is expected');
        continue;
      }
      const field = `${fieldOf(json.path, "tcFilters")}.${name}`;
      const read = parseTcFilters(own, dev, hook === "ingress" ? "ingress" : "egress", (line) =>
        this.#originOfLine(field, line),
      );
      for (const { line, message } of read.errors) json.faults.add(`${field}:${line}`, message);
      for (const filter of read.filters) this.#operations.push({ kind: "tc-filter-add", filter });
    }
  }

  /** `ovs-vsctl show`, and by bridge what `ovs-ofctl` prints of its ports, flows and groups. */
  #openVswitch(): void {
    const json = this.#json;
    const text = json.optionalText("ovsVsctl");
    // `ovsFlows.br-int`: the field, then whose.
    const pathOf = (field: string): string => {
      const [first = "", ...rest] = field.split(".");
      return [fieldOf(json.path, first), ...rest].join(".");
    };
    const reader = new OpenVswitchReader((field, line, message) => {
      json.faults.add(`${pathOf(field)}:${line}`, message);
    });
    const at = (field: string) => (line: number) => this.#originOfLine(pathOf(field), line);
    if (text !== null) reader.database(text, at("ovsVsctl"));
    const each = (field: string, read: (bridge: string, own: string) => void): void => {
      const texts = json.object(field);
      for (const bridge of Object.keys(texts?.json ?? {})) read(bridge, texts?.text(bridge) ?? "");
    };
    each("ovsShow", (bridge, own) => reader.show(bridge, own));
    each("ovsFlows", (bridge, own) => reader.flows(bridge, own, at(`ovsFlows.${bridge}`)));
    each("ovsGroups", (bridge, own) => reader.groups(bridge, own, at(`ovsGroups.${bridge}`)));
    const { ovs } = reader;
    if (ovs !== null) this.#operations.push({ kind: "ovs", ovs });
  }

  /** Everything else goes through unread, but a known text must be one, and a field that is nearly known is a slip. */
  #others(): void {
    const json = this.#json;
    const known: readonly string[] = [...MODELLED, ...DESCRIPTIVE, ...KEPT];
    for (const [field, value] of Object.entries(json.json)) {
      if (KEPT.includes(field)) this.#operations.push({ kind: "unmodelled", name: field, value });
      if (known.includes(field)) continue;
      const near = suggestion(field, known);
      if (near !== "") json.fault(field, `is no field of a host${near}`);
      else this.#operations.push({ kind: "unmodelled", name: field, value });
    }
  }

  /** Part of a modelled field that is not modelled, kept under the field's own name. */
  #keep(field: (typeof MODELLED)[number] | string, values: readonly unknown[]): void {
    if (values.length > 0) this.#operations.push({ kind: "unmodelled", name: field, value: values });
  }

  #origin(item: JsonFields): Origin {
    const place = this.#places?.ofObject(item.json);
    return this.#origins.add(place ?? { file: this.#file, field: item.path, line: null });
  }

  #originOfLine(field: string, line: number): Origin {
    const place = this.#places?.ofLine(field, line);
    return this.#origins.add(place ?? { file: this.#file, field, line });
  }
}

function isSamePlace(one: Socket, other: Socket): boolean {
  return one.proto === other.proto && one.port === other.port && (one.address ?? 0) === (other.address ?? 0);
}

/** The origin of the value that an operation carries. */
function originOf(operation: Operation): Origin {
  switch (operation.kind) {
    case "link-add":
      return operation.device.origin;
    case "address-add":
      return operation.address.origin;
    case "route-add":
      return operation.route.origin;
    case "rule-add":
      return operation.rule.origin;
    case "neighbour-replace":
      return operation.neighbour.origin;
    case "fdb-append":
      return operation.entry.origin;
    case "bridge-vlan-add":
      return operation.vlan.origin;
    case "socket-open":
      return operation.socket.origin;
    case "iptables-restore":
      return firstRuleOrigin(operation);
    case "ipset-restore":
      return operation.sets[0]?.origin ?? ORIGIN_NONE;
    default:
      return ORIGIN_NONE;
  }
}

function firstRuleOrigin({ ruleset }: Extract<Operation, { kind: "iptables-restore" }>): Origin {
  for (const table of ruleset.tables.values()) {
    for (const chain of table.chains.values()) {
      for (const rule of chain.rules) return rule.origin;
    }
  }
  return ORIGIN_NONE;
}

/** The head of an `ip -j addr` entry is kept as a link; its addresses are kept elsewhere. */
function withoutAddresses(json: Json): Json {
  if (!Object.hasOwn(json, "addr_info")) return json;
  const { addr_info: _, ...head } = json;
  return head;
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}
