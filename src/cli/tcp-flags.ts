import { parseFlagLetters } from "../walk/packet-view.ts";
import { invalid, ok, type Result } from "./result.ts";

export const SYN = 2;

/** `S`, `SA`, `FPU`: letters of F S R P A U E C, each at most once. */
export function parseTcpFlags(text: string): Result<number> {
  if (text === "") return invalid("is empty: give letters of F S R P A U E C, such as S or SA");
  const wrong = [...text].find((letter) => parseFlagLetters(letter) === undefined);
  if (wrong !== undefined)
    return invalid(`${JSON.stringify(wrong)} is no TCP flag: give letters of F S R P A U E C`);
  const twice = [...text].find((letter, i) => text.indexOf(letter) !== i);
  if (twice !== undefined) return invalid(`has ${twice} twice`);
  return ok(parseFlagLetters(text) as number);
}
