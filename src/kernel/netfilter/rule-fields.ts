import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import * as COLUMNS from "./columns.ts";
import type { RuleContext } from "./rule-context.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPPROTO_TCP, IPPROTO_UDP } = PACKET;
const {
  C_DPORT,
  C_IN,
  C_MARK,
  C_MARK_MASK,
  C_NOT_DST,
  C_NOT_DST_MASK,
  C_OUT,
  C_PROTO,
  C_SPORT,
  ANY_PORT,
  C_SRC,
  C_SRC_MASK,
  F_FRAGMENT,
  F_INV_DPORT,
  F_INV_DST,
  F_INV_FRAGMENT,
  F_INV_IN,
  F_INV_MARK,
  F_INV_OUT,
  F_INV_PROTO,
  F_INV_SPORT,
  F_INV_SRC,
  F_MARK,
  F_PORTS,
  F_UNUSUAL,
  STRIDE,
} = COLUMNS;

/** The names of the interfaces as a hook sees them. */
type Interfaces = Pick<RuleContext, "inName" | "outName">;

/** What a rule asks for in its columns: most ask for no more than a protocol, its ports, a source and interfaces. */
export function fieldsMatch(
  stack: Interfaces,
  columns: Int32Array,
  at: number,
  packet: Packet,
  flags: number,
): boolean {
  if ((flags & F_UNUSUAL) !== 0) return flaggedMatches(stack, columns, at, packet, flags);
  const protocol = columns[at + C_PROTO] as number;
  if (protocol !== 0 && packet.protocol !== protocol) return false;
  if ((flags & F_PORTS) !== 0) {
    if (packet.fragOffset !== 0) return false;
    const dports = columns[at + C_DPORT] as number;
    const dport = packet.dport;
    if (dport < (dports & 0xffff) || dport > dports >>> 16) return false;
    const sports = columns[at + C_SPORT] as number;
    const sport = packet.sport;
    if (sport < (sports & 0xffff) || sport > sports >>> 16) return false;
  }
  if ((packet.src & (columns[at + C_SRC_MASK] as number)) !== columns[at + C_SRC]) return false;
  const inName = columns[at + C_IN] as number;
  if (inName >= 0 && stack.inName !== inName) return false;
  const outName = columns[at + C_OUT] as number;
  return outName < 0 || stack.outName === outName;
}

/** The same with negations, marks and fragments. */
function flaggedMatches(
  stack: Interfaces,
  columns: Int32Array,
  at: number,
  packet: Packet,
  flags: number,
): boolean {
  if (
    (flags & F_INV_DST) !== 0 &&
    (packet.dst & (columns[at + C_NOT_DST_MASK] as number)) === columns[at + C_NOT_DST]
  ) {
    return false;
  }
  const protocol = columns[at + C_PROTO] as number;
  if (protocol !== 0 && (packet.protocol !== protocol) !== ((flags & F_INV_PROTO) !== 0)) return false;
  if ((flags & F_PORTS) !== 0) {
    if (packet.fragOffset !== 0 || (packet.protocol !== IPPROTO_TCP && packet.protocol !== IPPROTO_UDP))
      return false;
    const dports = columns[at + C_DPORT] as number;
    const dport = packet.dport;
    if ((dport < (dports & 0xffff) || dport > dports >>> 16) !== ((flags & F_INV_DPORT) !== 0)) return false;
    const sports = columns[at + C_SPORT] as number;
    const sport = packet.sport;
    if ((sport < (sports & 0xffff) || sport > sports >>> 16) !== ((flags & F_INV_SPORT) !== 0)) return false;
  }
  if (
    ((packet.src & (columns[at + C_SRC_MASK] as number)) !== columns[at + C_SRC]) !==
    ((flags & F_INV_SRC) !== 0)
  ) {
    return false;
  }
  const inName = columns[at + C_IN] as number;
  if (inName >= 0 && (stack.inName !== inName) !== ((flags & F_INV_IN) !== 0)) return false;
  const outName = columns[at + C_OUT] as number;
  if (outName >= 0 && (stack.outName !== outName) !== ((flags & F_INV_OUT) !== 0)) return false;
  if (
    (flags & F_MARK) !== 0 &&
    ((packet.mark & (columns[at + C_MARK_MASK] as number)) !== columns[at + C_MARK]) !==
      ((flags & F_INV_MARK) !== 0)
  ) {
    return false;
  }
  if (
    (flags & (F_FRAGMENT | F_INV_FRAGMENT)) !== 0 &&
    (packet.fragOffset !== 0) !== ((flags & F_FRAGMENT) !== 0)
  ) {
    return false;
  }
  return true;
}

const anyPacket = new Int32Array(STRIDE);
const NOWHERE: Interfaces = { inName: -1, outName: -1 };
/** What is asked of more than a destination, a protocol, a destination port and being a fragment. */
const F_OTHERS = F_INV_SRC | F_INV_SPORT | F_INV_IN | F_INV_OUT | F_MARK | F_INV_MARK;

/** Would a rule's fields match some packet with this one's destination, protocol, destination port and fragment offset? */
export function fixedFieldsMatch(columns: Int32Array, at: number, packet: Packet, flags: number): boolean {
  for (let i = 0; i < STRIDE; i++) anyPacket[i] = columns[at + i] as number;
  anyPacket[C_SRC] = 0;
  anyPacket[C_SRC_MASK] = 0;
  anyPacket[C_SPORT] = ANY_PORT;
  anyPacket[C_IN] = -1;
  anyPacket[C_OUT] = -1;
  const matches = (flags & F_UNUSUAL) === 0 ? fieldsMatch : flaggedMatches;
  return matches(NOWHERE, anyPacket, 0, packet, flags & ~F_OTHERS);
}
