import { hash6 } from "../../address/ip6-handle.ts";
import * as PACKET from "../../packet/packet.ts";
import * as CHOOSER from "../chooser.ts";
import * as STATUS from "../conntrack/status.ts";
import type { ConntrackTable } from "../conntrack/table.ts";
import * as TCP from "../conntrack/tcp.ts";
import type { Stack } from "../stack.ts";
import type { Manip } from "./manip.ts";
import * as MANIP from "./manip.ts";
import type { NatRange } from "./range.ts";
import type { NatTuple } from "./tuple.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPPROTO_TCP, KEY_IPV6 } = PACKET;
const { IPS_SRC_NAT } = STATUS;
const { CHOICE_SEQUENCE } = CHOOSER;
const { TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_TIME_WAIT } = TCP;
const { NF_NAT_MANIP_SRC } = MANIP;

/** `NF_NAT_MAX_ATTEMPTS`; among the last `NF_NAT_HARDER_THRESH` of them a connection that is over gives way. */
const MAX_ATTEMPTS = 128;
const HARDER_ATTEMPTS = MAX_ATTEMPTS / 4;
/** "… try again, with ever smaller search window", until it is smaller than this. */
const SMALLEST_WINDOW = 16;
const EITHER = [1, 1] as const;

/**
 * `nf_nat_l4proto_unique_tuple`: give a tuple a port (or ICMP id) that nobody uses, or the last that was tried, whose connection cannot
 * be confirmed. Where it starts looking is free choice; ours is a hash. Runs per packet.
 *
 * @param self the connection whose tuple it is
 * @param known where it starts looking, if that is within the range: a port that is known to have been chosen
 */
export function setUniquePort(
  stack: Stack,
  self: number,
  tuple: NatTuple,
  range: NatRange,
  manip: Manip,
  known = -1,
): void {
  const ofSource = manip === NF_NAT_MANIP_SRC;
  const min = firstPort(tuple, range);
  const size = portCount(tuple, range);
  let h = startHash(tuple);
  let start = (h >>> 8) % size;
  // NF_NAT_RANGE_PROTO_OFFSET: the port keeps its distance from the base; a destination's otherwise begins at the first.
  if (range.portBase !== null) start = (((tuple.dport - range.portBase) % size) + size) % size;
  else if (!ofSource && !range.random) start = 0;
  else if (known >= min && known < min + size) start = known - min;
  // An ICMP id counts as the source's, whichever end is translated.
  const setsSport = ofSource || tuple.isIcmp;
  for (let attempts = Math.min(size, MAX_ATTEMPTS); ; attempts >>= 1) {
    for (let i = 0; i < attempts; i++) {
      const port = min + ((start + i) % size);
      if (setsSport) tuple.sport = port;
      else tuple.dport = port;
      if (!isUsedHarder(stack, self, tuple, attempts - i)) return;
    }
    if (attempts >= size || attempts < SMALLEST_WINDOW) return;
    h = Math.imul(h ^ (h >>> 13), 0x2c1b3c6d);
    start = (h >>> 8) % size;
  }
}

/** The first port to choose from: the range's; without one those of the same kind as the source's. */
function firstPort({ isIcmp, sport }: NatTuple, { ports, minPort }: NatRange): number {
  if (ports) return minPort;
  if (isIcmp) return 0;
  return sport < 512 ? 1 : sport < 1024 ? 600 : 1024;
}

/** How many there are from that on. */
function portCount({ isIcmp, sport }: NatTuple, { ports, minPort, maxPort }: NatRange): number {
  if (ports) return maxPort - minPort + 1;
  if (isIcmp) return 65536;
  return sport < 512 ? 511 : sport < 1024 ? 424 : 64512;
}

function startHash({ src, dst, sport, dport, proto }: NatTuple): number {
  const six = (proto & KEY_IPV6) !== 0;
  let h =
    Math.imul(six ? hash6(src) : src, 0x9e3779b1) ^
    Math.imul(six ? hash6(dst) : dst, 0x85ebca77) ^
    Math.imul((sport << 16) | dport, 0xc2b2ae3d);
  h ^= h >>> 15;
  return Math.imul(h, 0x2c1b3c6d);
}

/**
 * `nf_nat_used_tuple_harder` (Linux 6.1 has none of it): a new TCP connection may have the port of a translated one that is closed, if its
 * sequence numbers are beyond the other's, which is as likely as not.
 */
function isUsedHarder(stack: Stack, self: number, tuple: NatTuple, attemptsLeft: number): boolean {
  const table = stack.conntrack;
  if (!tuple.isUsed(table, self)) return false;
  const { src, dst, sport, dport, proto } = tuple;
  if ((proto & 0xff) !== IPPROTO_TCP || attemptsLeft > HARDER_ATTEMPTS) return true;
  if (table.tcpState(self) !== TCP_CONNTRACK_SYN_SENT) return true;
  const node = table.find(dst, src, dport, sport, proto, table.zone(self));
  const old = node >> 1;
  if ((node & 1) === 0 || !mayKill(table, old)) return true;
  const key1 = Math.imul(table.origSport(self) + 1, 0x9e3779b1) ^ Math.imul(old + 1, 0x01000193) ^ sport;
  const key0 = (proto & KEY_IPV6) === 0 ? src : hash6(src);
  if (stack.chooser.flow(CHOICE_SEQUENCE, key0, key1, EITHER) !== 0) return true;
  // "Even if we can evict do not reuse if entry is offloaded."
  const offloaded = table.extensions.flowtable(old) !== 0;
  table.remove(old);
  return offloaded;
}

/** `nf_nat_may_kill`. */
function mayKill(table: ConntrackTable, ct: number): boolean {
  return table.tcpState(ct) >= TCP_CONNTRACK_TIME_WAIT && (table.status(ct) & IPS_SRC_NAT) !== 0;
}
