import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { formatMaskedMark, type MaskedMark, readMaskedMark } from "../save/mark.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** The group of a device, which `ip link set … group` puts it in (net/netfilter/xt_devgroup.c). */
export interface DevgroupMatch extends Match {
  readonly kind: "devgroup";
  readonly src: Negatable<MaskedMark> | null;
  readonly dst: Negatable<MaskedMark> | null;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const devgroup: MatchModule<DevgroupMatch> = {
  kind: "devgroup",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<DevgroupMatch> = { kind: "devgroup", src: null, dst: null };
    const side = (which: "src" | "dst") => () => {
      match[which] = { invert: reader.negated(), value: readGroup(reader) };
    };
    reader.options({ "--src-group": side("src"), "--dst-group": side("dst") });
    if (match.src === null && match.dst === null) reader.fail("it needs --src-group or --dst-group");
    return match;
  },

  format: ({ src, dst }) =>
    optionText(
      negatableText("--src-group", src, formatGroup),
      negatableText("--dst-group", dst, formatGroup),
    ),

  compile: (match) => new DevgroupTest(match),
};

/** The one name of /etc/iproute2/group as it is shipped: group 0, which every device is in at first. */
const DEFAULT = "default";

function readGroup(reader: ArgumentReader): MaskedMark {
  if (reader.peek() !== DEFAULT) return readMaskedMark(reader);
  reader.skip();
  return { value: 0, mask: -1 };
}

function formatGroup(group: MaskedMark): string {
  return group.value === 0 && group.mask === -1 ? DEFAULT : formatMaskedMark(group);
}

/** Runs per packet. */
class DevgroupTest implements MatchTest {
  private readonly src: Negatable<MaskedMark> | null;
  private readonly dst: Negatable<MaskedMark> | null;

  constructor({ src, dst }: DevgroupMatch) {
    this.src = src;
    this.dst = dst;
  }

  test(_packet: Packet, context: RuleContext): boolean {
    return isOf(this.src, context, context.inIf) && isOf(this.dst, context, context.outIf);
  }
}

function isOf(wanted: Negatable<MaskedMark> | null, context: RuleContext, ifindex: number): boolean {
  if (wanted === null) return true;
  const { value, mask } = wanted.value;
  return (((value ^ context.groupOf(ifindex)) & mask) === 0) !== wanted.invert;
}
