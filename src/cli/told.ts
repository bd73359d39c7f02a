import { explained } from "../analyze/cause/explain.ts";
import { withOwners } from "../inventory/name-owners.ts";
import { Names, type ObjectNames } from "../inventory/names.ts";
import { RuleOwners } from "../inventory/owner/rule-owners.ts";
import type { Trace } from "../walk/trace.ts";
import type { World } from "../world/world.ts";

/** Puts on traces what the walk does not know: names, owners, the fault and what to do about it. */
export class Teller {
  readonly #known: ObjectNames | null;
  readonly #owners: RuleOwners;
  /** A step makes another World; most queries ask the same one. */
  readonly #names = new WeakMap<World, Names>();

  constructor(known: ObjectNames | null) {
    this.#known = known;
    this.#owners = new RuleOwners(known?.objects ?? null);
  }

  namesOf(world: World): Names {
    const known = this.#names.get(world);
    if (known !== undefined) return known;
    const names = new Names(world, this.#known);
    this.#names.set(world, names);
    return names;
  }

  tell(trace: Trace, world: World): Trace {
    return explained(withOwners(trace, world, this.#owners), this.namesOf(world));
  }
}
