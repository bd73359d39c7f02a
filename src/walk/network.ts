import { MultiUndirectedGraph } from "graphology";
import { type DevicePlace, LowerPort, type Stacking } from "../kernel/device/lower-port.ts";
import type { Host } from "../kernel/host.ts";
import { type Netns, netnsOf } from "../kernel/netns.ts";
import type { WireEnd, World } from "../world/world.ts";

/**
 * A World compiled: hosts by number, and for every device of every host what is at its other end. Derived, never saved.
 * A host is compiled when it is asked for, so a walk costs the hosts it touches and not the cluster; hosts that did not
 * change keep their compiled form.
 */
export class Network {
  readonly world: World;
  /** How many hosts there are. */
  readonly size: number;
  private readonly plain: readonly Host[];
  private readonly compiled: (Netns | undefined)[];
  private readonly numbers = new Map<string, number>();
  /** By host, made when asked for: peer's host and peer's slot of each device slot, -1 where nothing is known. */
  private readonly peerHosts: (Int32Array | undefined)[];
  private readonly peerSlots: (Int32Array | undefined)[];
  private ends: ReadonlyMap<string, readonly Cable[]> | null = null;
  private readonly slots = new Map<Host, ReadonlyMap<string, number>>();
  private placements: ReadonlyMap<number, readonly Placement[]> | null = null;
  private readonly stackings: (Stacking | undefined)[] = [];
  private topology: MultiUndirectedGraph | null = null;

  constructor(world: World) {
    this.world = world;
    this.plain = [...world.hosts.values()];
    this.size = this.plain.length;
    for (const [number, { name }] of this.plain.entries()) this.numbers.set(name, number);
    this.compiled = new Array<Netns | undefined>(this.size).fill(undefined);
    this.peerHosts = new Array<Int32Array | undefined>(this.size).fill(undefined);
    this.peerSlots = new Array<Int32Array | undefined>(this.size).fill(undefined);
    this.stackings = new Array<MutableStacking | undefined>(this.size).fill(undefined);
  }

  /** A host compiled, undefined when none has this number. */
  host(number: number): Netns | undefined {
    const known = this.compiled[number];
    if (known !== undefined) return known;
    const plain = this.plain[number];
    if (plain === undefined) return undefined;
    const net = netnsOf(plain);
    this.compiled[number] = net;
    return net;
  }

  /** A host's devices upon devices, its own and those that others have on it. */
  stacking(host: number): Stacking {
    const known = this.stackings[host];
    if (known !== undefined) return known;
    this.placements ??= this.place();
    const stacking = this.stack(host, this.placements.get(host) ?? []);
    this.stackings[host] = stacking;
    return stacking;
  }

  /** By host, as the one that has the device above or the one below. */
  private place(): ReadonlyMap<number, readonly Placement[]> {
    const placements = new Map<number, Placement[]>();
    const add = (host: number, placement: Placement): void => {
      const list = placements.get(host);
      if (list === undefined) placements.set(host, [placement]);
      else list.push(placement);
    };
    this.plain.forEach(({ devices }, host) => {
      for (const { name, detail } of devices) {
        if (!("lower" in detail) || detail.lower === null) continue;
        const below = detail.lower.host === null ? host : this.hostNumber(detail.lower.host);
        if (below < 0) continue;
        const placement = { host, device: name, below, lower: detail.lower.device };
        add(host, placement);
        if (below !== host) add(below, placement);
      }
    });
    return placements;
  }

  private stack(number: number, placements: readonly Placement[]): Stacking {
    const ports: (LowerPort | null)[] = [];
    const lowers: (DevicePlace | null)[] = [];
    for (const { host, device, below, lower } of placements) {
      const upper = this.host(host)?.deviceNamed(device);
      const card = this.host(below)?.deviceNamed(lower);
      if (upper === undefined || upper === null || card === undefined || card === null) continue;
      if (host === number) lowers[upper.slot] = { host: below, device: card };
      if (below !== number) continue;
      const port = ports[card.slot] ?? new LowerPort();
      ports[card.slot] = port;
      port.add({ host, device: upper });
    }
    return { ports, lowers };
  }

  hostNames(): string[] {
    return this.plain.map(({ name }) => name);
  }

  /** A host's number, -1 when there is none of that name. */
  hostNumber(name: string): number {
    return this.numbers.get(name) ?? -1;
  }

  /** Host at the other end of a device, -1 when nothing is known. */
  peerHost(host: number, slot: number): number {
    return (this.peerHosts[host] ?? this.connect(host, this.peerHosts))[slot] as number;
  }

  peerSlot(host: number, slot: number): number {
    return (this.peerSlots[host] ?? this.connect(host, this.peerSlots))[slot] as number;
  }

  /** Finds the other ends of a host's devices; returns the column asked for. */
  private connect(number: number, column: readonly (Int32Array | undefined)[]): Int32Array {
    const host = this.plain[number] as Host;
    const peers = new Int32Array(host.devices.length).fill(-1);
    const slots = new Int32Array(host.devices.length).fill(-1);
    this.ends ??= endsByHost(this.world);
    for (const { device, peer } of this.ends.get(host.name) ?? []) {
      const slot = this.slotsOf(host).get(device);
      const other = this.numbers.get(peer.host);
      const otherSlot =
        other === undefined ? undefined : this.slotsOf(this.plain[other] as Host).get(peer.device);
      if (slot === undefined || other === undefined || otherSlot === undefined) continue;
      peers[slot] = other;
      slots[slot] = otherSlot;
    }
    this.peerHosts[number] = peers;
    this.peerSlots[number] = slots;
    return column[number] as Int32Array;
  }

  private slotsOf(host: Host): ReadonlyMap<string, number> {
    const known = this.slots.get(host);
    if (known !== undefined) return known;
    const slots = new Map(host.devices.map(({ name }, slot) => [name, slot]));
    this.slots.set(host, slots);
    return slots;
  }

  /** Hosts and the cables between them, for questions about the topology; made on first use. */
  get graph(): MultiUndirectedGraph {
    if (this.topology === null) {
      const graph = new MultiUndirectedGraph();
      for (const { name, kind } of this.plain) graph.addNode(name, { kind });
      for (const { a, b } of this.world.wires) {
        if (graph.hasNode(a.host) && graph.hasNode(b.host)) {
          graph.addEdge(a.host, b.host, { from: `${a.host}:${a.device}`, to: `${b.host}:${b.device}` });
        }
      }
      this.topology = graph;
    }
    return this.topology;
  }
}

/** A device upon another, by names. */
interface Placement {
  readonly host: number;
  readonly device: string;
  readonly below: number;
  readonly lower: string;
}

/** A device of a host and what it is joined to. */
interface Cable {
  readonly device: string;
  readonly peer: WireEnd;
}

function endsByHost({ wires }: World): ReadonlyMap<string, readonly Cable[]> {
  const ends = new Map<string, Cable[]>();
  const add = (own: WireEnd, peer: WireEnd): void => {
    const cable = { device: own.device, peer };
    const list = ends.get(own.host);
    if (list === undefined) ends.set(own.host, [cable]);
    else list.push(cable);
  };
  for (const { a, b } of wires) {
    add(a, b);
    add(b, a);
  }
  return ends;
}

/** A `Stacking` while it is made. */
interface MutableStacking {
  readonly ports: (LowerPort | null)[];
  readonly lowers: (DevicePlace | null)[];
}
