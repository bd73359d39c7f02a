import type { Recording } from "../world/probe.ts";
import type { World } from "../world/world.ts";

/** What of a recording the model does not know yet; null when it knows all it needs. */
export function whyUnsupported(world: World, recording: Recording): string | null {
  for (const host of world.hosts.values()) {
    for (const device of host.devices) {
      if (device.detail.kind === "unmodelled" && device.up && device.name !== "sit0") {
        return `${host.name} has a device of kind ${device.detail.type}`;
      }
    }
  }
  for (const probe of recording.probes) {
    const query = probe.query as { readonly dst?: unknown };
    if (typeof query.dst === "string" && query.dst.includes(":")) return "it speaks IPv6";
  }
  return null;
}
