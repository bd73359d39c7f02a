import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from "../../packet/packet.ts";

/** States of IPVS's TCP connections (`enum IP_VS_TCP_S_*`), named as `ipvsadm -Lc` prints them. */
export const TCP_STATE_NAMES = [
  "NONE",
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
  "LISTEN",
  "SYNACK",
] as const;

export const TCP_ESTABLISHED = 1;
const sES = TCP_ESTABLISHED;
const sSS = 2;
const sSR = 3;
export const TCP_FIN_WAIT = 4;
const sFW = TCP_FIN_WAIT;
export const TCP_TIME_WAIT = 5;
const sTW = TCP_TIME_WAIT;
export const TCP_CLOSE = 6;
const sCL = TCP_CLOSE;
const sCW = 7;
const sLA = 8;
const sLI = 9;
const sSA = 10;

/** `IP_VS_CTPL_S_ASSURED`: a state of templates, whose other one is NONE. */
export const TEMPLATE_ASSURED = 1;

/** Which way a packet went, as an index into the transitions. */
export const DIRECTION_INPUT = 0;
export const DIRECTION_OUTPUT = 1;
export const DIRECTION_INPUT_ONLY = 2;

/** `tcp_states` (ip_vs_proto_tcp.c): by direction, then by syn, fin, ack, rst, then by state from NONE to SYNACK. */
const TRANSITIONS: readonly (readonly (readonly number[])[])[] = [
  [
    [sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR],
    [sCL, sCW, sSS, sTW, sTW, sTW, sCL, sCW, sLA, sLI, sTW],
    [sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES],
    [sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sSR],
  ],
  [
    [sSS, sES, sSS, sSR, sSS, sSS, sSS, sSS, sSS, sLI, sSR],
    [sTW, sFW, sSS, sTW, sFW, sTW, sCL, sTW, sLA, sLI, sTW],
    [sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sLA, sES, sES],
    [sCL, sCL, sSS, sCL, sCL, sTW, sCL, sCL, sCL, sCL, sCL],
  ],
  [
    [sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR],
    [sCL, sFW, sSS, sTW, sFW, sTW, sCL, sCW, sLA, sLI, sTW],
    [sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES],
    [sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sCL],
  ],
];

/** `tcp_timeouts`, milliseconds; those of ESTABLISHED and FIN_WAIT are `ipvsadm --set`'s. */
const TIMEOUT_MS = [
  2000, 900_000, 120_000, 60_000, 120_000, 120_000, 10_000, 60_000, 30_000, 120_000, 120_000,
] as const;

export function tcpTimeout(state: number, establishedMs: number, finWaitMs: number): number {
  if (state === TCP_ESTABLISHED) return establishedMs;
  if (state === TCP_FIN_WAIT) return finWaitMs;
  return TIMEOUT_MS[state] as number;
}

/** `tcp_state_active_table`: do connections in this state count as active? */
export function isActiveState(state: number): boolean {
  return state === sES || state === sSS || state === sSR || state === sSA;
}

/** `set_tcp_state`: the state after a segment; CLOSE for one that says nothing. */
export function nextTcpState(direction: number, flags: number, state: number): number {
  let row: number;
  if ((flags & TCP_RST) !== 0) row = 3;
  else if ((flags & TCP_SYN) !== 0) row = 0;
  else if ((flags & TCP_FIN) !== 0) row = 1;
  else if ((flags & TCP_ACK) !== 0) row = 2;
  else return TCP_CLOSE;
  return TRANSITIONS[direction]?.[row]?.[state] as number;
}
