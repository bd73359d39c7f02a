import type { Host } from "../kernel/host.ts";
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
    const shift = sources.length - 1;
    for (const [name, host] of world.hosts) {
      const before = files.get(name);
      if (before === undefined) {
        files.set(name, file);
        hosts.set(name, withShiftedOrigins(host, shift));
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

/** What was kept unread is the dump's own and has no origins of ours. */
function withShiftedOrigins(host: Host, shift: number): Host {
  return shift === 0 ? host : { ...(shifted(host, shift) as Host), unmodelled: host.unmodelled };
}

function shifted(value: unknown, shift: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => shifted(item, shift));
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, shifted(item, shift)]));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      key === "origin" && typeof item === "number" && item !== 0
        ? [key, item + shift]
        : [key, shifted(item, shift)],
    ),
  );
}
