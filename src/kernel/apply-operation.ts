import { formatIpv4 } from "../address/ipv4.ts";
import { formatMac } from "../address/mac.ts";
import { formatPrefix4 } from "../address/prefix.ts";
import type { Device, FdbEntry, InterfaceAddress, Neighbour } from "./device/device.ts";
import { DraftList } from "./draft-list.ts";
import type { Host } from "./host.ts";
import { DraftIpsets } from "./ipset/draft-ipsets.ts";
import { DraftIpvs } from "./ipvs/draft-ipvs.ts";
import { suggestion } from "./nearest-word.ts";
import { DraftRuleset } from "./netfilter/draft-ruleset.ts";
import type { Operation, OperationError } from "./operation.ts";
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
  readonly #devices: Map<string, Device>;
  readonly #nameByIndex: Map<number, string>;
  /** `link-add` operations whose `master` may still be added by a later one. */
  readonly #ports: Extract<Operation, { kind: "link-add" }>[] = [];
  readonly #addresses: DraftList<InterfaceAddress>;
  readonly #routes: DraftList<Route>;
  readonly #rules: DraftList<PolicyRule>;
  readonly #neighbours: DraftList<Neighbour>;
  readonly #fdb: DraftList<FdbEntry>;
  readonly #iptables: DraftRuleset;
  readonly #ipsets: DraftIpsets;
  readonly #ipvs: DraftIpvs;
  #sysctl: Map<string, string> | null = null;
  #unmodelled: Map<string, unknown> | null = null;
  #sockets: Sockets;
  #openSockets: DraftList<Socket>;
  #devicesChanged = false;

  constructor(host: Host) {
    this.#host = host;
    this.#devices = new Map(host.devices.map((device) => [device.name, device]));
    this.#nameByIndex = new Map(host.devices.map((device) => [device.ifindex, device.name]));
    this.#addresses = new DraftList(host.addresses, addressKey);
    this.#routes = new DraftList(host.routes, routeKey);
    this.#rules = new DraftList(host.rules, (rule) => String(rule.priority));
    this.#neighbours = new DraftList(host.neighbours, neighbourKey);
    this.#fdb = new DraftList(host.fdb, fdbKey);
    this.#iptables = new DraftRuleset(host.iptables);
    this.#ipsets = new DraftIpsets(host.ipsets);
    this.#ipvs = new DraftIpvs(host.ipvs);
    this.#sockets = host.sockets;
    this.#openSockets = new DraftList(host.sockets.kind === "listed" ? host.sockets.sockets : [], socketKey);
  }

  finish(): Host {
    const openSockets = this.#openSockets.finish();
    const { sysctl, unmodelled } = this.#host;
    return {
      ...this.#host,
      devices: this.#devicesChanged ? [...this.#devices.values()] : this.#host.devices,
      addresses: this.#addresses.finish(),
      routes: this.#routes.finish(),
      rules: inPriorityOrder(this.#rules.finish()),
      neighbours: this.#neighbours.finish(),
      fdb: this.#fdb.finish(),
      sysctl: this.#sysctl ?? sysctl,
      iptables: this.#iptables.finish(),
      ipsets: this.#ipsets.finish(),
      ipvs: this.#ipvs.finish(),
      sockets: sameList(this.#sockets, openSockets)
        ? this.#sockets
        : { kind: "listed", sockets: openSockets },
      unmodelled: this.#unmodelled ?? unmodelled,
    };
  }

  apply(operation: Operation): string | null {
    switch (operation.kind) {
      case "link-add":
        return this.#addLink(operation);
      case "link-delete":
        return this.#deleteLink(operation.name);
      case "link-set":
        return this.#setLink(operation.name, operation.up);
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
        this.#openSockets = new DraftList(
          operation.sockets.kind === "listed" ? operation.sockets.sockets : [],
          socketKey,
        );
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
    const holder = this.#nameByIndex.get(device.ifindex);
    if (holder !== undefined) {
      return `${device.name} cannot have the index ${device.ifindex}: it is that of ${holder}`;
    }
    this.#nameByIndex.set(device.ifindex, device.name);
    return null;
  }

  /** With the device go its addresses, the routes with a next hop through it (`fib_sync_down_dev`), its entries and ports. */
  #deleteLink(name: string): string | null {
    const device = this.#devices.get(name);
    if (device === undefined) return this.#noDevice(name);
    this.#devices.delete(name);
    this.#nameByIndex.delete(device.ifindex);
    for (const port of this.#devices.values()) {
      if (port.master === name) this.#devices.set(port.name, { ...port, master: null, port: null });
    }
    this.#addresses.removeWhere((address) => address.dev === name);
    this.#routes.removeWhere((route) => route.nextHops.some((hop) => hop.dev === name));
    this.#neighbours.removeWhere((neighbour) => neighbour.dev === name);
    this.#fdb.removeWhere((entry) => entry.dev === name || entry.master === name);
    this.#devicesChanged = true;
    return null;
  }

  #setLink(name: string, up: boolean): string | null {
    const device = this.#devices.get(name);
    if (device === undefined) return this.#noDevice(name);
    if (device.up !== up) {
      this.#devices.set(name, { ...device, up });
      this.#devicesChanged = true;
    }
    return null;
  }

  #addAddress(address: InterfaceAddress): string | null {
    if (!this.#devices.has(address.dev)) return this.#noDevice(address.dev);
    if (this.#addresses.withKey(addressKey(address)).length > 0) {
      return `${address.dev} has the address ${formatIpv4(address.address)}/${address.length} already`;
    }
    this.#addresses.append(address);
    return null;
  }

  #deleteAddress(address: InterfaceAddress): string | null {
    const [found] = this.#addresses.withKey(addressKey(address));
    if (found === undefined) {
      return `${address.dev} has no address ${formatIpv4(address.address)}/${address.length}`;
    }
    this.#addresses.remove(found);
    return null;
  }

  #addRoute(route: Route): string | null {
    const fault = this.#faultOfHops(route);
    if (fault !== null) return fault;
    if (this.#routes.withKey(routeKey(route)).some((other) => sameRoute(other, route))) {
      return `table ${route.table} has this route to ${formatPrefix4(route.dst)} already`;
    }
    this.#routes.append(route);
    return null;
  }

  /** The first route of the same prefix, tos and metric gives way (`NLM_F_REPLACE` in `fib_table_insert`). */
  #replaceRoute(route: Route): string | null {
    const fault = this.#faultOfHops(route);
    if (fault !== null) return fault;
    const [first] = this.#routes.withKey(routeKey(route));
    if (first === undefined) this.#routes.append(route);
    else this.#routes.replace(first, route);
    return null;
  }

  /** A route without next hops names any of its prefix, tos, metric and type. */
  #deleteRoute(route: Route): string | null {
    const found = this.#routes
      .withKey(routeKey(route))
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
    const [found] = this.#neighbours.withKey(neighbourKey(neighbour));
    if (found === undefined) this.#neighbours.append(neighbour);
    else this.#neighbours.replace(found, neighbour);
    return null;
  }

  #appendFdb(entry: FdbEntry): string | null {
    if (!this.#devices.has(entry.dev)) return this.#noDevice(entry.dev);
    if (entry.master !== null && !this.#devices.has(entry.master)) return this.#noDevice(entry.master);
    if (this.#fdb.withKey(fdbKey(entry)).length > 0) {
      return `${entry.dev} has this entry for ${formatMac(entry.mac)} already`;
    }
    this.#fdb.append(entry);
    return null;
  }

  #openSocket(socket: Socket): string | null {
    if (this.#sockets.kind === "assumed") return null;
    if (socket.dev !== null && !this.#devices.has(socket.dev)) return this.#noDevice(socket.dev);
    if (this.#openSockets.withKey(socketKey(socket)).length > 0) {
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
