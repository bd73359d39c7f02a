import type { Packet } from "../../packet/packet.ts";
import type { Match } from "./match/match.ts";
import type { RuleContext } from "./rule-context.ts";
import { UnknownTest } from "./unknown.ts";

/** A match that mostly knows, but of some packets cannot say: of those it asks both ways, as an unknown one does of all. */
export class UnsureTest {
  private readonly unknown: UnknownTest;

  constructor(match: Match) {
    this.unknown = new UnknownTest(match);
  }

  /** Is it taken to match? */
  protected ask(packet: Packet, context: RuleContext): boolean {
    return this.unknown.test(packet, context);
  }
}
