import { quoteString } from "../save/quote.ts";
import type { Match, MatchModule } from "./match.ts";

/** A remark; it matches every packet (net/netfilter/xt_comment.c). Compiled rules leave it out (`isAlwaysTrue`). */
export interface CommentMatch extends Match {
  readonly kind: "comment";
  readonly comment: string;
}

/** `XT_MAX_COMMENT_LEN`, less the final zero. */
const MAX_BYTES = 255;

export const comment: MatchModule<CommentMatch> = {
  kind: "comment",
  needsConntrack: false,

  parse(reader) {
    let text: string | null = null;
    reader.options({
      "--comment": () => {
        text = reader.word("a text");
        if (bytesOf(text) > MAX_BYTES) {
          reader.failValue(`a comment has at most ${MAX_BYTES} bytes`);
        }
      },
    });
    if (text === null) reader.fail("--comment is missing");
    return { kind: "comment", comment: text ?? "" };
  },

  format: (match) => `--comment ${quoteString(match.comment)}`,

  compile: () => ({ test: () => true }),
};

/** How long a text is in UTF-8. */
function bytesOf(text: string): number {
  let bytes = 0;
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
