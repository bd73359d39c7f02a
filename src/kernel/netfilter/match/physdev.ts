import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { InterfaceNamePattern, readInterfacePattern } from "./interface-name-pattern.ts";
import type { Match, MatchModule } from "./match.ts";

/** The bridge ports a packet uses, as br_netfilter recorded them (net/netfilter/xt_physdev.c). */
export interface PhysdevMatch extends Match {
  readonly kind: "physdev";
  readonly isIn: Negatable<true> | null;
  readonly in: Negatable<string> | null;
  readonly isOut: Negatable<true> | null;
  readonly out: Negatable<string> | null;
  readonly isBridged: Negatable<true> | null;
}

export const physdev: MatchModule<PhysdevMatch> = {
  kind: "physdev",
  needsConntrack: false,

  parse(reader) {
    let isIn: PhysdevMatch["isIn"] = null;
    let inPort: PhysdevMatch["in"] = null;
    let isOut: PhysdevMatch["isOut"] = null;
    let outPort: PhysdevMatch["out"] = null;
    let isBridged: PhysdevMatch["isBridged"] = null;
    reader.options({
      "--physdev-is-in": () => {
        isIn = { invert: reader.negated(), value: true };
      },
      "--physdev-in": () => {
        inPort = { invert: reader.negated(), value: readInterfacePattern(reader) };
      },
      "--physdev-is-out": () => {
        isOut = { invert: reader.negated(), value: true };
      },
      "--physdev-out": () => {
        outPort = { invert: reader.negated(), value: readInterfacePattern(reader) };
      },
      "--physdev-is-bridged": () => {
        isBridged = { invert: reader.negated(), value: true };
      },
    });
    if (isIn === null && inPort === null && isOut === null && outPort === null && isBridged === null) {
      reader.fail("it needs at least one option, such as --physdev-is-bridged");
    }
    return { kind: "physdev", isIn, in: inPort, isOut, out: outPort, isBridged };
  },

  format: (match) =>
    optionText(
      flagText("--physdev-is-in", match.isIn),
      negatableText("--physdev-in", match.in, String),
      flagText("--physdev-is-out", match.isOut),
      negatableText("--physdev-out", match.out, String),
      flagText("--physdev-is-bridged", match.isBridged),
    ),

  compile: (match) => new PhysdevTest(match),
};

function flagText(option: string, flag: Negatable<true> | null): string | null {
  return flag && `${flag.invert ? "! " : ""}${option}`;
}

/** Runs per packet. */
class PhysdevTest implements MatchTest {
  private readonly match: PhysdevMatch;
  private readonly inPattern: InterfaceNamePattern | null;
  private readonly outPattern: InterfaceNamePattern | null;
  /** For a packet no bridge has seen: true if every option is inverted. */
  private readonly unbridged: boolean;

  constructor(match: PhysdevMatch) {
    this.match = match;
    this.inPattern = match.in && new InterfaceNamePattern(match.in.value);
    this.outPattern = match.out && new InterfaceNamePattern(match.out.value);
    this.unbridged = [match.isIn, match.in, match.isOut, match.out, match.isBridged].every(
      (option) => option === null || option.invert,
    );
  }

  test(packet: Packet, context: RuleContext): boolean {
    if (!packet.nfBridge) return this.unbridged;
    const match = this.match;
    const hasIn = packet.physIn !== 0;
    const hasOut = packet.physOut !== 0;
    if (match.isBridged !== null && hasOut === match.isBridged.invert) return false;
    if (match.isIn !== null && hasIn === match.isIn.invert) return false;
    if (match.isOut !== null && hasOut === match.isOut.invert) return false;
    // As the kernel has it: without a port of entry --physdev-in is passed over, without one of exit --physdev-out fails.
    if (match.in !== null && hasIn) {
      const hit = (this.inPattern as InterfaceNamePattern).matches(context.nameOf(packet.physIn));
      if (hit === match.in.invert) return false;
    }
    if (match.out === null) return true;
    if (!hasOut) return false;
    return (
      (this.outPattern as InterfaceNamePattern).matches(context.nameOf(packet.physOut)) !== match.out.invert
    );
  }
}
