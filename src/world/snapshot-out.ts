import type { Host } from "../kernel/host.ts";
import type { Json } from "../kernel/json-fields.ts";
import { formatHost, keptList } from "./host-out.ts";
import type { World } from "./world.ts";

/**
 * A World as a snapshot, which `readSnapshot` reads back to the same World: all hosts, or those named, with the wires
 * that join them. One item a line, so that two snapshots can be compared line by line.
 */
export function writeSnapshot(world: World, hosts: readonly string[] = [...world.hosts.keys()]): string {
  const chosen = new Map<string, Host>();
  for (const name of hosts) {
    const host = world.hosts.get(name);
    if (host === undefined) throw new RangeError(`the world has no host ${JSON.stringify(name)}`);
    chosen.set(name, host);
  }
  const wires = world.wires.filter(({ a, b }) => chosen.has(a.host) && chosen.has(b.host));
  const bodies = [...chosen].map(([name, host]) => `${JSON.stringify(name)}: ${printHost(formatHost(host))}`);
  const parts = [
    `"hosts": {\n${bodies.join(",\n")}\n}`,
    `"wires": ${printList(wires.map(({ a, b }) => [a.host, a.device, b.host, b.device]))}`,
    `"macvlans": ${printList(macvlansOf(chosen))}`,
  ];
  return `{\n${parts.join(",\n")}\n}\n`;
}

/** Kept with the host that has the macvlan; told where the host of its parent is told as well. */
function macvlansOf(hosts: ReadonlyMap<string, Host>): unknown[] {
  return [...hosts.values()]
    .flatMap((host) => [...placesOf(host), ...keptList(host, "macvlans")])
    .filter((tuple) => Array.isArray(tuple) && hosts.has(String(tuple[2])));
}

function placesOf(host: Host): [string, string, string, string][] {
  return host.devices.flatMap(({ name, detail }): [string, string, string, string][] => {
    const lower = "lower" in detail ? detail.lower : null;
    if (lower === null || (lower.host === null && detail.kind === "vlan")) return [];
    return [[host.name, name, lower.host ?? host.name, lower.device]];
  });
}

function printHost(host: Json): string {
  const fields = Object.entries(host).map(
    ([name, value]) => `  ${JSON.stringify(name)}: ${printField(value)}`,
  );
  return `{\n${fields.join(",\n")}\n }`;
}

function printField(value: unknown): string {
  return Array.isArray(value) ? printList(value) : JSON.stringify(value);
}

function printList(items: readonly unknown[]): string {
  if (items.length === 0) return "[]";
  return `[\n${items.map((item) => `   ${JSON.stringify(item)}`).join(",\n")}\n  ]`;
}
