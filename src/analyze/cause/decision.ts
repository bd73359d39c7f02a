import { splitSocketAddress } from "../../address/socket-address.ts";
import type { ReasonName } from "../../kernel/reason.ts";
import type { Outcome, PacketView, Rewrite, RuleHit, Step } from "../../walk/trace.ts";
import { type DroppingPolicy, isPolicy, policyOf, storyOf } from "./story.ts";

/** What decided an outcome, gathered from its steps: the one place where causes and remedies look. */
export interface Decision {
  /** The precise reason: of the lost answer, where the answer was lost. */
  readonly reason: ReasonName;
  readonly step: Step | null;
  readonly host: string | null;
  readonly device: string | null;
  /** The rule that dropped or rejected. */
  readonly rule: RuleHit | null;
  /** The built-in chain whose policy dropped. */
  readonly policy: (DroppingPolicy & { readonly hook: string }) | null;
  /** The packet as it was when it ended. */
  readonly packet: PacketView | null;
  /** It was not the request that ended. */
  readonly isAnswer: boolean;
}

const BY_RULE: ReadonlySet<string> = new Set(["rule-drop", "rule-reject", "policy-drop", "output-blocked"]);

const NOTHING_KNOWN = {
  step: null,
  host: null,
  device: null,
  rule: null,
  policy: null,
  packet: null,
  isAnswer: true,
} as const;

export function decisionOf(outcome: Outcome): Decision {
  const { verdict } = outcome;
  const story = storyOf(outcome);
  const at = story.findIndex(({ step }) => step.id === verdict.at);
  const step = story[at]?.step ?? null;
  // Where the answer went astray is not where it was refused.
  if (verdict.reason === "bad-reply") return { ...NOTHING_KNOWN, reason: "bad-reply" };
  const reason = step?.reason ?? verdict.reason;
  let rule: RuleHit | null = null;
  let policy: Decision["policy"] = null;
  let packet: PacketView | null = null;
  let hook = "";
  for (const event of story.slice(0, Math.max(0, at))) {
    const each = event.step;
    if (each.packet !== step?.packet) continue;
    packet = each.packetView ?? packet;
    if (event.rewrite !== undefined && packet !== null) packet = rewritten(packet, event.rewrite);
    if (each.host !== step.host) continue;
    if (each.kind === "hook") {
      hook = each.text;
      rule = null;
      policy = null;
    } else if (isPolicy(each)) policy = { ...policyOf(each), hook };
    else if (each.kind === "rule") rule = event.rule ?? null;
  }
  const byRule = BY_RULE.has(reason);
  return {
    reason,
    step,
    host: step?.host ?? verdict.host ?? null,
    device: step?.device === undefined || step.device === "" ? null : step.device,
    rule: byRule && policy === null ? rule : null,
    policy: byRule ? policy : null,
    packet,
    isAnswer: step !== null && step.phase !== "request" && step.phase !== "repeat",
  };
}

/** The outcome a trace's verdict is about: the first of the worst. */
export function worstOutcome(outcomes: readonly Outcome[], disposition: string): Outcome | undefined {
  return outcomes.find((outcome) => outcome.verdict.disposition === disposition) ?? outcomes[0];
}

/** A packet behind a translation, which no frame or hook may have seen since. */
function rewritten(packet: PacketView, { field, to }: Rewrite): PacketView {
  const { address, port } = splitSocketAddress(to);
  const ports = port === null ? {} : field === "src" ? { sport: port } : { dport: port };
  return {
    ...packet,
    ip: { ...packet.ip, [field]: address },
    ...(packet.tcp === undefined ? {} : { tcp: { ...packet.tcp, ...ports } }),
    ...(packet.sctp === undefined ? {} : { sctp: { ...packet.sctp, ...ports } }),
    ...(packet.udp === undefined ? {} : { udp: { ...packet.udp, ...ports } }),
  };
}
