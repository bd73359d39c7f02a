import { type Packet, TCP_ACK, TCP_SYN } from "../../../packet/packet.ts";
import { NF_INET_LOCAL_IN } from "../hook.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { negatableText } from "../save/option-text.ts";
import { quoteString } from "../save/quote.ts";
import { findSocketOf } from "../socket-of.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** The control group of the socket a packet is of (net/netfilter/xt_cgroup.c): by its number in net_cls, or by its path. */
export interface CgroupMatch extends Match {
  readonly kind: "cgroup";
  readonly classId: Negatable<number> | null;
  readonly path: Negatable<string> | null;
}

export const cgroup: MatchModule<CgroupMatch> = {
  kind: "cgroup",
  needsConntrack: false,

  parse(reader) {
    let classId: CgroupMatch["classId"] = null;
    let path: CgroupMatch["path"] = null;
    reader.options({
      "--cgroup": () => {
        classId = { invert: reader.negated(), value: reader.uint(0xffffffff) };
      },
      "--path": () => {
        path = { invert: reader.negated(), value: reader.word("the path of a control group") };
      },
    });
    if ((classId === null) === (path === null))
      reader.fail("it needs --path or --cgroup, and one of them alone");
    return { kind: "cgroup", classId, path };
  },

  format: ({ classId, path }) =>
    negatableText("--cgroup", classId, String) ?? negatableText("--path", path, quoteString) ?? "",

  compile: (match) => new CgroupTest(match),
};

/**
 * `cgroup_mt`: a packet of no socket never matches, `!` or not; one that came in has its socket where the connection stands
 * already (`tcp_v4_early_demux`). All groups are below the root; else nobody knows a sender's. Runs per packet.
 */
class CgroupTest extends UnsureTest implements MatchTest {
  private readonly rootsInvert: boolean | null;

  constructor(match: CgroupMatch) {
    super(match);
    this.rootsInvert = match.path?.value === "/" ? match.path.invert : null;
  }

  test(packet: Packet, context: RuleContext): boolean {
    if (!hasSocket(packet, context)) return false;
    return this.rootsInvert === null ? this.ask(packet, context) : !this.rootsInvert;
  }
}

/** Does a packet have a whole socket of this host (`skb_to_full_sk`): its sender's, or its receiver's behind the early demultiplexer? */
export function hasSocket(packet: Packet, context: RuleContext): boolean {
  if (context.hook !== NF_INET_LOCAL_IN) return packet.uid >= 0 || packet.socket >= 0;
  if ((packet.tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN) return false;
  return findSocketOf(packet, context)?.kind === "connected";
}
