import type { Packet } from "../../packet/packet.ts";
import { SCTP_ABORT, SCTP_COOKIE_ACK, SCTP_INIT, SCTP_SHUTDOWN_COMPLETE } from "../../packet/sctp-chunk.ts";
import { ctInfoDirection, IPS_ASSURED } from "./status.ts";
import type { ConntrackTable } from "./table.ts";
import type { ConntrackTimeouts } from "./timeouts.ts";

/** SCTP states of conntrack (`enum sctp_conntrack`), and their names as `conntrack -L` prints them. */
export const SCTP_CONNTRACK_NAMES = [
  "NONE",
  "CLOSED",
  "COOKIE_WAIT",
  "COOKIE_ECHOED",
  "ESTABLISHED",
  "SHUTDOWN_SENT",
  "SHUTDOWN_RECD",
  "SHUTDOWN_ACK_SENT",
  "HEARTBEAT_SENT",
] as const;

const sNO = 0;
const sCL = 1;
const sCW = 2;
const sCE = 3;
const sES = 4;
const sSS = 5;
const sSR = 6;
const sSA = 7;
const sHS = 8;
const sIV = 9;

type Row = readonly number[];

/**
 * `sctp_conntracks[direction][chunk][state]` (net/netfilter/nf_conntrack_proto_sctp.c), as Linux 6.18 was seen to go from
 * state to state. Columns: NONE to HEARTBEAT_SENT. A chunk without a row leaves the state as it is.
 */
const TRANSITIONS: readonly ReadonlyMap<number, Row>[] = [
  new Map<number, Row>([
    [1, [sCL, sCL, sCW, sCE, sES, sCL, sCL, sSA, sCW]], // INIT
    [2, [sIV, sCL, sCW, sCE, sES, sSS, sSR, sSA, sCL]], // INIT_ACK
    [6, [sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL]], // ABORT
    [7, [sIV, sCL, sCW, sCE, sSS, sSS, sSR, sSA, sCL]], // SHUTDOWN
    [8, [sSA, sCL, sCW, sCE, sES, sSA, sSA, sSA, sSA]], // SHUTDOWN_ACK
    [9, [sIV, sCL, sCW, sCE, sES, sSS, sSR, sSA, sCL]], // ERROR
    [10, [sIV, sCL, sCE, sCE, sES, sSS, sSR, sSA, sCL]], // COOKIE_ECHO
    [11, [sIV, sCL, sCW, sES, sES, sSS, sSR, sSA, sCL]], // COOKIE_ACK
    [14, [sIV, sCL, sCW, sCE, sES, sSS, sSR, sCL, sCL]], // SHUTDOWN_COMPLETE
    [4, [sHS, sCL, sCW, sCE, sES, sSS, sSR, sSA, sHS]], // HEARTBEAT
    [5, [sCL, sCL, sCW, sCE, sES, sSS, sSR, sSA, sHS]], // HEARTBEAT_ACK
  ]),
  new Map<number, Row>([
    [1, [sIV, sCL, sCW, sCE, sES, sSS, sSR, sSA, sIV]], // INIT
    [2, [sIV, sCW, sCW, sCE, sES, sSS, sSR, sSA, sIV]], // INIT_ACK
    [6, [sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sIV]], // ABORT
    [7, [sIV, sCL, sCW, sCE, sSR, sSS, sSR, sSA, sIV]], // SHUTDOWN
    [8, [sIV, sCL, sCW, sCE, sES, sSA, sSA, sSA, sIV]], // SHUTDOWN_ACK
    [9, [sIV, sCL, sCW, sCL, sES, sSS, sSR, sSA, sIV]], // ERROR
    [10, [sIV, sCL, sCE, sCE, sES, sSS, sSR, sSA, sIV]], // COOKIE_ECHO
    [11, [sIV, sCL, sCW, sES, sES, sSS, sSR, sSA, sIV]], // COOKIE_ACK
    [14, [sIV, sCL, sCW, sCE, sES, sSS, sSR, sCL, sIV]], // SHUTDOWN_COMPLETE
    [4, [sIV, sCL, sCW, sCE, sES, sSS, sSR, sSA, sHS]], // HEARTBEAT
    [5, [sIV, sCL, sCW, sCE, sES, sSS, sSR, sSA, sES]], // HEARTBEAT_ACK
  ]),
];

/**
 * `nf_conntrack_sctp_packet` without its check of verification tags, which every packet here bears as it should: but for a
 * path that only heartbeats have gone along, where the answering side's are not known.
 *
 * @returns false when the packet is INVALID and is to go on without an entry
 */
export function sctpPacket(
  table: ConntrackTable,
  ct: number,
  ctInfo: number,
  { chunk }: Packet,
  isNew: boolean,
  timeouts: ConntrackTimeouts,
): boolean {
  if (isNew && (chunk === SCTP_ABORT || chunk === SCTP_SHUTDOWN_COMPLETE || chunk === SCTP_COOKIE_ACK))
    return false;
  const direction = ctInfoDirection(ctInfo);
  const old = isNew ? sNO : table.tcpState(ct);
  const row = TRANSITIONS[direction]?.get(chunk);
  if (row === undefined && direction === 1 && old === sHS) return false;
  const next = row === undefined ? old : (row[old] as number);
  // What no row makes a beginning of is none.
  if (next === sIV || next === sNO) return false;
  // A client that repeats its INIT does not keep the entry alive ("don't renew timeout on init retransmit").
  if (chunk === SCTP_INIT && old === sCL && next === sCL) return true;
  table.setTcpState(ct, next);
  if (next === sES && old !== sES) table.setStatus(ct, IPS_ASSURED);
  table.refresh(ct, timeouts.sctp[next] as number);
  return true;
}
