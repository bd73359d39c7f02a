import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { UintRange } from "../save/uint-range.ts";
import { UnknownTest } from "../unknown.ts";
import type { Match, MatchModule } from "./match.ts";

/** Whose socket sent the packet (net/netfilter/xt_owner.c). */
export interface OwnerMatch extends Match {
  readonly kind: "owner";
  readonly socketExists: Negatable<true> | null;
  readonly uid: Negatable<UintRange> | null;
  readonly gid: Negatable<UintRange> | null;
  /** Let `gid` look at the supplementary groups too. */
  readonly supplementaryGroups: boolean;
}

export const owner: MatchModule<OwnerMatch> = {
  kind: "owner",
  needsConntrack: false,

  parse(reader) {
    let socketExists: OwnerMatch["socketExists"] = null;
    let uid: OwnerMatch["uid"] = null;
    let gid: OwnerMatch["gid"] = null;
    let supplementaryGroups = false;
    reader.options({
      "--socket-exists": () => {
        socketExists = { invert: reader.negated(), value: true };
      },
      "--uid-owner": () => {
        uid = { invert: reader.negated(), value: readIds(reader) };
      },
      "--gid-owner": () => {
        gid = { invert: reader.negated(), value: readIds(reader) };
      },
      "--suppl-groups": () => {
        supplementaryGroups = true;
      },
    });
    if (socketExists === null && uid === null && gid === null) {
      reader.fail("it needs --uid-owner, --gid-owner or --socket-exists");
    }
    if (supplementaryGroups && gid === null) reader.fail("--suppl-groups needs --gid-owner");
    return { kind: "owner", socketExists, uid, gid, supplementaryGroups };
  },

  format: ({ socketExists, uid, gid, supplementaryGroups }) =>
    optionText(
      socketExists && `${socketExists.invert ? "! " : ""}--socket-exists`,
      negatableText("--uid-owner", uid, formatIds),
      negatableText("--gid-owner", gid, formatIds),
      supplementaryGroups && "--suppl-groups",
    ),

  compile: (match) => (match.gid === null ? new OwnerTest(match) : new GroupTest(match, match.gid)),
};

/** `1000` or `1000-1010`. */
function readIds(reader: ArgumentReader): UintRange {
  const text = reader.word("a number or a range such as 1000-1010");
  const dash = text.indexOf("-");
  if (dash === -1) {
    const id = reader.uintOf(text, 0xfffffffe);
    return { min: id, max: id };
  }
  const min = reader.uintOf(text.slice(0, dash), 0xfffffffe);
  const max = reader.uintOf(text.slice(dash + 1), 0xfffffffe);
  if (min > max) reader.failValue(`the range ${text} ends before it begins: write ${max}-${min}`);
  return { min, max };
}

function formatIds({ min, max }: UintRange): string {
  return min === max ? String(min) : `${min}-${max}`;
}

/** Runs per packet. */
class OwnerTest implements MatchTest {
  private readonly asksUid: boolean;
  private readonly uidMin: number;
  private readonly uidMax: number;
  private readonly uidInvert: boolean;
  private readonly refusesSockets: boolean;
  /** For a packet no socket of this host sent: true if every option is inverted. */
  private readonly unowned: boolean;

  constructor({ socketExists, uid }: OwnerMatch) {
    this.asksUid = uid !== null;
    this.uidMin = uid?.value.min ?? 0;
    this.uidMax = uid?.value.max ?? 0;
    this.uidInvert = uid?.invert ?? false;
    this.refusesSockets = socketExists?.invert ?? false;
    this.unowned = (socketExists?.invert ?? true) && (uid?.invert ?? true);
  }

  test({ uid, socket }: Packet): boolean {
    if (uid < 0 && socket < 0) return this.unowned;
    if (this.refusesSockets) return false;
    return !this.asksUid || (uid >= this.uidMin && uid <= this.uidMax) !== this.uidInvert;
  }
}

/**
 * A packet carries its sender's user, not the groups: which those are is unknown of a user's socket. One without a file, the
 * kernel's own, is in none, and neither is a packet that no socket sent: they match where the option is inverted.
 */
class GroupTest implements MatchTest {
  private readonly others: OwnerTest;
  private readonly unknown: UnknownTest;
  private readonly invert: boolean;

  constructor(match: OwnerMatch, { invert }: Negatable<UintRange>) {
    this.others = new OwnerTest(match);
    this.unknown = new UnknownTest(match);
    this.invert = invert;
  }

  test(packet: Packet, context: RuleContext): boolean {
    if (!this.others.test(packet)) return false;
    return packet.uid < 0 ? this.invert : this.unknown.test(packet, context);
  }
}
