import type { Packet } from "../../packet/packet.ts";
import { SET_UNKNOWN, SET_YES, type SetChange } from "../ipset/set-query.ts";
import type { Stack } from "../stack.ts";
import { compileSetQuery } from "./set-query.ts";
import type { SetTarget } from "./target/set.ts";
import type { TargetAction } from "./target-action.ts";
import { UnknownTarget } from "./unknown.ts";

const XT_CONTINUE = -1;

/**
 * SET (`set_target_v3`): put the packet's element into a set, take it out of another, take marks from a third. Priorities
 * and queues are noted in the set and have no effect on the path. Runs per packet.
 */
export function setAction(target: SetTarget): TargetAction {
  const { timeout, exist } = target;
  const add: SetChange | null = target.add && { query: compileSetQuery(target.add), timeout, exist };
  const del: SetChange | null = target.del && { query: compileSetQuery(target.del), timeout, exist };
  const map = target.map && compileSetQuery(target.map);
  const unknown = new UnknownTarget(target);
  return {
    apply: (stack: Stack, packet: Packet): ReturnType<TargetAction["apply"]> => {
      const sets = stack.ipsets;
      if ((add !== null && !sets.has(add.query.set)) || (del !== null && !sets.has(del.query.set))) {
        return unknown.apply(stack);
      }
      if (add !== null) sets.add(add, packet, stack);
      if (del !== null) sets.delete(del, packet, stack);
      if (map === null) return XT_CONTINUE;
      const answer = sets.test(map, packet, stack);
      if (answer === SET_UNKNOWN) return unknown.apply(stack);
      if (answer !== SET_YES || !target.mapMark) return XT_CONTINUE;
      // An element without a mark has the mark 0 and the mask 0.
      const skbmark = sets.entryMatched()?.skbmark ?? null;
      if (skbmark !== null) packet.mark = (packet.mark & ~skbmark.mask) ^ skbmark.value;
      return XT_CONTINUE;
    },
  };
}
