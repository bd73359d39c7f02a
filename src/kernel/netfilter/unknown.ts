import type { Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import type { Match } from "./match/match.ts";
import type { MatchTest, RuleContext } from "./rule-context.ts";
import type { Target } from "./target/target.ts";
import type { TargetAction } from "./target-action.ts";

let made = 0;

/**
 * A match the engine does not model: never skipped silently. The chooser is asked once per rule and packet signature and
 * both answers are walked; the verdict names it.
 */
export class UnknownTest implements MatchTest {
  readonly match: Match;
  /** Number of this rule's unknown, for the chooser to remember by. */
  readonly id = ++made;

  constructor(match: Match) {
    this.match = match;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const signature =
      Math.imul(packet.src, 31) ^
      Math.imul(packet.dst, 37) ^
      Math.imul(packet.sport, 41) ^
      Math.imul(packet.dport, 43) ^
      packet.protocol ^
      (packet.tcpFlags << 8);
    return context.chooser.unknown(this, signature);
  }
}

/**
 * A target the engine does not model. Its effect is taken to be none, and the walk records that it was met, so that the
 * verdict's certainty says so.
 */
export class UnknownTarget implements TargetAction {
  readonly target: Target;

  constructor(target: Target) {
    this.target = target;
  }

  apply(stack: Stack): -1 {
    stack.unknownTargets.add(this.target);
    return -1;
  }
}
