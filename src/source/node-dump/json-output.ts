import { isJsonObject, type Json } from "../../kernel/json-fields.ts";

/** The field of a host that the output of `ip -j`, `bridge -j`, `tc -j` or `nft -j` belongs to, null where it is none of theirs. */
export function fieldOfJson(value: unknown): string | null {
  if (isJsonObject(value)) return Array.isArray(fieldOf(value, "nftables")) ? "nftRulesetJson" : null;
  if (!Array.isArray(value)) return null;
  const items = value.filter(isJsonObject).filter((item) => Object.keys(item).length > 0);
  const [first] = items;
  if (first === undefined || items.length < value.filter(isJsonObject).length / 2) return null;
  const every = (...names: readonly string[]) =>
    items.every((item) => names.every((name) => Object.hasOwn(item, name)));
  if (every("kind", "handle", "dev")) return "qdiscs";
  if (every("protocol", "pref", "kind")) return "tcFilters";
  if (every("ifname", "mac")) return "fdb";
  if (every("ifname", "state", "master", "cost")) return "bridgeLinks";
  if (every("ifname", "ifindex", "flags", "link_type")) return "links";
  if (every("priority") && items.some((item) => Object.hasOwn(item, "table") || Object.hasOwn(item, "src"))) {
    return "rules";
  }
  if (every("dst", "dev", "state") || every("dst", "lladdr")) return "neigh";
  return every("dst", "flags") ? "routes" : null;
}

function fieldOf(json: Json, name: string): unknown {
  return Object.hasOwn(json, name) ? json[name] : undefined;
}
