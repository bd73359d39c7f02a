import type { Handlers } from "../save/arguments.ts";
import { quoteString } from "../save/quote.ts";
import type { Match, MatchModule } from "./match.ts";

/** A remark; it matches every packet (net/netfilter/xt_comment.c). Compiled rules leave it out (`isAlwaysTrue`). */
export interface CommentMatch extends Match {
  readonly kind: "comment";
  readonly comment: string;
}

/** `XT_MAX_COMMENT_LEN`, less the final zero. */
const MAX_BYTES = 255;

interface Draft {
  text: string | null;
}

/** The same for every rule: most rules of an agent have a comment. */
const OPTIONS: Handlers<Draft> = {
  "--comment": (draft, reader) => {
    draft.text = reader.word("a text");
    if (bytesOf(draft.text) > MAX_BYTES) reader.failValue(`a comment has at most ${MAX_BYTES} bytes`);
  },
};

export const comment: MatchModule<CommentMatch> = {
  kind: "comment",
  needsConntrack: false,

  parse(reader) {
    const draft: Draft = { text: null };
    reader.options(OPTIONS, undefined, draft);
    if (draft.text === null) reader.fail("--comment is missing");
    return { kind: "comment", comment: draft.text ?? "" };
  },

  format: (match) => `--comment ${quoteString(match.comment)}`,

  compile: () => ({ test: () => true }),
};

/** How long a text is in UTF-8; of one that is short enough in any case, the number of its characters. */
function bytesOf(text: string): number {
  if (text.length * 3 <= MAX_BYTES) return text.length;
  let bytes = 0;
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
