import type { Journal } from "../session/journal.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import { PairMap } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ABSENT } = PAIR_MAP;

/** Slots of a destination: an address of one family is a number in the other as well. */
const PATH_MTU = 0;
const GATEWAY = 1;
const SLOTS = 2;

/** Set in a path's MTU that is not to be lowered any more, which what is sent may then be cut to (`fnhe_mtu_locked`). */
const LOCKED = 1 << 16;

/** `RT_GC_TIMEOUT`: how long IPv4 follows a redirect. IPv6 does as long as it is used. */
const REDIRECT_MS = 300_000;
const NEVER = 0x7fff_ffff;

/**
 * What errors taught a host of its destinations (`fib_nh_exception`, `rt6_exception`): a path's MTU, a better gateway. Of IPv4 both end
 * together, when the time of the last that was learned is over. Runs per packet.
 */
export class RouteExceptions {
  private readonly values: PairMap;
  /** (destination, slot) to the last millisecond it holds; of IPv4 both slots' is the first's. */
  private readonly until: PairMap;

  constructor(journal: Journal) {
    this.values = new PairMap(journal);
    this.until = new PairMap(journal);
  }

  get size(): number {
    return this.values.size;
  }

  /** ABSENT: nothing is known. */
  pathMtu(family: number, destination: number, now: number): number {
    const value = this.get(family, destination, PATH_MTU, now);
    return value === ABSENT ? ABSENT : value & ~LOCKED;
  }

  /** ABSENT: nothing is known. */
  gateway(family: number, destination: number, now: number): number {
    return this.get(family, destination, GATEWAY, now);
  }

  /** Of IPv4: is what is known of a path's MTU fixed? */
  isPathMtuLocked(destination: number): boolean {
    return (this.values.get(destination, slotOf(4, PATH_MTU)) & LOCKED) !== 0;
  }

  setPathMtu(family: number, destination: number, mtu: number, until: number, locked = false): void {
    this.set(family, destination, PATH_MTU, locked ? mtu | LOCKED : mtu, until);
  }

  setGateway(family: number, destination: number, gateway: number, now: number): void {
    this.set(family, destination, GATEWAY, gateway, family === 6 ? NEVER : now + REDIRECT_MS);
  }

  /** `ip route flush cache`: IPv4's are forgotten, IPv6's stay. */
  flush4(): void {
    if (this.values.size === 0) return;
    const gone: number[] = [];
    this.values.forEach((destination, slot) => {
      if (slot < SLOTS) gone.push(destination, slot);
    });
    for (let i = 0; i < gone.length; i += 2) this.values.delete(gone[i] as number, gone[i + 1] as number);
  }

  /** Every exception, by destination and slot, whether it still holds or not. */
  forEach(visit: (destination: number, slot: number, value: number) => void): void {
    this.values.forEach(visit);
  }

  private get(family: number, destination: number, slot: number, now: number): number {
    if (this.values.size === 0) return ABSENT;
    const own = slotOf(family, slot);
    const value = this.values.get(destination, own);
    return value !== ABSENT && this.until.get(destination, timeOf(own)) >= now ? value : ABSENT;
  }

  private set(family: number, destination: number, slot: number, value: number, until: number): void {
    const own = slotOf(family, slot);
    this.values.set(destination, own, value);
    this.until.set(destination, timeOf(own), Math.min(until, NEVER));
  }
}

function slotOf(family: number, slot: number): number {
  return family === 6 ? SLOTS + slot : slot;
}

function timeOf(slot: number): number {
  return slot < SLOTS ? 0 : slot;
}

/** RFC 8200 5: what every link of IPv6 takes. */
const IPV6_MIN_MTU = 1280;

/**
 * `__ip_rt_update_pmtu`, `__ip6_rt_update_pmtu`: what a packet to a destination may be as long as. IPv4's is never less than
 * `ip_rt_min_pmtu`, and where it was less that is where it stays; of IPv6 what is less than every link takes is not believed.
 *
 * @param old what was taken to be so before
 * @param locked the way in use is one of IPv4 whose MTU is fixed
 */
export function learnPathMtu(
  stack: Stack,
  family: number,
  destination: number,
  mtu: number,
  old: number,
  locked = false,
): void {
  const { exceptions } = stack.state;
  const { now, net } = stack;
  if (family === 6) {
    if (mtu >= IPV6_MIN_MTU && mtu < old)
      exceptions.setPathMtu(6, destination, mtu, now + net.pathMtuExpiresMs6);
    return;
  }
  if (locked || mtu > old) return;
  const tooSmall = mtu < net.leastPathMtu;
  const learned = tooSmall ? Math.min(old, net.leastPathMtu) : mtu;
  // The same again counts anew only when half of its time is over.
  const half = net.pathMtuExpiresMs / 2;
  if (!tooSmall && exceptions.pathMtu(4, destination, now + half) === learned) return;
  exceptions.setPathMtu(4, destination, learned, now + net.pathMtuExpiresMs, tooSmall);
}
