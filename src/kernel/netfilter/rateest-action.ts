import type { Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import { Estimator } from "./rate-estimator.ts";
import type { RateestTarget } from "./target/rateest.ts";
import type { TargetAction } from "./target-action.ts";

const XT_CONTINUE = -1;

/** `xt_rateest_tg`. Runs per packet. */
export function rateestAction(target: RateestTarget): TargetAction {
  const estimator = new Estimator(target.name);
  return {
    apply: (stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      estimator.count(stack, target, packet.length);
      return XT_CONTINUE;
    },
  };
}
