import { MultiUndirectedGraph } from "graphology";
import { type DevicePlace, LowerPort, type Stacking } from "../kernel/device/lower-port.ts";
import { type Netns, netnsOf } from "../kernel/netns.ts";
import type { World } from "../world/world.ts";

/**
 * A World compiled: hosts by number, and for every device of every host what is at its other end. Derived, never saved;
 * hosts that did not change keep their compiled form.
 */
export class Network {
  readonly world: World;
  readonly hosts: readonly Netns[];
  private readonly numbers = new Map<string, number>();
  /** By host and device slot: peer's host | peer's slot << 16 … as a pair of columns, -1 where nothing is known. */
  private readonly peerHosts: readonly Int32Array[];
  private readonly peerSlots: readonly Int32Array[];
  private readonly stackings: readonly Stacking[];
  private topology: MultiUndirectedGraph | null = null;

  constructor(world: World) {
    this.world = world;
    const hosts: Netns[] = [];
    for (const host of world.hosts.values()) {
      this.numbers.set(host.name, hosts.length);
      hosts.push(netnsOf(host));
    }
    this.hosts = hosts;
    this.peerHosts = hosts.map((net) => new Int32Array(net.devices.length).fill(-1));
    this.peerSlots = hosts.map((net) => new Int32Array(net.devices.length).fill(-1));
    this.stackings = this.stack();
    for (const { a, b } of world.wires) {
      this.connect(a.host, a.device, b.host, b.device);
      this.connect(b.host, b.device, a.host, a.device);
    }
  }

  private connect(host: string, device: string, otherHost: string, otherDevice: string): void {
    const from = this.numbers.get(host);
    const to = this.numbers.get(otherHost);
    if (from === undefined || to === undefined) return;
    const slot = this.hosts[from]?.deviceNamed(device)?.slot;
    const otherSlot = this.hosts[to]?.deviceNamed(otherDevice)?.slot;
    if (slot === undefined || otherSlot === undefined) return;
    (this.peerHosts[from] as Int32Array)[slot] = to;
    (this.peerSlots[from] as Int32Array)[slot] = otherSlot;
  }

  /** Put every device on the one it sits on, in order of ifindex. */
  private stack(): Stacking[] {
    const stackings = this.hosts.map(({ devices }) => ({
      ports: new Array<LowerPort | null>(devices.length).fill(null),
      lowers: new Array<DevicePlace | null>(devices.length).fill(null),
    }));
    this.hosts.forEach((net, host) => {
      for (const device of net.devices) {
        const { detail } = device.plain;
        if (!("lower" in detail) || detail.lower === null) continue;
        const below = detail.lower.host === null ? host : (this.numbers.get(detail.lower.host) ?? -1);
        const lower = this.hosts[below]?.deviceNamed(detail.lower.device);
        if (lower === undefined || lower === null) continue;
        (stackings[host] as (typeof stackings)[0]).lowers[device.slot] = { host: below, device: lower };
        const { ports } = stackings[below] as (typeof stackings)[0];
        let port = ports[lower.slot];
        if (port === null || port === undefined) {
          port = new LowerPort();
          ports[lower.slot] = port;
        }
        port.add({ host, device });
      }
    });
    return stackings;
  }

  stacking(host: number): Stacking {
    return this.stackings[host] as Stacking;
  }

  hostNames(): string[] {
    return this.hosts.map((net) => net.name);
  }

  /** A host's number, -1 when there is none of that name. */
  hostNumber(name: string): number {
    return this.numbers.get(name) ?? -1;
  }

  /** Host at the other end of a device, -1 when nothing is known. */
  peerHost(host: number, slot: number): number {
    return (this.peerHosts[host] as Int32Array)[slot] as number;
  }

  peerSlot(host: number, slot: number): number {
    return (this.peerSlots[host] as Int32Array)[slot] as number;
  }

  /** Hosts and the cables between them, for questions about the topology; made on first use. */
  get graph(): MultiUndirectedGraph {
    if (this.topology === null) {
      const graph = new MultiUndirectedGraph();
      for (const net of this.hosts) graph.addNode(net.name, { kind: net.host.kind });
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
