import { findSocketOf } from "../../netfilter/socket-of.ts";
import { UnknownTest } from "../../netfilter/unknown.ts";
import type { FoundSocket } from "../../outbox.ts";
import type { Read } from "./read.ts";
import type { NftUnknown } from "./unknown-step.ts";

/**
 * `nft_socket_eval`: the socket that a packet would come to; without one the rule does not match. An expression of it is kept in
 * nft's words. null: the walk does not know the key.
 */
export function compileSocket(text: string): Read | null {
  switch (text) {
    case "socket transparent": {
      // Of a socket nobody has said it of it is asked both ways.
      const unknown: NftUnknown = { kind: "nft", text };
      const test = new UnknownTest(unknown);
      return reading(({ transparent }, run) => Number(transparent ?? test.test(run.packet, run.stack)));
    }
    case "socket mark":
      return reading(({ mark }) => mark);
    case "socket wildcard":
      return reading(({ wildcard, mark }) => (mark === null ? null : Number(wildcard)));
    default:
      return null;
  }
}

/** null: a socket that is none yet (`sk_fullsock`). */
function reading(value: (found: FoundSocket, run: Parameters<Read>[0]) => number | null): Read {
  return (run, at) => {
    const found = findSocketOf(run.packet, run.stack);
    const known = found === null ? null : value(found, run);
    if (known === null) return false;
    run.regs[at] = known;
    return true;
  };
}
