import { deviceKey } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import * as NEIGHBOUR from "./neighbour.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ABSENT } = PAIR_MAP;
const { NEIGH_FAILED, NEIGH_INCOMPLETE, NUD_FAILED, NUD_INCOMPLETE, NUD_REACHABLE, NUD_STALE } = NEIGHBOUR;

/**
 * `neigh_lookup(…)->nud_state`: what a host thinks of a neighbour, for those who choose among several.
 *
 * @param address as the path holds it
 * @returns `NUD_NONE` where there is no entry; NUD_STALE stands for all that are valid, but not known to be there just now
 */
export function nudState(stack: Stack, dev: NetDevice, family: number, address: number): number {
  const key = deviceKey(family, dev.ifindex);
  const learned = stack.state.neighbours.get(key, address);
  if (learned === ABSENT) return stack.net.neighbours.nud(key, address);
  if (learned === NEIGH_INCOMPLETE) return NUD_INCOMPLETE;
  if (learned === NEIGH_FAILED) return NUD_FAILED;
  return hasProved(stack, dev, key, address) ? NUD_REACHABLE : NUD_STALE;
}

/** NUD_REACHABLE: it has answered this host, and not too long ago. */
export function hasProved({ state, now }: Stack, dev: NetDevice, key: number, address: number): boolean {
  const confirmed = state.neighbourConfirmed.get(key, address);
  return confirmed !== ABSENT && now - confirmed <= dev.conf.reachableMs;
}
