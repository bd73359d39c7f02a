import type { Rule } from "./rule.ts";

/** How far a rule is looked for behind the place where it was expected. */
const LOOK_AHEAD = 32;

/**
 * Goes through a chain's rules beside those it had before, told by identity: `kept` for a run of rules that both have,
 * `fresh` for rules that are taken for new. A rule that moved far may be taken for new; never the other way round.
 */
export function compareRuns(
  rules: readonly Rule[],
  old: readonly Rule[],
  kept: (at: number, oldAt: number, count: number) => void,
  fresh: (at: number, count: number) => void,
): void {
  let i = 0;
  let j = 0;
  while (i < rules.length) {
    let run = 0;
    while (i + run < rules.length && j + run < old.length && rules[i + run] === old[j + run]) run++;
    if (run > 0) {
      kept(i, j, run);
      i += run;
      j += run;
      continue;
    }
    if (j >= old.length) {
      fresh(i, rules.length - i);
      return;
    }
    const { skipNew, skipOld } = nextMeeting(rules, i, old, j);
    if (skipNew > 0) fresh(i, skipNew);
    i += skipNew;
    j += skipOld;
  }
}

/** How many rules of each list to pass over until both show the same rule; a good many where they do not soon. */
function nextMeeting(
  rules: readonly Rule[],
  i: number,
  old: readonly Rule[],
  j: number,
): { readonly skipNew: number; readonly skipOld: number } {
  const most = Math.min(LOOK_AHEAD, Math.max(rules.length - i, old.length - j));
  for (let ahead = 1; ahead <= most; ahead++) {
    for (let back = 0; back <= ahead; back++) {
      if (meet(rules, i + back, old, j + ahead)) return { skipNew: back, skipOld: ahead };
      if (meet(rules, i + ahead, old, j + back)) return { skipNew: ahead, skipOld: back };
    }
  }
  return { skipNew: Math.min(LOOK_AHEAD, rules.length - i), skipOld: LOOK_AHEAD };
}

function meet(rules: readonly Rule[], i: number, old: readonly Rule[], j: number): boolean {
  return i < rules.length && j < old.length && rules[i] === old[j];
}
