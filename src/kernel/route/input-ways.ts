import type { Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import type { Netns } from "../netns.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import { AddressClasses, type Network4 } from "./address-classes.ts";
import type { FibRoute } from "./fib.ts";
import { routedTos } from "./output-route.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { OP_ROUTE } = TAPE;

/** Packets that a host routes in before it is worth while to remember how: most hosts of a walk route few. */
const ROUTED_BEFORE = 16;
/** Hosts that tell more addresses apart remember nothing. */
const CLASSES_AT_MOST = 4096;
/** More rows of ways than this are forgotten and begun anew. */
const ROWS_AT_MOST = 1024;

/** What the checks of sources and destinations tell apart beside the networks of routes and devices. */
const SPECIAL: readonly Network4[] = [
  [0, -1],
  [127 << 24, 0xff00_0000 | 0],
  [0xe000_0000 | 0, 0xf000_0000 | 0],
  [-1, -1],
];

/** What routing in has put on a packet (`routeInput`), and on every other that came the same way between the same classes. */
class Way {
  readonly rtInput: number;
  readonly rtType: number;
  readonly rtDev: number;
  /** The next hop where it is a gateway; else it is the destination. */
  readonly gateway: number;
  readonly usesGateway: boolean;
  readonly mtu: number;
  readonly mtuLocked: boolean;
  readonly realms: number;
  readonly hopLimit: number;
  readonly redirects: boolean;
  /** What the tape is told: the device, the route's index. */
  readonly ifindex: number;
  readonly index: number;
  /** The route that the last look-up found. */
  readonly found: FibRoute | null;

  constructor(packet: Packet, ifindex: number, index: number, found: FibRoute | null) {
    this.rtInput = packet.rtInput;
    this.rtType = packet.rtType;
    this.rtDev = packet.rtDev;
    this.gateway = packet.rtNextHop;
    this.usesGateway = packet.rtUsesGateway;
    this.mtu = packet.rtMtu;
    this.mtuLocked = packet.rtMtuLocked;
    this.realms = packet.rtRealms;
    this.hopLimit = packet.rtHopLimit;
    this.redirects = packet.rtDoRedirect;
    this.ifindex = ifindex;
    this.index = index;
    this.found = found;
  }
}

/**
 * How a host routes IPv4 packets in, remembered: where policy rules only name tables, what becomes of a packet depends on the
 * device it came in by, on its source and on its destination, and of these on the networks alone that they lie in. The
 * configuration of a host does not change (another is another `Netns`); what its packets taught it of routes is not remembered,
 * and a host that was taught any remembers nothing.
 */
export class InputWays {
  private readonly net: Netns;
  private routed = 0;
  /** null: not yet, or never. */
  private classes: AddressClasses | null = null;
  /** By the device's slot, by the source's class, by the destination's. */
  private devices: ((Way | undefined)[] | undefined)[][] = [];
  private rows = 0;

  constructor(net: Netns) {
    this.net = net;
  }

  /** Put the way on a packet that others went before. False: none did, or it may be another's. Runs per packet. */
  attach(stack: Stack, dev: NetDevice, packet: Packet): boolean {
    const { classes } = this;
    if (classes === null || !mayRemember(stack, packet)) return false;
    const { src, dst } = packet;
    const way = this.devices[dev.slot]?.[classes.of(src)]?.[classes.of(dst)];
    if (way === undefined) return false;
    packet.rtInput = way.rtInput;
    packet.rtType = way.rtType;
    packet.rtDev = way.rtDev;
    const nextHop = way.usesGateway ? way.gateway : dst;
    packet.rtNextHop = nextHop;
    packet.rtUsesGateway = way.usesGateway;
    packet.rtHopStands = false;
    packet.rtMtu = way.mtu;
    packet.rtForwardMtu = way.mtu;
    packet.rtMtuLocked = way.mtuLocked;
    packet.rtRealms = way.realms;
    packet.rtHopLimit = way.hopLimit;
    packet.rtError = 0;
    packet.rtDoRedirect = way.redirects;
    const { fibResult } = stack;
    fibResult.route = way.found;
    fibResult.error = 0;
    const { tape } = stack.engine;
    if (tape !== null)
      tape.words8(OP_ROUTE, stack.host, packet.number, dst, way.rtType, way.ifindex, nextHop, 0, way.index);
    return true;
  }

  /**
   * Remember the way that was found for a packet, which leaves no choice.
   *
   * @param ifindex the device that the tape was told of
   * @param index the route's, likewise
   */
  remember(stack: Stack, dev: NetDevice, packet: Packet, ifindex: number, index: number): void {
    const classes = this.classes ?? this.begin();
    const { fibResult } = stack;
    if (classes === null || !mayRemember(stack, packet) || fibResult.error !== 0) return;
    if (this.rows >= ROWS_AT_MOST) {
      this.devices = [];
      this.rows = 0;
    }
    this.devices[dev.slot] ??= new Array<undefined>(classes.count).fill(undefined);
    const sources = this.devices[dev.slot] as ((Way | undefined)[] | undefined)[];
    const source = classes.of(packet.src);
    let row = sources[source];
    if (row === undefined) {
      row = new Array<undefined>(classes.count).fill(undefined);
      sources[source] = row;
      this.rows++;
    }
    row[classes.of(packet.dst)] = new Way(packet, ifindex, index, fibResult.route);
  }

  private begin(): AddressClasses | null {
    if (this.routed++ !== ROUTED_BEFORE || !this.net.fib.asksOnlyTables) return null;
    const classes = new AddressClasses(networksOf(this.net));
    if (classes.count <= CLASSES_AT_MOST) this.classes = classes;
    return this.classes;
  }
}

function mayRemember({ engine, state }: Stack, { tos }: Packet): boolean {
  return !engine.literal && routedTos(tos) === 0 && state.exceptions.size === 0;
}

/** All that routing in asks of an address. */
function* networksOf({ fib, devices }: Netns): IterableIterator<Network4> {
  yield* SPECIAL;
  for (const { addresses } of devices) {
    for (const { address, prefixAddress, mask } of addresses) {
      yield [address, -1];
      yield [prefixAddress & mask, mask];
    }
  }
  for (const table of fib.tables.values()) {
    for (const { address, mask } of (table.columns ?? table.compile()).routes) yield [address, mask];
  }
}

const waysOf = new WeakMap<Netns, InputWays>();

/** A host's, shared by all who walk through it. */
export function inputWaysOf(net: Netns): InputWays {
  let ways = waysOf.get(net);
  if (ways === undefined) {
    ways = new InputWays(net);
    waysOf.set(net, ways);
  }
  return ways;
}
