import { familyOfAddress, type IpAddress, parseIp, sameIp } from "../address/ip.ts";
import { type IpPrefix, liesIn } from "../address/ip-prefix.ts";
import type { Host } from "../kernel/host.ts";
import type { World } from "../world/world.ts";
import { ok, type Result } from "./result.ts";
import { runToolCommand } from "./step/tool-command.ts";

/**
 * `external/203.0.113.77` as FROM, `external/2001:db8::7`: a World in which the client outside has that address too, and the
 * router it is behind knows where it is. The World itself where somebody has it, or where nobody is outside.
 */
export function withClientAt(world: World, from: string): Result<World> {
  const text = /^external\/(.+)$/.exec(from)?.[1];
  const address = text === undefined ? undefined : parseIp(text);
  if (address === undefined || heldBySomebody(world, address)) return ok(world);
  const six = familyOfAddress(address) === 6;
  const client = [...world.hosts.values()].find(({ kind }) => kind === "external");
  const all = six ? client?.addresses6 : client?.addresses;
  const own = all?.find(({ scope }) => scope === "global");
  if (client === undefined || own === undefined) return ok(world);
  const itself = `${text}/${six ? 128 : 32}`;
  const changed = runToolCommand(world, client, `ip addr add ${itself} dev ${own.dev}`);
  const router = routerOf(world, client, six);
  if (changed.kind === "invalid" || router === undefined) return changed;
  return runToolCommand(
    changed.value,
    changed.value.hosts.get(router.host.name) as Host,
    `ip ${six ? "-6 " : ""}route replace ${itself} dev ${router.dev}`,
  );
}

function heldBySomebody(world: World, address: IpAddress): boolean {
  for (const { addresses, addresses6 } of world.hosts.values())
    if ([...addresses, ...addresses6].some((each) => sameIp(each.address, address))) return true;
  return false;
}

/** Who forwards for the client: the next hop of its default route. */
function routerOf(
  world: World,
  { routes, routes6 }: Host,
  six: boolean,
): { readonly host: Host; readonly dev: string } | undefined {
  const defaults: readonly {
    readonly dst: IpPrefix;
    readonly nextHops: readonly { readonly gateway: IpAddress | null }[];
  }[] = six ? routes6 : routes;
  const gateway = defaults.find(({ dst }) => dst.length === 0)?.nextHops[0]?.gateway ?? null;
  if (gateway === null) return undefined;
  for (const host of world.hosts.values()) {
    const own = [...host.addresses, ...host.addresses6];
    const found = own.find(({ address }) => sameIp(address, gateway));
    if (found !== undefined && liesIn(found, gateway)) return { host, dev: found.dev };
  }
  return undefined;
}
