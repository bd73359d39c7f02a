import type { Packet } from "../../../packet/packet.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { optionText } from "../save/option-text.ts";
import { findSocketOf } from "../socket-of.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** Is there a local socket the packet belongs to? (net/netfilter/xt_socket.c) */
export interface SocketMatch extends Match {
  readonly kind: "socket";
  readonly transparent: boolean;
  readonly noWildcard: boolean;
  readonly restoreSkmark: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const socket: MatchModule<SocketMatch> = {
  kind: "socket",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<SocketMatch> = {
      kind: "socket",
      transparent: false,
      noWildcard: false,
      restoreSkmark: false,
    };
    const flag = (field: "transparent" | "noWildcard" | "restoreSkmark") => () => {
      match[field] = true;
    };
    reader.options({
      "--transparent": flag("transparent"),
      "--nowildcard": flag("noWildcard"),
      "--restore-skmark": flag("restoreSkmark"),
    });
    return match;
  },

  format: (match) =>
    optionText(
      match.transparent && "--transparent",
      match.noWildcard && "--nowildcard",
      match.restoreSkmark && "--restore-skmark",
    ),

  compile: (match) => new SocketTest(match),
};

/** `socket_match`. A socket of which nobody has said whether it is transparent is asked both ways. Runs per packet. */
class SocketTest extends UnsureTest implements MatchTest {
  private readonly match: SocketMatch;

  constructor(match: SocketMatch) {
    super(match);
    this.match = match;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const found = findSocketOf(packet, context);
    if (found === null) return false;
    const { noWildcard, transparent, restoreSkmark } = this.match;
    if (found.wildcard && !noWildcard) return false;
    if (transparent && !(found.transparent ?? this.ask(packet, context))) return false;
    if (restoreSkmark && found.mark !== null) packet.mark = found.mark;
    return true;
  }
}
