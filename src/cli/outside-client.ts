import { parseIpv4 } from "../address/ipv4.ts";
import { contains, networkOf } from "../address/prefix.ts";
import type { Host } from "../kernel/host.ts";
import type { World } from "../world/world.ts";
import { ok, type Result } from "./result.ts";
import { runToolCommand } from "./step/tool-command.ts";

/**
 * `external/203.0.113.77` as FROM: a World in which the client outside has that address too, and the router it is behind
 * knows where it is. The World itself where somebody has it, or where nobody is outside.
 */
export function withClientAt(world: World, from: string): Result<World> {
  const text = /^external\/(.+)$/.exec(from)?.[1];
  const address = text === undefined ? undefined : parseIpv4(text);
  if (address === undefined || heldBySomebody(world, address)) return ok(world);
  const client = [...world.hosts.values()].find(({ kind }) => kind === "external");
  const own = client?.addresses.find(({ scope }) => scope === "global");
  if (client === undefined || own === undefined) return ok(world);
  const changed = runToolCommand(world, client, `ip addr add ${text}/32 dev ${own.dev}`);
  const router = routerOf(world, client);
  if (changed.kind === "invalid" || router === undefined) return changed;
  return runToolCommand(
    changed.value,
    changed.value.hosts.get(router.host.name) as Host,
    `ip route replace ${text}/32 dev ${router.dev}`,
  );
}

function heldBySomebody(world: World, address: number): boolean {
  for (const { addresses } of world.hosts.values())
    if (addresses.some((each) => each.address === address)) return true;
  return false;
}

/** Who forwards for the client: the next hop of its default route. */
function routerOf(world: World, client: Host): { readonly host: Host; readonly dev: string } | undefined {
  const gateway = client.routes.find(({ dst }) => dst.length === 0)?.nextHops[0]?.gateway ?? null;
  for (const host of world.hosts.values()) {
    const found = host.addresses.find(({ address }) => address === gateway);
    if (found !== undefined && gateway !== null && contains(networkOf(found), gateway))
      return { host, dev: found.dev };
  }
  return undefined;
}
