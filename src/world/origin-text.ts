import type { Origin } from "../kernel/origin.ts";
import type { Owner, World } from "./world.ts";

/** Where an origin leads, as `file field:line`; undefined for none. */
export function originText(world: World, origin: Origin): string | undefined {
  const source = origin === 0 ? undefined : world.origins.sources[origin];
  if (source === undefined || source.file === "") return undefined;
  const field = source.field === null ? "" : ` ${source.field}`;
  return source.line === null ? `${source.file}${field}` : `${source.file}${field}:${source.line}`;
}

/** The declaration behind an origin; undefined where none is known. */
export function ownerOf(world: World, origin: Origin): Owner | undefined {
  return origin === 0 ? undefined : world.origins.sources[origin]?.owner;
}
