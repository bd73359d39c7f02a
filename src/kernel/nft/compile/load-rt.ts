import type { Packet } from "../../../packet/packet.ts";
import { clampedMss } from "../../netfilter/header-actions.ts";
import { nextHopOf } from "../../route/attach.ts";
import type { Stack } from "../../stack.ts";
import type { NftExpression } from "../expression.ts";
import { realms } from "./load-meta.ts";
import { putAddress } from "./load-payload.ts";
import type { Read } from "./read.ts";

/**
 * What a packet's route says (`nft_rt_get_eval`); a packet without one makes the rule break. null: the walk does not know the
 * key. `mtu` is a segment's size, mostly to be written into TCP's option (`mangle.ts`).
 */
export function compileRt({ key, family }: Extract<NftExpression, { kind: "rt" }>): Read | null {
  if (key === "classid") return realms;
  // Nothing is encrypted here.
  if (key === "ipsec") {
    return (run, at) => {
      run.regs[at] = 0;
      return run.packet.rtDev >= 0;
    };
  }
  if (key === "mtu") {
    return ({ packet, stack, regs }, at) => {
      if (packet.rtDev < 0) return false;
      regs[at] = segmentSizeOfRoute(stack, packet);
      return true;
    };
  }
  if (key !== "nexthop") return null;
  const wanted = family === "ip6" ? 6 : 4;
  return ({ packet, regs }, at) => {
    if (packet.rtDev < 0 || packet.family !== wanted) return false;
    const hop = nextHopOf(packet);
    if (wanted === 6) putAddress(regs, at, hop);
    else regs[at] = hop;
    return true;
  };
}

const TCP_MSS_DEFAULT = 536;

/** `get_tcpmss`. Runs per packet. */
export function segmentSizeOfRoute(stack: Stack, packet: Packet): number {
  const most = clampedMss(stack, packet);
  return most > 0 ? most : TCP_MSS_DEFAULT;
}
