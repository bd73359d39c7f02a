import { IPV4, IPV6 } from "../address/family.ts";
import type { Family } from "../address/ip.ts";
import type { Ipv4 } from "../address/ipv4.ts";
import type { Ipv6Words } from "../address/ipv6.ts";
import type { InterfaceAddress, InterfaceAddress6, Neighbour, Neighbour6 } from "./device/device.ts";
import { DraftAddressing } from "./draft-addressing.ts";
import { DraftBridging } from "./draft-bridging.ts";
import { DraftDevices } from "./draft-devices.ts";
import type { EntryBatch } from "./entry-batch.ts";
import type { Host } from "./host.ts";
import { DraftIpsets } from "./ipset/draft-ipsets.ts";
import { DraftIpvs } from "./ipvs/draft-ipvs.ts";
import { DraftRuleset } from "./netfilter/draft-ruleset.ts";
import type { NftCommand } from "./nft/command.ts";
import { DraftNft } from "./nft/draft-nft.ts";
import type { LinkChange, Operation, OperationError } from "./operation.ts";
import { isNeighbour4, isOf4, isRoute4 } from "./operation-family.ts";
import type { OpenVswitch } from "./ovs/open-vswitch.ts";
import { DraftSockets } from "./socket/draft-sockets.ts";
import { DraftTc } from "./tc/draft-tc.ts";

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

type Addressing4 = DraftAddressing<Ipv4, InterfaceAddress, Neighbour>;
type Addressing6 = DraftAddressing<Ipv6Words, InterfaceAddress6, Neighbour6>;

/** A host under change. Every method returns null, or one sentence on why the kernel would refuse. */
class HostDraft {
  readonly #host: Host;
  readonly #devices: DraftDevices;
  // Made when first touched: most runs of operations touch one or two of these.
  #four: Addressing4 | null = null;
  #six: Addressing6 | null = null;
  #ruleset: DraftRuleset | null = null;
  #ruleset6: DraftRuleset | null = null;
  #ipsetDraft: DraftIpsets | null = null;
  #ipvsDraft: DraftIpvs | null = null;
  #nftDraft: DraftNft | null = null;
  #sysctl: Map<string, string> | null = null;
  #unmodelled: Map<string, unknown> | null = null;
  readonly #bridging: DraftBridging;
  readonly #sockets: DraftSockets;
  readonly #tc: DraftTc;
  #ovs: OpenVswitch | null | undefined;

  constructor(host: Host) {
    this.#host = host;
    this.#tc = new DraftTc(host.tc);
    this.#devices = new DraftDevices(host.devices);
    this.#bridging = new DraftBridging(host, this.#devices);
    this.#sockets = new DraftSockets(host.sockets, this.#devices);
  }

  get #ipv4(): Addressing4 {
    this.#four ??= new DraftAddressing(IPV4, this.#host, this.#devices);
    return this.#four;
  }
  get #ipv6(): Addressing6 {
    const { addresses6: addresses, routes6: routes, rules6: rules, neighbours6: neighbours } = this.#host;
    this.#six ??= new DraftAddressing(IPV6, { addresses, routes, rules, neighbours }, this.#devices);
    return this.#six;
  }
  #tables(family: Family = 4): DraftRuleset {
    if (family === 6) {
      this.#ruleset6 ??= new DraftRuleset(this.#host.ip6tables);
      return this.#ruleset6;
    }
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
  finish(): Host {
    const host = this.#host;
    const four = this.#four?.finish() ?? host;
    const six = this.#six?.finish();
    // Every field by its name: this is made for each step of each plugin on each host of a large cluster.
    return {
      name: host.name,
      kind: host.kind,
      kernel: host.kernel,
      devices: this.#devices.finish(),
      addresses: four.addresses,
      routes: four.routes,
      rules: four.rules,
      neighbours: four.neighbours,
      addresses6: six?.addresses ?? host.addresses6,
      routes6: six?.routes ?? host.routes6,
      rules6: six?.rules ?? host.rules6,
      neighbours6: six?.neighbours ?? host.neighbours6,
      fdb: this.#bridging.fdb,
      bridgeVlans: this.#bridging.bridgeVlans,
      sysctl: this.#sysctl ?? host.sysctl,
      iptables: this.#ruleset === null ? host.iptables : this.#ruleset.finish(),
      ip6tables: this.#ruleset6 === null ? host.ip6tables : this.#ruleset6.finish(),
      ipsets: this.#ipsetDraft === null ? host.ipsets : this.#ipsetDraft.finish(),
      nft: this.#nftDraft === null ? host.nft : this.#nftDraft.finish(),
      ipvs: this.#ipvsDraft === null ? host.ipvs : this.#ipvsDraft.finish(),
      sockets: this.#sockets.finish(),
      tc: this.#tc.value,
      ovs: this.#ovs === undefined ? host.ovs : this.#ovs,
      unmodelled: this.#unmodelled ?? host.unmodelled,
    };
  }

  apply(operation: Operation): string | null {
    switch (operation.kind) {
      case "link-add":
        return this.#devices.add(operation);
      case "link-delete":
        return this.#deleteLink(operation.name);
      case "link-set":
        return this.#changeLink(operation.name, { up: operation.up });
      case "link-change":
        return this.#changeLink(operation.name, operation.change);
      case "address-add":
        return isOf4(operation.address)
          ? this.#ipv4.addAddress(operation.address)
          : this.#ipv6.addAddress(operation.address);
      case "address-delete":
        return isOf4(operation.address)
          ? this.#ipv4.deleteAddress(operation.address)
          : this.#ipv6.deleteAddress(operation.address);
      case "route-add":
        return isRoute4(operation.route)
          ? this.#ipv4.addRoute(operation.route)
          : this.#ipv6.addRoute(operation.route);
      case "route-replace":
        return isRoute4(operation.route)
          ? this.#ipv4.replaceRoute(operation.route)
          : this.#ipv6.replaceRoute(operation.route);
      case "route-delete":
        return isRoute4(operation.route)
          ? this.#ipv4.deleteRoute(operation.route)
          : this.#ipv6.deleteRoute(operation.route);
      case "rule-add":
        return operation.family === 6
          ? this.#ipv6.addRule(operation.rule)
          : this.#ipv4.addRule(operation.rule);
      case "rule-delete":
        return operation.family === 6
          ? this.#ipv6.deleteRule(operation.rule)
          : this.#ipv4.deleteRule(operation.rule);
      case "neighbour-replace":
        return isNeighbour4(operation.neighbour)
          ? this.#ipv4.replaceNeighbour(operation.neighbour)
          : this.#ipv6.replaceNeighbour(operation.neighbour);
      case "fdb-append":
        return this.#bridging.append(operation.entry);
      case "bridge-vlan-add":
        return this.#bridging.addVlan(operation.vlan);
      case "bridge-vlan-delete":
        return this.#bridging.deleteVlans(operation.dev, operation.self, operation.from, operation.to);
      case "batch-add":
        return this.#addBatch(operation.batch, operation.without);
      case "sysctl":
        this.#sysctl ??= new Map(this.#host.sysctl);
        this.#sysctl.set(operation.name, operation.value);
        return null;
      case "iptables-restore":
        return this.#tables(operation.family).restore(operation.ruleset, operation.noflush);
      case "iptables-insert":
        return this.#tables(operation.family).insert(
          operation.table,
          operation.chain,
          operation.index,
          operation.rule,
        );
      case "iptables-delete":
        return this.#tables(operation.family).remove(operation.table, operation.chain, operation.index);
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
        this.#sockets.set(operation.sockets);
        return null;
      case "socket-open":
        return this.#sockets.open(operation.socket);
      case "qdisc-add":
        return this.#onDevice(operation.qdisc.dev, () => this.#tc.addQdisc(operation.qdisc));
      case "qdisc-delete":
        return this.#onDevice(operation.dev, () => this.#tc.deleteQdisc(operation.dev, operation.place));
      case "tc-filter-add":
        return this.#onDevice(operation.filter.dev, () => this.#tc.addFilter(operation.filter));
      case "tc-filter-delete": {
        const { dev, hook, head } = operation;
        return this.#onDevice(dev, () => this.#tc.deleteFilter(dev, hook, head));
      }
      case "ovs":
        this.#ovs = operation.ovs;
        return null;
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

  #onDevice(name: string, change: () => string | null): string | null {
    return this.#devices.has(name) ? change() : this.#devices.none(name);
  }

  /** What was kept of a dump beside its text is not true any more. */
  #forget(name: string): void {
    if (!(this.#unmodelled ?? this.#host.unmodelled).has(name)) return;
    this.#unmodelled ??= new Map(this.#host.unmodelled);
    this.#unmodelled.delete(name);
  }

  unknownMasters(): OperationError[] {
    return this.#devices.unknownMasters();
  }

  /** A device that goes down loses its IPv6 addresses (`addrconf_ifdown`); one that is up never had them from before. */
  #changeLink(name: string, change: LinkChange): string | null {
    const before = this.#devices.get(name);
    const fault = this.#devices.change(name, change);
    if (fault === null && before?.noArp && before.up && change.up === false) this.#ipv6.takeDown(name);
    return fault;
  }

  /** With the device go what is its own and its ports (`NETDEV_UNREGISTER`). */
  #deleteLink(name: string): string | null {
    const fault = this.#devices.delete(name);
    if (fault !== null) return fault;
    this.#ipv4.deleteLink(name);
    this.#ipv6.deleteLink(name);
    this.#bridging.deleteLink(name);
    this.#tc.deleteDevice(name);
    return null;
  }

  /** As one by one, but that a route may not have the key of another at all. */
  #addBatch(batch: EntryBatch, without: number | null): string | null {
    for (const dev of batch.devices) if (!this.#devices.has(dev)) return this.#devices.none(dev);
    const { neighbours, routes, neighbours6, routes6 } = batch;
    const hasFour = routes.items.length + neighbours.items.length > 0;
    const hasSix = routes6.items.length + neighbours6.items.length > 0;
    const fault =
      this.#bridging.faultOfBatch(batch, without) ??
      (hasFour ? this.#ipv4.faultOfBatch(routes, neighbours, without) : null) ??
      (hasSix ? this.#ipv6.faultOfBatch(routes6, neighbours6, without) : null);
    if (fault !== null) return fault;
    if (hasFour) this.#ipv4.addBatch(routes, neighbours, without);
    if (hasSix) this.#ipv6.addBatch(routes6, neighbours6, without);
    this.#bridging.addBatch(batch, without);
    return null;
  }
}
