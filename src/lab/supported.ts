import type { World } from "../world/world.ts";

/** What of a recording the model does not know yet; null when it knows all it needs. */
export function whyUnsupported(world: World): string | null {
  for (const host of world.hosts.values()) {
    for (const device of host.devices) {
      if (device.detail.kind === "unmodelled" && device.up && device.name !== "sit0") {
        return `${host.name} has a device of kind ${device.detail.type}`;
      }
    }
  }
  return null;
}
