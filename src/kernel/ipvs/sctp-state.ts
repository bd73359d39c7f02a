import {
  SCTP_ABORT,
  SCTP_COOKIE_ACK,
  SCTP_COOKIE_ECHO,
  SCTP_ERROR,
  SCTP_INIT,
  SCTP_INIT_ACK,
  SCTP_SHUTDOWN,
  SCTP_SHUTDOWN_ACK,
  SCTP_SHUTDOWN_COMPLETE,
} from "../../packet/sctp-chunk.ts";

/** States of IPVS's SCTP connections (`enum ip_vs_sctp_states`), named as `ipvsadm -Lc` prints them. */
export const SCTP_STATE_NAMES = [
  "NONE",
  "INIT1",
  "INIT",
  "C-SENT",
  "C-REPLIED",
  "C-WAIT",
  "COOKIE",
  "C-ECHOED",
  "ESTABLISHED",
  "S-SENT",
  "S-RECEIVED",
  "S-ACK-SENT",
  "REJECTED",
  "CLOSED",
] as const;

export const SCTP_ESTABLISHED = 8;
export const SCTP_CLOSED = 13;

/** A row's letters are states in the order of their names. */
const LETTERS = "NabSRWOEejkArC";

/** By event; DATA stands for all chunks not named. */
const EVENTS = [
  -1,
  SCTP_INIT,
  SCTP_INIT_ACK,
  SCTP_COOKIE_ECHO,
  SCTP_COOKIE_ACK,
  SCTP_SHUTDOWN,
  SCTP_SHUTDOWN_ACK,
  SCTP_SHUTDOWN_COMPLETE,
  SCTP_ERROR,
  SCTP_ABORT,
];

/**
 * `sctp_states` (ip_vs_proto_sctp.c): by direction as `tcp-state.ts` counts them, then by event, then by state from NONE to
 * CLOSED.
 */
const TRANSITIONS: readonly (readonly string[])[] = [
  [
    "eabSRWOEejkArC",
    "abbSRWOEejkAbb",
    "WWWSROOEejkArC",
    "RbbRRWOEejkArC",
    "eabSRWOeejkArC",
    "kabSRWOEkjkArC",
    "CbbSRWOEeCkCrC",
    "CCCSRWOEejkCrC",
    "CabSRWOCejkArC",
    "CCCCCrCCCCCCCC",
  ],
  [
    "eabSRWOEejkArC",
    "WWWWWWWWeWWWWW",
    "SSSSRWOEejkArC",
    "EEEEEEEEejkArC",
    "eeeeeeeeejkArC",
    "jjjjjjjjjjkArC",
    "AAAAAWOEeAAArC",
    "CabSRWOEejkArC",
    "CCCCCWOEejkArC",
    "CrCCCCCCCCCCCC",
  ],
  [
    "eabSReOEejkArC",
    "abbbbbOEejkAbb",
    "EEEEEEOEejkArC",
    "eeeeeeOEejkArC",
    "eabeeWeeejkArC",
    "kabSRWOEkjkArC",
    "CbbSRWOECCkCrC",
    "CCCCCWOEejCCrC",
    "CabSRWOEejkArC",
    "CCCCCrCCCCCCCC",
  ],
];

/** `IP_VS_SCTP_MAX_RTO`. */
const LONGEST_RTO = 61_000;

/** `sctp_timeouts`, milliseconds: the first INIT and a rejected one are forgotten sooner, only ESTABLISHED lasts. */
export function sctpTimeout(state: number): number {
  switch (SCTP_STATE_NAMES[state]) {
    case "NONE":
      return 2000;
    case "INIT1":
    case "REJECTED":
      return 4000;
    case "ESTABLISHED":
      return 900_000;
    default:
      return LONGEST_RTO;
  }
}

/** `set_sctp_state`: the state after a chunk. */
export function nextSctpState(direction: number, chunk: number, state: number): number {
  const event = Math.max(EVENTS.indexOf(chunk), 0);
  return LETTERS.indexOf(TRANSITIONS[direction]?.[event]?.[state] as string);
}
