import type { Packet } from "../../packet/packet.ts";
import { dnatAction, masqueradeAction, netmapAction, redirectAction, snatAction } from "../nat/targets.ts";
import type { Stack } from "../stack.ts";
import { ecnAction, tcpmssAction, tcpoptstripAction, teeAction } from "./header-actions.ts";
import { hmarkAction } from "./hmark-action.ts";
import type { NfVerdict } from "./hook.ts";
import { nfqueueAction } from "./nfqueue-action.ts";
import { nptAction } from "./npt-action.ts";
import { rateestAction } from "./rateest-action.ts";
import { setAction } from "./set-action.ts";
import { synproxyAction } from "./synproxy.ts";
import type { Target } from "./target/target.ts";
import {
  checksumAction,
  connmarkAction,
  ctAction,
  dscpAction,
  hopCountAction,
  notrackAction,
  rejectAction,
  tosAction,
} from "./targets-effect.ts";
import { tproxyAction } from "./tproxy-action.ts";
import { UnknownTarget } from "./unknown.ts";

/** Go on with the next rule (`XT_CONTINUE`). */
export const XT_CONTINUE = -1;
/** Leave the chain (`XT_RETURN`). */
export const XT_RETURN = -5;

/** An address and port. */
export interface OneDestination {
  readonly address: number;
  readonly port: number;
}

/** The effect of a target that the columns cannot hold. Runs per packet. */
export interface TargetAction {
  apply(stack: Stack, packet: Packet, hook: number): NfVerdict | typeof XT_CONTINUE | typeof XT_RETURN;
  /** The walk goes on with a packet that may have another destination. */
  readonly readdresses?: boolean;
  /** It is DNAT to just this address and port. */
  readonly dnat?: OneDestination | null;
}

/** Targets that change nothing the walk can see: they log or count. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  "LOG",
  "NFLOG",
  "TRACE",
  "AUDIT",
  "CLASSIFY",
  "IDLETIMER",
  "CONNSECMARK",
  "SECMARK",
  "LED",
]);

const passes: TargetAction = { apply: () => XT_CONTINUE };

const EFFECTS: Readonly<Record<string, (target: never) => TargetAction>> = {
  DNAT: dnatAction,
  SNAT: snatAction,
  MASQUERADE: masqueradeAction,
  REDIRECT: redirectAction,
  NETMAP: netmapAction,
  REJECT: rejectAction,
  CONNMARK: connmarkAction,
  NOTRACK: notrackAction,
  TTL: hopCountAction,
  HL: hopCountAction,
  CT: ctAction,
  DSCP: dscpAction,
  CHECKSUM: checksumAction,
  TOS: tosAction,
  SET: setAction,
  ECN: ecnAction,
  HMARK: hmarkAction,
  TCPMSS: tcpmssAction,
  TCPOPTSTRIP: tcpoptstripAction,
  RATEEST: rateestAction,
  TEE: teeAction,
  NFQUEUE: nfqueueAction,
  TPROXY: tproxyAction,
  SYNPROXY: synproxyAction,
  SNPT: nptAction,
  DNPT: nptAction,
};

/** A target's effect; one not modelled is asked of the chooser as an unknown and otherwise goes on. */
export function compileTarget(target: Target): TargetAction {
  if (WITHOUT_EFFECT.has(target.kind)) return passes;
  const effect = EFFECTS[target.kind];
  if (effect !== undefined) return effect(target as never);
  return new UnknownTarget(target);
}
