import { readListedMatch } from "./listed-matches.ts";
import { readListedTarget } from "./listed-targets.ts";
import { quoteString } from "./quote.ts";

/** What stands behind the columns of a rule in `iptables -L`, as words of `iptables-save`. */
export interface ListedWords {
  readonly matches: readonly string[];
  readonly how: "-j" | "-g";
  /** The target's own options. */
  readonly target: readonly string[];
}

/** Read from the left, one extension's print after the other; `target` decides between what two extensions print alike. */
export function readListedWords(text: string, target: string): ListedWords {
  const matches: string[] = [];
  const options: string[] = [];
  let how: ListedWords["how"] = "-j";
  let rest = text.trim();
  while (rest !== "") {
    if (/^\[goto\]/.test(rest)) {
      how = "-g";
      rest = rest.slice("[goto]".length).trim();
      continue;
    }
    const read = readListedTarget(rest, target, options) ?? readListedMatch(rest, matches);
    if (read === undefined) {
      // Nothing models it, so a walk says that it met it.
      matches.push("-m", "listed", "--text", quoteString(rest));
      break;
    }
    rest = rest.slice(read).trim();
  }
  return { matches, how, target: options };
}
