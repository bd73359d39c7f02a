import { MAC_ZERO, type Mac } from "../address/mac.ts";
import type { Device } from "../kernel/device/device.ts";
import { emptyHost, type Host } from "../kernel/host.ts";
import type { Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import { DEFAULT_RULES } from "../kernel/route/ip-rule.ts";
import type { DhcpNetwork } from "../world/dhcp/exchange.ts";
import type { Wire, WireEnd } from "../world/world.ts";
import { MemoryStore, type Store } from "./ipam/store.ts";
import type { NameSource } from "./names.ts";
import { Netns } from "./netns.ts";

/** The hosts that a node's plugins reach: the node, its containers' namespaces, and the cables between them. Plain. */
export interface MachineState {
  /** Name of the node among the hosts. */
  readonly node: string;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly wires: readonly Wire[];
}

/** What plugins leave on the node's disk: not part of the kernel's state, and kept by whoever calls them. */
export interface NodeFiles {
  /** host-local's memory of a network. */
  store(network: string, dataDir: string): Store;
  read(path: string): string | undefined;
  write(path: string, content: string): void;
  remove(path: string): void;
  /** Paths that begin so. */
  list(prefix: string): readonly string[];
  /** false: what an ADD gave is not written at all. */
  readonly keepsResults?: boolean;
}

/** A disk that forgets what runtimes remember for a later CHECK or DEL, for a node on which there will be none. */
export class AddressFiles implements NodeFiles {
  readonly #stores = new Map<string, MemoryStore>();
  readonly keepsResults = false;

  store(network: string, dataDir: string): MemoryStore {
    const key = dataDir === "" ? network : `${dataDir}/${network}`;
    const known = this.#stores.get(key) ?? new MemoryStore();
    this.#stores.set(key, known);
    return known;
  }

  read(): undefined {
    return undefined;
  }
  write(): void {}
  remove(): void {}
  list(): readonly string[] {
    return [];
  }
}

export class MemoryFiles implements NodeFiles {
  readonly stores = new Map<string, MemoryStore>();
  readonly files = new Map<string, string>();

  store(network: string, dataDir: string): MemoryStore {
    const key = dataDir === "" ? network : `${dataDir}/${network}`;
    const known = this.stores.get(key) ?? new MemoryStore();
    this.stores.set(key, known);
    return known;
  }

  read(path: string): string | undefined {
    return this.files.get(path);
  }

  write(path: string, content: string): void {
    this.files.set(path, content);
  }

  remove(path: string): void {
    this.files.delete(path);
  }

  list(prefix: string): readonly string[] {
    return [...this.files.keys()].filter((path) => path.startsWith(prefix)).sort();
  }
}

/** One host's operations, in the order they were given. */
export interface HostOperations {
  readonly host: string;
  readonly operations: readonly Operation[];
}

/** What plugins meet beside the hosts' state. */
export interface Surroundings {
  /** Seconds of the virtual clock. */
  readonly now: number;
  /** Carries the messages of the plugin `dhcp`; null: nobody hears them. */
  readonly dhcp: DhcpNetwork | null;
}

const NOTHING_AROUND: Surroundings = { now: 0, dhcp: null };

const ETH_MAX_MTU = 65_535;

/** The machine while plugins work on it. */
export class Machine {
  readonly node: Netns;
  readonly files: NodeFiles;
  readonly names: NameSource;
  readonly #state: MachineState;
  /** Of what the node's containers share, such as their bridge. */
  readonly origin: Origin;
  readonly around: Surroundings;
  readonly #open = new Map<string, Netns>();
  readonly #wires: Wire[];

  constructor(
    state: MachineState,
    files: NodeFiles,
    names: NameSource,
    origin: Origin = ORIGIN_NONE,
    around: Surroundings = NOTHING_AROUND,
  ) {
    const node = state.hosts.get(state.node);
    if (node === undefined) throw new RangeError(`there is no host ${JSON.stringify(state.node)}`);
    this.#state = state;
    this.origin = origin;
    this.around = around;
    this.#wires = [...state.wires];
    this.files = files;
    this.names = names;
    this.node = new Netns(node, origin);
    this.#open.set(state.node, this.node);
  }

  /** The namespace at a path such as `/run/netns/pod1`, by the last part of it. */
  netns(path: string): Netns | undefined {
    const name = netnsName(path);
    const open = this.#open.get(name);
    if (open !== undefined) return name === this.#state.node ? undefined : open;
    const host = this.#state.hosts.get(name);
    if (host === undefined) return undefined;
    // What a plugin does on the node and in the container is for the same container.
    const made = new Netns(host, this.node.origin);
    this.#open.set(name, made);
    return made;
  }

  /** Joins two devices as the ends of a veth pair. */
  join(a: WireEnd, b: WireEnd): void {
    this.#wires.push({ a, b });
  }

  /** The other end of a device's cable. */
  peerOf(end: WireEnd): WireEnd | undefined {
    for (const { a, b } of this.#wires) {
      if (same(a, end)) return b;
      if (same(b, end)) return a;
    }
    return undefined;
  }

  /** A device moves to another namespace, its cable with it. */
  rewire(from: WireEnd, to: WireEnd): void {
    const moved = (end: WireEnd) => (same(end, from) ? to : end);
    for (const [i, { a, b }] of this.#wires.entries()) this.#wires[i] = { a: moved(a), b: moved(b) };
  }

  /** Deletes a device; the other end of a veth pair goes with it. */
  deleteLink(netns: Netns, name: string): void {
    const own = { host: netns.name, device: name };
    const isVeth = netns.device(name)?.detail.kind === "veth";
    const peer = isVeth ? this.peerOf(own) : undefined;
    const place = this.#wires.findIndex(({ a, b }) => same(a, own) || same(b, own));
    if (place >= 0) this.#wires.splice(place, 1);
    netns.deleteDevice(name);
    if (peer === undefined) return;
    this.#host(peer.host)?.deleteDevice(peer.device);
  }

  /** A device of any namespace by its end of a cable. */
  hostOf({ host }: WireEnd): Netns | undefined {
    return this.#host(host);
  }

  #host(name: string): Netns | undefined {
    return name === this.#state.node ? this.node : this.netns(name);
  }

  /** The macvlans of every namespace that sit on a card. */
  macvlansOn({ host, device }: WireEnd): readonly Device[] {
    return [...this.#state.hosts.keys()].flatMap((name) =>
      (this.#host(name)?.host.devices ?? []).filter(
        ({ detail }) =>
          detail.kind === "macvlan" &&
          detail.lower?.device === device &&
          (detail.lower.host ?? name) === host,
      ),
    );
  }

  /** Has another macvlan of the same card that is up, or the card itself, this link address (`macvlan_addr_busy`)? */
  isMacvlanTaken(own: Device, mac: Mac): boolean {
    const { detail } = own;
    if (detail.kind !== "macvlan" || detail.mode === "passthru") return false;
    if (detail.lower === null || detail.lower.host === null) return false;
    const card = { host: detail.lower.host, device: detail.lower.device };
    if (this.#host(card.host)?.device(card.device)?.mac === mac) return true;
    return this.macvlansOn(card).some((other) => other !== own && other.up && other.mac === mac);
  }

  /** The most that a device's MTU may be: a macvlan's card sets its own (`macvlan_change_mtu`). */
  mostMtu({ detail }: Device): number {
    if (detail.kind !== "macvlan" || detail.lower === null) return ETH_MAX_MTU;
    return this.#host(detail.lower.host ?? "")?.device(detail.lower.device)?.mtu ?? ETH_MAX_MTU;
  }

  /** `ip link set DEV address`: a macvlan that has its card for itself gives it to the card as well. */
  setMac(netns: Netns, name: string, mac: Mac): void {
    const detail = netns.device(name)?.detail;
    netns.changeDevice(name, { mac });
    if (detail?.kind !== "macvlan" || detail.mode !== "passthru" || detail.lower === null) return;
    this.#host(detail.lower.host ?? netns.name)?.changeDevice(detail.lower.device, { mac });
  }

  operations(): readonly HostOperations[] {
    return [...this.#open.values()]
      .filter(({ operations }) => operations.length > 0)
      .map(({ name, operations }) => ({ host: name, operations: [...operations] }));
  }

  finish(): MachineState {
    const hosts = new Map(this.#state.hosts);
    for (const [name, netns] of this.#open) hosts.set(name, netns.host);
    return { node: this.#state.node, hosts, wires: [...this.#wires] };
  }
}

function same(a: WireEnd, b: WireEnd): boolean {
  return a.host === b.host && a.device === b.device;
}

export function netnsName(path: string): string {
  return path.split("/").at(-1) ?? path;
}

/** A namespace as the runtime makes it: a loopback that is down, and every port answering. */
export function newNetns(name: string, kind: string): Host {
  return {
    ...emptyHost(name, kind),
    rules: DEFAULT_RULES,
    devices: [
      {
        ...{ ifindex: 1, name: "lo", mac: MAC_ZERO, mtu: 65_536, up: false, carrier: true, noArp: false },
        ...{ master: null, detail: { kind: "loopback" }, port: null, origin: ORIGIN_NONE },
      },
    ],
    sockets: { kind: "assumed" },
  };
}
