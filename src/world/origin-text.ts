import type { Origin } from "../kernel/origin.ts";
import type { World } from "./world.ts";

/** Where an origin leads, as `file field:line`; undefined for none. */
export function originText(world: World, origin: Origin): string | undefined {
  const source = origin === 0 ? undefined : world.origins.sources[origin];
  if (source === undefined) return undefined;
  const field = source.field === null ? "" : ` ${source.field}`;
  return source.line === null ? `${source.file}${field}` : `${source.file}${field}:${source.line}`;
}
