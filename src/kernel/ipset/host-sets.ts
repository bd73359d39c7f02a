import type { Packet } from "../../packet/packet.ts";
import type { RuleContext } from "../netfilter/rule-context.ts";
import { type CompiledSet, compileSet } from "./compiled-set.ts";
import type { Ipset, IpsetEntry } from "./ipset.ts";
import type { IpsetState } from "./ipset-state.ts";
import { LiveIpset } from "./live-ipset.ts";
import {
  SET_NO,
  SET_UNKNOWN,
  SET_YES,
  type SetAnswer,
  type SetChange,
  type SetMembership,
  type SetQuery,
} from "./set-query.ts";

/**
 * The sets of one host by their names, lists of sets among them (net/netfilter/ipset/ip_set_core.c, ip_set_list_set.c).
 * This is code that runs per packet, but for the making of it.
 */
export class HostSets implements SetMembership {
  private readonly state: IpsetState;
  private readonly sets: readonly CompiledSet[];
  /** Made when a packet asks for one. */
  private readonly live: (LiveIpset | undefined)[];
  /** By id of a set's name: its place, from 1. */
  private readonly places: Int32Array;
  /** The set, or the list, that said yes last. */
  private matched: LiveIpset | null = null;

  constructor(plain: readonly Ipset[], state: IpsetState, now: number) {
    this.state = state;
    this.sets = plain.map(compileSet);
    state.bind(this.sets, now);
    this.live = this.sets.map(() => undefined);
    this.places = new Int32Array(this.sets.reduce((most, set) => Math.max(most, set.id + 1), 0));
    this.sets.forEach((set, place) => {
      this.places[set.id] = place + 1;
    });
  }

  /** Is there a set of this name? */
  has(id: number): boolean {
    return this.placeOf(id) >= 0;
  }

  /** `ip_set_test`. */
  test(query: SetQuery, packet: Packet, context: RuleContext): SetAnswer {
    const set = this.named(query.set);
    if (set === null) return SET_UNKNOWN;
    const asksCounters = query.packets !== null || query.bytes !== null;
    return this.testSet(set, query, packet, context, asksCounters, query.updateCounters) ? SET_YES : SET_NO;
  }

  private testSet(
    live: LiveIpset,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): boolean {
    const found = live.set.isList
      ? this.testList(live, query, packet, context, asksCounters, counts)
      : live.test(query, packet, context, asksCounters, counts);
    if (found) this.matched = live;
    return found;
  }

  /** `list_set_ktest`: members in order; the list's own counters and timeouts decide as well. */
  private testList(
    list: LiveIpset,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): boolean {
    const { members } = list.set;
    for (let i = 0; i < members.length; i++) {
      const id = members[i] as number;
      const member = this.named(id);
      if (member === null) continue;
      if (!this.testSet(member, query, packet, context, false, counts && query.updateSubcounters)) continue;
      if (list.testMember(id, query, packet, context, asksCounters, counts)) return true;
    }
    return false;
  }

  /** `ip_set_add`: false where nothing was put in. */
  add(change: SetChange, packet: Packet, context: RuleContext): boolean {
    return this.change(true, change.query.set, change, packet, context);
  }

  /** `ip_set_del`: false where nothing was taken out. */
  delete(change: SetChange, packet: Packet, context: RuleContext): boolean {
    return this.change(false, change.query.set, change, packet, context);
  }

  private change(
    adds: boolean,
    id: number,
    change: SetChange,
    packet: Packet,
    context: RuleContext,
  ): boolean {
    const live = this.named(id);
    if (live === null) return false;
    const { isList, members } = live.set;
    if (!isList) return adds ? live.add(change, packet, context) : live.delete(change, packet, context);
    // The first member that takes it, or gives it up (`list_set_kadd`, `list_set_kdel`).
    for (let i = 0; i < members.length; i++) {
      const member = members[i] as number;
      if (live.isMemberExpired(member, context.now)) continue;
      if (this.change(adds, member, change, packet, context)) return true;
    }
    return false;
  }

  /** The entry that `test` matched last, as it was listed, for the marks it carries; null where a packet put it in. */
  entryMatched(): IpsetEntry | null {
    return this.matched?.entryFound() ?? null;
  }

  private named(id: number): LiveIpset | null {
    const place = this.placeOf(id);
    if (place < 0) return null;
    let live = this.live[place];
    if (live === undefined) {
      live = new LiveIpset(this.sets[place] as CompiledSet, this.state);
      this.live[place] = live;
    }
    return live;
  }

  private placeOf(id: number): number {
    return id < this.places.length ? (this.places[id] as number) - 1 : -1;
  }
}
