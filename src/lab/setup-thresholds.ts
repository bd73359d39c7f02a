import { applyOperations } from "../kernel/apply-operation.ts";
import { parseIpvsadm } from "../kernel/ipvs/ipvsadm-line.ts";
import type { Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE } from "../kernel/origin.ts";
import type { Recording } from "../world/probe.ts";
import type { World } from "../world/world.ts";

/**
 * The world with the connection thresholds that a recording's servers were set up with: `ipvsadm -S` prints none, so the
 * dump lacks them, and only what was run tells.
 */
export function withSetupThresholds(world: World, recording: Recording): World {
  const operations = new Map<string, Operation[]>();
  for (const [host, text] of recording.setup) {
    for (const line of text.split("\n")) {
      const [tool, ...words] = line.trim().split(/\s+/);
      if (tool !== "ipvsadm" || !words.includes("-a")) continue;
      const parsed = parseIpvsadm(words, ORIGIN_NONE);
      if (parsed.kind !== "ok" || parsed.command.kind !== "add-server") continue;
      const { selector, server } = parsed.command;
      if (server.upper === 0 && server.lower === 0) continue;
      const known = operations.get(host) ?? [];
      known.push({ kind: "real-server-edit", selector, server });
      operations.set(host, known);
    }
  }
  if (operations.size === 0) return world;
  const hosts = new Map(world.hosts);
  for (const [name, list] of operations) {
    const host = hosts.get(name);
    if (host === undefined) continue;
    const applied = applyOperations(host, list);
    if (applied.kind === "ok") hosts.set(name, applied.host);
  }
  return { ...world, hosts };
}
