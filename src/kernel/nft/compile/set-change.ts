import type { MatchCells } from "../../netfilter/rule-context.ts";
import type { NftSetLayer } from "../nft-set-state.ts";
import type { NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import { compileSetSource } from "./look-up.ts";
import { compileMemory, type Memory } from "./stateful.ts";
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
  const memories: Memory[] = [];
  for (const statement of statements) {
    if (statement.kind === "counter") continue;
    // A slot has room for one memory.
    if ((statement.kind !== "limit" && statement.kind !== "quota") || memories.length > 0) return null;
    memories.push(compileMemory(statement));
  }
  const source = compileSetSource({ kind: "set-reference", name: set }, [], null);
  const cells = new SlotCells();
  return (run) => {
    const { regs, sets, stack } = run;
    if (!from.load(run, 0) || (value !== null && !value.load(run, DATA_AT))) return NFT_BREAK;
    const live = source.of(run);
    if (live === null || live.index.keyWords !== from.words) return unsure(run);
    if (op === "delete") {
      sets.remove(live, regs, 0, stack.now);
      return NFT_CONTINUE;
    }
    const slot = sets.put(
      live,
      regs,
      0,
      value === null ? -1 : DATA_AT,
      timeoutMs,
      op === "update",
      stack.now,
    );
    if (slot < 0) return NFT_BREAK;
    const memory = memories[0];
    if (memory === undefined) return NFT_CONTINUE;
    return memory(cells.of(live.layer as NftSetLayer, slot), 0, run);
  };
}

/** The memory of one element of a layer. */
class SlotCells implements MatchCells {
  private layer: NftSetLayer | null = null;
  private slot = 0;

  of(layer: NftSetLayer, slot: number): this {
    this.layer = layer;
    this.slot = slot;
    return this;
  }

  get(index: number): number {
    const layer = this.layer as NftSetLayer;
    return layer.table.get(this.slot, layer.layout.memory + index);
  }

  set(index: number, value: number): void {
    const layer = this.layer as NftSetLayer;
    layer.table.set(this.slot, layer.layout.memory + index, value);
  }
}
