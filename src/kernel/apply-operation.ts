import { formatIpv4 } from "../address/ipv4.ts";
import { formatMac } from "../address/mac.ts";
import { formatPrefix4 } from "../address/prefix.ts";
import { type BridgeVlan, defaultVlan, withoutVlans, withVlan } from "./device/bridge-vlan.ts";
import type { Device, FdbEntry, InterfaceAddress, Neighbour } from "./device/device.ts";
import { DraftList } from "./draft-list.ts";
import type { EntryBatch } from "./entry-batch.ts";
import type { Host } from "./host.ts";
import { DraftIpsets } from "./ipset/draft-ipsets.ts";
import { DraftIpvs } from "./ipvs/draft-ipvs.ts";
import { suggestion } from "./nearest-word.ts";
import { DraftRuleset } from "./netfilter/draft-ruleset.ts";
import type { NftCommand } from "./nft/command.ts";
import { DraftNft } from "./nft/draft-nft.ts";
import type { LinkChange, Operation, OperationError } from "./operation.ts";
import { ORIGIN_NONE } from "./origin.ts";
import type { NextHop, PolicyRule, Route } from "./route/route.ts";
import type { Socket, Sockets } from "./socket/socket.ts";

export type Applied =
  | { readonly kind: "ok"; readonly host: Host }
  | { readonly kind: "invalid"; readonly errors: readonly OperationError[] };

/**
 * Applies a list of operations whole or not at all, in order, and shares with the host before all that they do not
 * touch. An operation changes what it names and nothing beside: the routes that the kernel adds with an address
 * (`route/kernel-routes.ts`) are operations of their own. Only what cannot outlive a deleted device goes with it.
 */
export function applyOperations(host: Host, operations: readonly Operation[]): Applied {
  const draft = new HostDraft(host);
  const errors: OperationError[] = [];
  for (const operation of operations) {
    const message = draft.apply(operation);
    if (message !== null) errors.push({ operation, message });
  }
  errors.push(...draft.unknownMasters());
  return errors.length === 0 ? { kind: "ok", host: draft.finish() } : { kind: "invalid", errors };
}

/** A host under change. Every method returns null, or one sentence on why the kernel would refuse. */
class HostDraft {
  readonly #host: Host;
  /** `link-add` operations whose `master` may still be added by a later one. */
  readonly #ports: Extract<Operation, { kind: "link-add" }>[] = [];
  // Made when first touched: most runs of operations touch one or two of these.
  #deviceMap: Map<string, Device> | null = null;
  #nameByIndex: Map<number, string> | null = null;
  #addressList: DraftList<InterfaceAddress> | null = null;
  #routeList: DraftList<Route> | null = null;
  #ruleList: DraftList<PolicyRule> | null = null;
  #neighbourList: DraftList<Neighbour> | null = null;
  #fdbList: DraftList<FdbEntry> | null = null;
  #vlanList: DraftList<BridgeVlan> | null = null;
  #ruleset: DraftRuleset | null = null;
  #ipsetDraft: DraftIpsets | null = null;
  #ipvsDraft: DraftIpvs | null = null;
  #socketList: DraftList<Socket> | null = null;
  #nftDraft: DraftNft | null = null;
  #sysctl: Map<string, string> | null = null;
  #unmodelled: Map<string, unknown> | null = null;
  #sockets: Sockets;
  #devicesChanged = false;

  constructor(host: Host) {
    this.#host = host;
    this.#sockets = host.sockets;
  }

  get #devices(): Map<string, Device> {
    this.#deviceMap ??= new Map(this.#host.devices.map((device) => [device.name, device]));
    return this.#deviceMap;
  }
  get #addresses(): DraftList<InterfaceAddress> {
    this.#addressList ??= new DraftList(this.#host.addresses, addressKey, sameAddressKey);
    return this.#addressList;
  }
  get #routes(): DraftList<Route> {
    this.#routeList ??= new DraftList(this.#host.routes, routeKey, sameRouteKey);
    return this.#routeList;
  }
  get #rules(): DraftList<PolicyRule> {
    this.#ruleList ??= new DraftList(this.#host.rules, (rule) => String(rule.priority));
    return this.#ruleList;
  }
  get #neighbours(): DraftList<Neighbour> {
    this.#neighbourList ??= new DraftList(this.#host.neighbours, neighbourKey, sameNeighbourKey);
    return this.#neighbourList;
  }
  get #fdb(): DraftList<FdbEntry> {
    this.#fdbList ??= new DraftList(this.#host.fdb, fdbKey, sameFdbKey);
    return this.#fdbList;
  }
  get #bridgeVlans(): DraftList<BridgeVlan> {
    this.#vlanList ??= new DraftList(this.#host.bridgeVlans, (vlan) => vlan.dev);
    return this.#vlanList;
  }
  get #iptables(): DraftRuleset {
    this.#ruleset ??= new DraftRuleset(this.#host.iptables);
    return this.#ruleset;
  }
  get #ipvs(): DraftIpvs {
    this.#ipvsDraft ??= new DraftIpvs(this.#host.ipvs);
    return this.#ipvsDraft;
  }
  get #ipsets(): DraftIpsets {
    this.#ipsetDraft ??= new DraftIpsets(this.#host.ipsets);
    return this.#ipsetDraft;
  }
  get #nft(): DraftNft {
    this.#nftDraft ??= new DraftNft(this.#host.nft);
    return this.#nftDraft;
  }
  get #openSockets(): DraftList<Socket> {
    const sockets = this.#sockets;
    this.#socketList ??= new DraftList(sockets.kind === "listed" ? sockets.sockets : [], socketKey);
    return this.#socketList;
  }

  finish(): Host {
    const host = this.#host;
    // Every field by its name: this is made for each step of each plugin on each host of a large cluster.
    return {
      name: host.name,
      kind: host.kind,
      kernel: host.kernel,
      devices: this.#devicesChanged ? [...this.#devices.values()] : host.devices,
      addresses: this.#addressList?.finish() ?? host.addresses,
      routes: this.#routeList?.finish() ?? host.routes,
      rules: this.#ruleList === null ? host.rules : inPriorityOrder(this.#ruleList.finish()),
      neighbours: this.#neighbourList?.finish() ?? host.neighbours,
      addresses6: host.addresses6,
      routes6: host.routes6,
      rules6: host.rules6,
      neighbours6: host.neighbours6,
      fdb: this.#fdbList?.finish() ?? host.fdb,
      bridgeVlans: this.#vlanList?.finish() ?? host.bridgeVlans,
      sysctl: this.#sysctl ?? host.sysctl,
      iptables: this.#ruleset === null ? host.iptables : this.#ruleset.finish(),
      ip6tables: host.ip6tables,
      ipsets: this.#ipsetDraft === null ? host.ipsets : this.#ipsetDraft.finish(),
      nft: this.#nftDraft === null ? host.nft : this.#nftDraft.finish(),
      ipvs: this.#ipvsDraft === null ? host.ipvs : this.#ipvsDraft.finish(),
      sockets: this.#socketsAfter(),
      unmodelled: this.#unmodelled ?? host.unmodelled,
    };
  }

  #socketsAfter(): Sockets {
    if (this.#socketList === null) return this.#sockets;
    const open = this.#socketList.finish();
    return sameList(this.#sockets, open) ? this.#sockets : { kind: "listed", sockets: open };
  }

  apply(operation: Operation): string | null {
    switch (operation.kind) {
      case "link-add":
        return this.#addLink(operation);
      case "link-delete":
        return this.#deleteLink(operation.name);
      case "link-set":
        return this.#changeLink(operation.name, { up: operation.up });
      case "link-change":
        return this.#changeLink(operation.name, operation.change);
      case "address-add":
        return this.#addAddress(operation.address);
      case "address-delete":
        return this.#deleteAddress(operation.address);
      case "route-add":
        return this.#addRoute(operation.route);
      case "route-replace":
        return this.#replaceRoute(operation.route);
      case "route-delete":
        return this.#deleteRoute(operation.route);
      case "rule-add":
        this.#rules.append(operation.rule);
        return null;
      case "neighbour-replace":
        return this.#replaceNeighbour(operation.neighbour);
      case "fdb-append":
        return this.#appendFdb(operation.entry);
      case "bridge-vlan-add":
        return this.#addVlan(operation.vlan);
      case "bridge-vlan-delete":
        return this.#deleteVlans(operation.dev, operation.self, operation.from, operation.to);
      case "batch-add":
        return this.#addBatch(operation.batch, operation.without);
      case "sysctl":
        this.#sysctl ??= new Map(this.#host.sysctl);
        this.#sysctl.set(operation.name, operation.value);
        return null;
      case "iptables-restore":
        return this.#iptables.restore(operation.ruleset, operation.noflush);
      case "iptables-insert":
        return this.#iptables.insert(operation.table, operation.chain, operation.index, operation.rule);
      case "iptables-delete":
        return this.#iptables.remove(operation.table, operation.chain, operation.index);
      case "nft-restore":
        this.#nft.restore(operation.ruleset);
        this.#forget("nftRulesetJson");
        return null;
      case "nft":
        return this.#applyNft(operation.commands);
      case "ipset-restore":
        return this.#ipsets.restore(operation.sets);
      case "ipset-destroy":
        return this.#ipsets.destroy(operation.set);
      case "ipset-add":
        return this.#ipsets.add(operation.set, operation.entry, operation.exist);
      case "ipset-delete":
        return this.#ipsets.delete(operation.set, operation.entry);
      case "ipvs-restore":
        return this.#ipvs.restore(operation.services);
      case "virtual-server-add":
        return this.#ipvs.addVirtualService(operation.service);
      case "virtual-server-edit":
        return this.#ipvs.editVirtualService(operation.service);
      case "virtual-server-delete":
        return this.#ipvs.deleteVirtualService(operation.selector);
      case "real-server-add":
        return this.#ipvs.addServer(operation.selector, operation.server);
      case "real-server-edit":
        return this.#ipvs.editServer(operation.selector, operation.server);
      case "real-server-delete":
        return this.#ipvs.deleteServer(operation.selector, operation.server);
      case "ipvs-clear":
        return this.#ipvs.clear();
      case "ipvs-timeouts":
        return this.#ipvs.set(operation.timeouts);
      case "sockets":
        this.#sockets = operation.sockets;
        this.#socketList = null;
        return null;
      case "socket-open":
        return this.#openSocket(operation.socket);
      case "unmodelled":
        this.#unmodelled ??= new Map(this.#host.unmodelled);
        this.#unmodelled.set(operation.name, operation.value);
        return null;
      default:
        operation satisfies never;
        throw new Error("unknown operation");
    }
  }

  #applyNft(commands: readonly NftCommand[]): string | null {
    this.#forget("nftRulesetJson");
    for (const command of commands) {
      const fault = this.#nft.apply(command);
      if (fault !== null) return fault;
    }
    return null;
  }

  /** What was kept of a dump beside its text is not true any more. */
  #forget(name: string): void {
    if (!(this.#unmodelled ?? this.#host.unmodelled).has(name)) return;
    this.#unmodelled ??= new Map(this.#host.unmodelled);
    this.#unmodelled.delete(name);
  }

  /** Ports whose bridge never came: a device may be added before its master, but not without it. */
  unknownMasters(): OperationError[] {
    const errors: OperationError[] = [];
    for (const operation of this.#ports) {
      const { master, name } = operation.device;
      if (master === null || this.#devices.has(master) || this.#devices.get(name)?.master !== master)
        continue;
      errors.push({ operation, message: `${name} is a port: ${this.#noDevice(master)}` });
    }
    return errors;
  }

  #addLink(operation: Extract<Operation, { kind: "link-add" }>): string | null {
    const { device } = operation;
    if (this.#devices.has(device.name)) return `there is a device ${JSON.stringify(device.name)} already`;
    // Added even if it is refused for its index, so that what refers to it is not refused as well.
    this.#devices.set(device.name, device);
    this.#devicesChanged = true;
    if (device.master !== null) this.#ports.push(operation);
    const byIndex = this.#byIndex();
    const holder = byIndex.get(device.ifindex);
    if (holder !== undefined) {
      return `${device.name} cannot have the index ${device.ifindex}: it is that of ${holder}`;
    }
    byIndex.set(device.ifindex, device.name);
    return null;
  }

  #byIndex(): Map<number, string> {
    this.#nameByIndex ??= new Map(this.#host.devices.map((device) => [device.ifindex, device.name]));
    return this.#nameByIndex;
  }

  /** With the device go its addresses, the routes with a next hop through it (`fib_sync_down_dev`), its entries and ports. */
  #deleteLink(name: string): string | null {
    const device = this.#devices.get(name);
    if (device === undefined) return this.#noDevice(name);
    this.#devices.delete(name);
    this.#byIndex().delete(device.ifindex);
    for (const port of this.#devices.values()) {
      if (port.master === name) this.#devices.set(port.name, { ...port, master: null, port: null });
    }
    this.#addresses.removeWhere((address) => address.dev === name);
    this.#routes.removeWhere((route) => route.nextHops.some((hop) => hop.dev === name));
    this.#neighbours.removeWhere((neighbour) => neighbour.dev === name);
    this.#fdb.removeWhere((entry) => entry.dev === name || entry.master === name);
    this.#bridgeVlans.removeWhere((vlan) => vlan.dev === name);
    this.#devicesChanged = true;
    return null;
  }

  #changeLink(name: string, change: LinkChange): string | null {
    const device = this.#devices.get(name);
    if (device === undefined) return this.#noDevice(name);
    const { master = null } = change;
    if (master !== null && !this.#devices.has(master)) return this.#noDevice(master);
    if (!Object.entries(change).every(([field, value]) => device[field as keyof LinkChange] === value)) {
      this.#devices.set(name, { ...device, ...change });
      this.#devicesChanged = true;
    }
    return null;
  }

  #addAddress(address: InterfaceAddress): string | null {
    if (!this.#devices.has(address.dev)) return this.#noDevice(address.dev);
    if (this.#addresses.like(address).length > 0) {
      return `${address.dev} has the address ${formatIpv4(address.address)}/${address.length} already`;
    }
    this.#addresses.append(address);
    return null;
  }

  #deleteAddress(address: InterfaceAddress): string | null {
    const [found] = this.#addresses.like(address);
    if (found === undefined) {
      return `${address.dev} has no address ${formatIpv4(address.address)}/${address.length}`;
    }
    this.#addresses.remove(found);
    return null;
  }

  #addRoute(route: Route): string | null {
    const fault = this.#faultOfHops(route);
    if (fault !== null) return fault;
    if (this.#routes.like(route).some((other) => sameRoute(other, route))) {
      return `table ${route.table} has this route to ${formatPrefix4(route.dst)} already`;
    }
    this.#routes.append(route);
    return null;
  }

  /** The first route of the same prefix, tos and metric gives way (`NLM_F_REPLACE` in `fib_table_insert`). */
  #replaceRoute(route: Route): string | null {
    const fault = this.#faultOfHops(route);
    if (fault !== null) return fault;
    const [first] = this.#routes.like(route);
    if (first === undefined) this.#routes.append(route);
    else this.#routes.replace(first, route);
    return null;
  }

  /** A route without next hops names any of its prefix, tos, metric and type. */
  #deleteRoute(route: Route): string | null {
    const found = this.#routes
      .like(route)
      .find((other) => other.type === route.type && (route.nextHops.length === 0 || sameHops(other, route)));
    if (found === undefined) return `table ${route.table} has no such route to ${formatPrefix4(route.dst)}`;
    this.#routes.remove(found);
    return null;
  }

  #faultOfHops(route: Route): string | null {
    for (const { dev } of route.nextHops) {
      if (dev !== null && !this.#devices.has(dev)) {
        return `the route to ${formatPrefix4(route.dst)}: ${this.#noDevice(dev)}`;
      }
    }
    return null;
  }

  #replaceNeighbour(neighbour: Neighbour): string | null {
    if (!this.#devices.has(neighbour.dev)) return this.#noDevice(neighbour.dev);
    const [found] = this.#neighbours.like(neighbour);
    if (found === undefined) this.#neighbours.append(neighbour);
    else this.#neighbours.replace(found, neighbour);
    return null;
  }

  #appendFdb(entry: FdbEntry): string | null {
    if (!this.#devices.has(entry.dev)) return this.#noDevice(entry.dev);
    if (entry.master !== null && !this.#devices.has(entry.master)) return this.#noDevice(entry.master);
    if (this.#fdb.like(entry).length > 0) {
      return `${entry.dev} has this entry for ${formatMac(entry.mac)} already`;
    }
    this.#fdb.append(entry);
    return null;
  }

  #addVlan(vlan: BridgeVlan): string | null {
    if (!this.#devices.has(vlan.dev)) return this.#noDevice(vlan.dev);
    this.#setVlans(vlan.dev, withVlan(this.#vlansOf(vlan.dev, vlan.self), vlan));
    return null;
  }

  #deleteVlans(dev: string, self: boolean, from: number, to: number): string | null {
    if (!this.#devices.has(dev)) return this.#noDevice(dev);
    this.#setVlans(dev, withoutVlans(this.#vlansOf(dev, self), from, to));
    return null;
  }

  #vlansOf(dev: string, self: boolean): readonly BridgeVlan[] {
    const known = this.#bridgeVlans.withKey(dev);
    return known.length > 0 ? known : [defaultVlan(dev, self, ORIGIN_NONE)];
  }

  #setVlans(dev: string, vlans: readonly BridgeVlan[]): void {
    this.#bridgeVlans.removeWhere((vlan) => vlan.dev === dev);
    for (const vlan of vlans) this.#bridgeVlans.append(vlan);
  }

  /** As one by one, but that a route may not have the key of another at all. */
  #addBatch(batch: EntryBatch, without: number | null): string | null {
    for (const dev of batch.devices) if (!this.#devices.has(dev)) return this.#noDevice(dev);
    const { neighbours, fdb, routes } = batch;
    for (const route of this.#routes) {
      if (!routes.has(routeKey(route), without, routeKey)) continue;
      return `table ${route.table} has a route to ${formatPrefix4(route.dst)} already`;
    }
    for (const entry of this.#fdb) {
      if (!fdb.has(fdbKey(entry), without, fdbKey)) continue;
      return `${entry.dev} has this entry for ${formatMac(entry.mac)} already`;
    }
    const twice =
      routes.twice(without, routeKey) ??
      fdb.twice(without, fdbKey) ??
      neighbours.twice(without, neighbourKey);
    if (twice !== undefined) return `the batch holds ${twice} twice`;
    this.#neighbours.removeWhere((neighbour) =>
      neighbours.has(neighbourKey(neighbour), without, neighbourKey),
    );
    this.#neighbours.appendAll(neighbours.without(without));
    this.#fdb.appendAll(fdb.without(without));
    this.#routes.appendAll(routes.without(without));
    return null;
  }

  #openSocket(socket: Socket): string | null {
    if (this.#sockets.kind === "assumed") return null;
    if (socket.dev !== null && !this.#devices.has(socket.dev)) return this.#noDevice(socket.dev);
    if (this.#openSockets.like(socket).length > 0) {
      return `${socket.proto} port ${socket.port} is in use already`;
    }
    this.#openSockets.append(socket);
    return null;
  }

  #noDevice(name: string): string {
    const names = [...this.#devices.keys()];
    const known = names.length === 0 ? "it has none" : `it has ${firstOf(names, 8)}`;
    return `the host has no device ${JSON.stringify(name)}${suggestion(name, names)}: ${known}`;
  }
}

function firstOf(names: readonly string[], limit: number): string {
  const rest = names.length - limit;
  return names.slice(0, limit).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** `ip` refuses an address of the same length twice on a device (`__inet_insert_ifa`), a peer's network apart. */
function addressKey(address: InterfaceAddress): string {
  return `${address.dev} ${address.address}/${address.length} ${address.peer}`;
}

/** What `fib_table_insert` looks a route up by. */
function routeKey(route: Route): string {
  return `${route.table} ${route.dst.address}/${route.dst.length} ${route.tos} ${route.metric}`;
}

function neighbourKey(neighbour: Neighbour): string {
  return `${neighbour.dev} ${neighbour.dst} ${neighbour.proxy}`;
}

function fdbKey(entry: FdbEntry): string {
  return `${entry.dev} ${entry.mac} ${entry.master} ${entry.vlan} ${entry.dst}`;
}

function socketKey(socket: Socket): string {
  return `${socket.proto} ${socket.address} ${socket.dev} ${socket.port}`;
}

// The same keys without their texts.

function sameAddressKey(a: InterfaceAddress, b: InterfaceAddress): boolean {
  return a.address === b.address && a.length === b.length && a.dev === b.dev && a.peer === b.peer;
}

function sameRouteKey(a: Route, b: Route): boolean {
  return (
    a.dst.address === b.dst.address &&
    a.dst.length === b.dst.length &&
    a.table === b.table &&
    a.tos === b.tos &&
    a.metric === b.metric
  );
}

function sameNeighbourKey(a: Neighbour, b: Neighbour): boolean {
  return a.dst === b.dst && a.dev === b.dev && a.proxy === b.proxy;
}

function sameFdbKey(a: FdbEntry, b: FdbEntry): boolean {
  return a.mac === b.mac && a.dev === b.dev && a.dst === b.dst && a.master === b.master && a.vlan === b.vlan;
}

function sameRoute(a: Route, b: Route): boolean {
  return (
    a.type === b.type &&
    a.scope === b.scope &&
    a.protocol === b.protocol &&
    a.prefsrc === b.prefsrc &&
    a.mtu === b.mtu &&
    sameHops(a, b)
  );
}

function sameHops(a: Route, b: Route): boolean {
  return a.nextHops.length === b.nextHops.length && a.nextHops.every((hop, i) => sameHop(hop, b.nextHops[i]));
}

function sameHop(a: NextHop, b: NextHop | undefined): boolean {
  return b !== undefined && a.dev === b.dev && a.gateway === b.gateway && a.weight === b.weight;
}

/** Rules are asked by priority, those of equal priority in the order they were added. */
function inPriorityOrder(rules: readonly PolicyRule[]): readonly PolicyRule[] {
  const sorted = rules.every((rule, i) => i === 0 || (rules[i - 1]?.priority ?? 0) <= rule.priority);
  return sorted ? rules : [...rules].sort((a, b) => a.priority - b.priority);
}

function sameList(sockets: Sockets, list: readonly Socket[]): boolean {
  return sockets.kind === "assumed" || sockets.sockets === list;
}
