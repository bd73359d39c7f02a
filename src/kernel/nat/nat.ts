import { hasPorts } from "../../packet/ports.ts";
import * as STATUS from "../conntrack/status.ts";
import type { ConntrackTable } from "../conntrack/table.ts";
import { zoneId } from "../conntrack/zone.ts";
import type { NfVerdict } from "../netfilter/hook.ts";
import * as HOOK from "../netfilter/hook.ts";
import type { Stack } from "../stack.ts";
import { setBestAddress } from "./best-address.ts";
import type { Manip } from "./manip.ts";
import * as MANIP from "./manip.ts";
import { isPortInRange, isSourceInRange, type NatRange, type OneAddress } from "./range.ts";
import { NatTuple } from "./tuple.ts";
import { setUniquePort } from "./unique-port.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPS_CONFIRMED, IPS_DST_NAT, IPS_DST_NAT_DONE, IPS_SRC_NAT, IPS_SRC_NAT_DONE } = STATUS;
const { NF_ACCEPT, NF_DROP } = HOOK;
const { NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } = MANIP;

/** Network address translation of a connection (net/netfilter/nf_nat_core.c). Runs per packet. */

export function natInitialized(table: ConntrackTable, ct: number, manip: Manip): boolean {
  return (table.status(ct) & (manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE)) !== 0;
}

/** Of the connection that is being bound; and of another it is compared with. */
const tuple = new NatTuple();
const other = new NatTuple();

/** `nf_nat_setup_info`: bind a connection's source or destination, once. */
export function natSetup(stack: Stack, ct: number, range: NatRange, manip: Manip): NfVerdict {
  const table = stack.conntrack;
  // What stands in the table already stays as it is: a rule that came later has no part in it.
  if ((table.status(ct) & IPS_CONFIRMED) !== 0) return NF_ACCEPT;
  if (natInitialized(table, ct, manip)) return NF_DROP;
  const { src, dst, sport, dport } = tuple.invertReply(table, ct);
  if (manip === NF_NAT_MANIP_SRC) setUniqueSource(stack, ct, range);
  else setUniqueDestination(stack, ct, range);
  if (src !== tuple.src || dst !== tuple.dst || sport !== tuple.sport || dport !== tuple.dport) {
    if (tuple.isIcmp) table.alterReply(ct, tuple.dst, tuple.src, tuple.sport, table.replyDport(ct));
    else table.alterReply(ct, tuple.dst, tuple.src, tuple.dport, tuple.sport);
    table.setStatus(ct, manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT);
    if (sport !== tuple.sport) table.portsMoved = true;
  }
  table.setStatus(ct, manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE);
  return NF_ACCEPT;
}

/** `get_unique_tuple` of a source. */
function setUniqueSource(stack: Stack, ct: number, range: NatRange): void {
  const table = stack.conntrack;
  if (!range.random) {
    if (isSourceInRange(tuple, range)) {
      if (!tuple.isUsed(table, ct)) return;
    } else if (setAppropriateSource(table, ct, range)) return;
  }
  if (range.mapAddresses) setBestAddress(tuple, range, NF_NAT_MANIP_SRC, table.zone(ct));
  const mayKeep = !range.random && (!range.ports || isPortInRange(tuple.sport, range));
  if (mayKeep && !tuple.isUsed(table, ct)) return;
  if (!tuple.hasPorts && !tuple.isIcmp) return;
  const known = stack.engine.chosenPort?.(stack, ct) ?? -1;
  const before = tuple.sport;
  setUniquePort(stack, ct, tuple, range, NF_NAT_MANIP_SRC, known);
  if (tuple.sport !== before || range.random) table.setFreePort(ct);
}

/** `get_unique_tuple` of a destination. */
function setUniqueDestination(stack: Stack, ct: number, range: NatRange): void {
  const table = stack.conntrack;
  if (range.mapAddresses) setBestAddress(tuple, range, NF_NAT_MANIP_DST, table.zone(ct));
  if (range.ports && tuple.hasPorts) {
    const isOne = range.minPort === range.maxPort;
    const mayKeep = !range.random && range.portBase === null && isPortInRange(tuple.dport, range);
    if (mayKeep && (isOne || !tuple.isUsed(table, ct))) return;
    if (isOne) tuple.dport = range.minPort;
    else setUniquePort(stack, ct, tuple, range, NF_NAT_MANIP_DST);
  } else if (tuple.isIcmp && !keepsId(table, ct, range)) {
    // A destination without a range keeps its port, taken or not; an ICMP id is another matter, and counts as the source's.
    setUniquePort(stack, ct, tuple, range, NF_NAT_MANIP_DST);
    if (range.random) table.setFreePort(ct);
  }
}

/** `l4proto_in_range` and what follows it in `get_unique_tuple`, of an ICMP id. */
function keepsId(table: ConntrackTable, ct: number, range: NatRange): boolean {
  if (range.random) return false;
  if (!range.ports) return !tuple.isUsed(table, ct);
  if (range.portBase !== null || !isPortInRange(tuple.sport, range)) return false;
  return range.minPort === range.maxPort || !tuple.isUsed(table, ct);
}

/** Give the tuple the source that another connection of the same source was given. False: there is none, or it is used. */
function setAppropriateSource(table: ConntrackTable, ct: number, range: NatRange): boolean {
  const mapped = findAppropriateSource(table, ct, range);
  if (mapped < 0) return false;
  other.invertReply(table, mapped);
  other.dst = tuple.dst;
  other.dport = tuple.dport;
  if (other.isUsed(table, ct)) return false;
  tuple.src = other.src;
  tuple.sport = other.sport;
  return true;
}

/**
 * `find_appropriate_src`: the last connection that came from the same address and port, if what it was given is within the range:
 * another of the same source is given the same. -1 none.
 */
function findAppropriateSource(table: ConntrackTable, self: number, range: NatRange): number {
  // Of one address, where no port was ever changed, it is what is chosen anyway.
  if (range.minAddress === range.maxAddress && !table.portsMoved) return -1;
  const { src, sport, proto } = tuple;
  const zone = zoneId(table.zone(self), 0);
  let found = -1;
  table.forEach((ct) => {
    if (table.origSrc(ct) !== src || table.origSport(ct) !== sport || table.protoKey(ct) !== proto) return;
    if (zoneId(table.zone(ct), 0) !== zone || !natInitialized(table, ct, NF_NAT_MANIP_SRC)) return;
    if (isSourceInRange(other.invertReply(table, ct), range)) found = ct;
  });
  return found;
}

/** `nf_nat_alloc_null_binding`: no rule wanted a translation; keep the address, but see that the tuple is unique. */
export function natNullBinding(stack: Stack, ct: number, manip: Manip): NfVerdict {
  const table = stack.conntrack;
  // Its own address is in the range that is this address alone: nothing is sought where its answers are nobody else's, and no
  // destination is ever sought but ICMP's, whose id is its port.
  if ((table.status(ct) & IPS_CONFIRMED) === 0) {
    const isFree = manip === NF_NAT_MANIP_SRC ? !table.isReplyTaken(ct) : hasPorts(table.proto(ct));
    if (isFree) {
      table.setStatus(ct, manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE);
      return NF_ACCEPT;
    }
  }
  const address = manip === NF_NAT_MANIP_SRC ? table.replyDst(ct) : table.replySrc(ct);
  const range = stack.nullBinding.set(address);
  return natSetup(stack, ct, range, manip);
}

/** `natSetup` of a destination that is one address and port. */
export function natSetupOne(stack: Stack, ct: number, range: OneAddress): NfVerdict {
  const table = stack.conntrack;
  const status = table.status(ct);
  if ((status & IPS_CONFIRMED) !== 0) return NF_ACCEPT;
  if (!hasPorts(table.proto(ct))) return natSetup(stack, ct, range, NF_NAT_MANIP_DST);
  if ((status & IPS_DST_NAT_DONE) !== 0) return NF_DROP;
  const { minAddress: address, minPort: port } = range;
  if (table.replySrc(ct) === address && table.replySport(ct) === port) table.setStatus(ct, IPS_DST_NAT_DONE);
  else {
    table.alterReply(ct, address, table.replyDst(ct), port, table.replyDport(ct));
    table.setStatus(ct, IPS_DST_NAT | IPS_DST_NAT_DONE);
  }
  return NF_ACCEPT;
}
