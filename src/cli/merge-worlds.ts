import type { Host } from "../kernel/host.ts";
import { ChainOverlay, type Chains } from "../kernel/netfilter/chain-map.ts";
import type { Source, Wire, World } from "../world/world.ts";
import { invalid, ok, type Result } from "./result.ts";

/** A World and the file it was read from. */
export interface NamedWorld {
  readonly file: string;
  readonly world: World;
}

/**
 * Several snapshots as one World. A host may stand in one of them only. Their tables of origins are put one behind the
 * other, and each host's numbers moved accordingly.
 */
export function mergeWorlds(parts: readonly NamedWorld[]): Result<World> {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return ok(only.world);
  const hosts = new Map<string, Host>();
  const files = new Map<string, string>();
  const wires: Wire[] = [];
  const sources: Source[] = [{ file: "", field: null, line: null }];
  const messages: string[] = [];
  for (const { file, world } of parts) {
    const shift = new OriginShift(sources.length - 1);
    for (const [name, host] of world.hosts) {
      const before = files.get(name);
      if (before === undefined) {
        files.set(name, file);
        hosts.set(name, shift.host(host));
      } else {
        messages.push(
          `${file}: hosts.${name}: ${before} has a host of that name already: give it in one file only`,
        );
      }
    }
    wires.push(...world.wires);
    sources.push(...world.origins.sources.slice(1));
  }
  return messages.length === 0 ? ok({ hosts, wires, origins: { sources } }) : invalid(...messages);
}

/** A part's numbers moved behind those of the parts before. What its hosts share, they share afterwards as well. */
class OriginShift {
  readonly #by: number;
  readonly #done = new Map<object, unknown>();

  constructor(by: number) {
    this.#by = by;
  }

  /** What was kept unread is the dump's own and has no origins of ours. */
  host(host: Host): Host {
    return this.#by === 0 ? host : { ...(this.#shifted(host) as Host), unmodelled: host.unmodelled };
  }

  #shifted(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    let made = this.#done.get(value);
    if (made === undefined) {
      made = this.#copy(value);
      this.#done.set(value, made);
    }
    return made;
  }

  #copy(value: object): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#shifted(item));
    if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, this.#shifted(item)]));
    if (value instanceof ChainOverlay) {
      return new ChainOverlay(this.#shifted(value.base) as Chains, this.#shifted(value.own) as Chains);
    }
    if (Object.getPrototypeOf(value) !== Object.prototype) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) =>
        key === "origin" && typeof item === "number" && item !== 0
          ? [key, item + this.#by]
          : [key, this.#shifted(item)],
      ),
    );
  }
}
