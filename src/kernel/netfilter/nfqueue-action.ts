import type { Packet } from "../../packet/packet.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { NF_ACCEPT, NF_STOLEN } from "./hook.ts";
import type { NfqueueTarget } from "./target/nfqueue.ts";
import type { TargetAction } from "./target-action.ts";
import { UnknownTarget } from "./unknown.ts";

const NO_QUEUE_LISTENER = reason("no-queue-listener");

/**
 * `nfqueue_tg_v3`, `nf_queue`: where no program listens on the queue (`__nf_queue` finds nobody, -ESRCH) the packet is dropped and
 * its sender not told, or with --queue-bypass goes on to the next hook. What a program would say, and whether one listens where the
 * dump says nothing of it, is not known. Runs per packet.
 */
export function nfqueueAction(target: NfqueueTarget): TargetAction {
  const { first, last, bypass } = target;
  const unknown = new UnknownTarget(target);
  return {
    apply: (stack: Stack, packet: Packet) => {
      const { heardQueues } = stack.net;
      if (heardQueues === null || heardQueues.some((queue) => first <= queue && queue <= last))
        return unknown.apply(stack);
      if (bypass) return NF_ACCEPT;
      stack.kill(packet, NO_QUEUE_LISTENER);
      return NF_STOLEN;
    },
  };
}
