import type { NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import { compileSetSource } from "./look-up.ts";
import { memoryOf, remembersAll } from "./stateful.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

/** Where a value is kept while the key stands in the first registers. */
const DATA_AT = 20;

/** `nft_dynset_eval`: packets put elements in, renew them and take them out. null: the walk cannot tell what. */
export function compileSetChange(
  change: Extract<NftStatement, { kind: "set-change" }>,
  unsure: Step,
): Step | null {
  const { op, set, key, data, timeoutMs, statements } = change;
  const from = compileLoad(key);
  const value = data === null ? null : compileLoad(data);
  if (from === null || (data !== null && value === null)) return null;
  if (!remembersAll(statements)) return null;
  const own = statements.length === 0 ? null : memoryOf(statements);
  const source = compileSetSource({ kind: "set-reference", name: set }, [], null);
  return (run) => {
    const { regs, sets, stack } = run;
    if (!from.load(run, 0) || (value !== null && !value.load(run, DATA_AT))) return NFT_BREAK;
    const live = source.of(run);
    if (live === null || live.index.keyWords !== from.words) return unsure(run);
    if (op === "delete") {
      sets.remove(live, regs, 0, stack.now);
      return NFT_CONTINUE;
    }
    const memory = statements.length === 0 ? live.index.memory : own;
    const dataAt = value === null ? -1 : DATA_AT;
    if (!sets.put(live, regs, 0, dataAt, timeoutMs, memory, op === "update", stack.now)) return NFT_BREAK;
    return sets.askFound(live, run, 0);
  };
}
