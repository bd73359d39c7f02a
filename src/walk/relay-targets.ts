import { addressOnPath } from "../address/ip6-handle.ts";
import { CHOICE_RELAY } from "../kernel/chooser.ts";
import { ABSENT } from "../kernel/session/pair-map.ts";
import type { Relay } from "../kernel/socket/relay.ts";
import type { Stack } from "../kernel/stack.ts";

/** Cell of a relay's state: the place of the target that is next plus 1, 0 while nobody knows it. */
const NEXT = 0;

/** A target as packets hold it. */
export interface Target {
  readonly address: number;
  readonly port: number;
}

/**
 * The next target of a relay, for a client: its own where it has one and that is not over, else the one whose turn it is. Where
 * the turns begin nothing tells, so the first is chosen.
 *
 * @param again the client's own target did not answer: another one is wanted
 */
export function nextTarget(stack: Stack, relay: Relay, client: number, again: boolean): Target | null {
  const { targets, stickyS } = relay;
  if (targets === null || targets.length === 0) return null;
  const { relayed, relayedAt } = stack.state;
  const key = stack.state.relayNumber(relay.name);
  if (stickyS !== null && !again) {
    const own = relayed.get(key, client);
    const isFresh = own !== ABSENT && stack.now - relayedAt.get(key, client) < stickyS * 1000;
    if (isFresh && own < targets.length) {
      relayedAt.set(key, client, Math.floor(stack.now));
      return onPath(relay, own);
    }
  }
  const cells = stack.matchState(relay, 1);
  const known = cells.get(NEXT);
  const index =
    targets.length === 1
      ? 0
      : known === 0
        ? stack.chooser.pick(CHOICE_RELAY, targets.length)
        : (known - 1) % targets.length;
  cells.set(NEXT, ((index + 1) % targets.length) + 1);
  if (stickyS !== null) {
    relayed.set(key, client, index);
    relayedAt.set(key, client, Math.floor(stack.now));
  }
  return onPath(relay, index);
}

function onPath({ targets }: Relay, index: number): Target {
  const target = targets?.[index];
  if (target === undefined) throw new RangeError(`no target ${index}`);
  return { address: addressOnPath(target.address), port: target.port };
}
