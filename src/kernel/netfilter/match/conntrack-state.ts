import type { Packet } from "../../../packet/packet.ts";
import * as STATUS from "../../conntrack/status.ts";
import type { ConntrackTable } from "../../conntrack/table.ts";
import { NO_TEMPLATE } from "../../conntrack/zone.ts";
import type { ArgumentReader } from "../save/arguments.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { CT_UNTRACKED, IPS_DST_NAT, IPS_SRC_NAT } = STATUS;

/**
 * The states of `--ctstate` and `--state` as bits, `XT_CONNTRACK_STATE_*` (uapi/linux/netfilter/xt_conntrack.h),
 * in the order they are printed.
 */
export const CT_STATE = {
  INVALID: 1 << 0,
  NEW: 1 << 3,
  RELATED: 1 << 2,
  ESTABLISHED: 1 << 1,
  UNTRACKED: 1 << 8,
  SNAT: 1 << 6,
  DNAT: 1 << 7,
} as const;

const STATES = Object.entries(CT_STATE);

/** Those that `-m state` knows. */
export const STATE_ALIAS_BITS =
  CT_STATE.INVALID | CT_STATE.NEW | CT_STATE.RELATED | CT_STATE.ESTABLISHED | CT_STATE.UNTRACKED;

const IP_CT_IS_REPLY = 3;

/** `XT_CONNTRACK_STATE_BIT`: a reply has the state of its direction's opposite. Runs per packet. */
export function ctStateBit(ctInfo: number): number {
  return 2 << (ctInfo < IP_CT_IS_REPLY ? ctInfo : ctInfo - IP_CT_IS_REPLY);
}

/** Of a packet that no connection has: what a template stands for is taken for new (`nf_ct_get` does not tell them apart). */
export function stateWithout({ ct, ctTemplate }: Packet): number {
  if (ct === CT_UNTRACKED) return CT_STATE.UNTRACKED;
  return ctTemplate === NO_TEMPLATE ? CT_STATE.INVALID : CT_STATE.NEW;
}

/** The states of a packet: those of its place in the connection, and whether the connection is translated. Runs per packet. */
export function statesOf(packet: Packet, conntrack: ConntrackTable): number {
  const ct = packet.ct;
  if (ct < 0) return stateWithout(packet);
  let bits = ctStateBit(packet.ctInfo);
  const status = conntrack.status(ct);
  if ((status & IPS_SRC_NAT) !== 0) bits |= CT_STATE.SNAT;
  if ((status & IPS_DST_NAT) !== 0) bits |= CT_STATE.DNAT;
  return bits;
}

export function readCtStates(reader: ArgumentReader, allowed: number): number {
  let bits = 0;
  for (const name of reader.word("a list of states").split(",")) {
    const state = STATES.find(([known, bit]) => known === name && (bit & allowed) !== 0);
    if (state !== undefined) bits |= state[1];
    else {
      const names = STATES.filter(([, bit]) => bit & allowed).map(([known]) => known);
      reader.failValue(`${JSON.stringify(name)} is no state: write ${names.join(", ")}`);
    }
  }
  return bits;
}

export function formatCtStates(bits: number): string {
  return STATES.filter(([, bit]) => bits & bit)
    .map(([name]) => name)
    .join(",");
}
