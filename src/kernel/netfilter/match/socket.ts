import { optionText } from "../save/option-text.ts";
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

  /** A rule's context offers no look-up of sockets. */
  compile: null,
};
