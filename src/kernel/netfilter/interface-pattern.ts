import type { Packet } from "../../packet/packet.ts";
import { InterfaceNamePattern } from "./match/interface-name-pattern.ts";
import type { Negatable } from "./rule.ts";
import type { MatchTest, RuleContext } from "./rule-context.ts";

/** `-i` or `-o` with a trailing `+`, which no integer column can hold. Runs per packet. */
export class InterfacePattern implements MatchTest {
  private readonly side: "in" | "out";
  private readonly pattern: InterfaceNamePattern;
  private readonly invert: boolean;

  constructor(side: "in" | "out", { value, invert }: Negatable<string>) {
    this.side = side;
    this.pattern = new InterfaceNamePattern(value);
    this.invert = invert;
  }

  test(_packet: Packet, context: RuleContext): boolean {
    return this.pattern.matches(this.side === "in" ? context.inName : context.outName) !== this.invert;
  }
}
