import { explainIp, formatIp, parseIp } from "../address/ip.ts";
import { Inventory } from "../inventory/inventory.ts";
import { firstOf } from "../kernel/first-of.ts";
import type { Host } from "../kernel/host.ts";
import { nearestWord, suggestion } from "../kernel/nearest-word.ts";
import type { World } from "../world/world.ts";
import { invalid, ok, type Result } from "./result.ts";

/** Kinds that name a host of a snapshot: its own name is the last part, whatever namespace stands before it. */
const HOST_KINDS = new Set(["host", "node", "nodes", "no", "pod", "pods", "po"]);

/** Kinds of kubectl that stand for no place of their own yet. */
const OTHER_KINDS: ReadonlySet<string> = new Set([
  ...["svc", "service", "services", "job", "jobs", "cj", "cronjob", "cronjobs"],
  ...["ing", "ingress", "ingresses", "ep", "endpoints", "ns", "namespace", "namespaces"],
]);

/** `kind/name` taken apart; null where the text names no kind. */
export function splitKind(text: string): { readonly kind: string; readonly parts: readonly string[] } | null {
  const [kind = "", ...parts] = text.split("/");
  return parts.length === 0 ? null : { kind, parts };
}

/** `host/kworker-7`, `pod/shop/web-0`, `node/n1`, `external`, `external/203.0.113.9`, or a host's bare name. */
export function findHost(world: World, text: string, inventory: Inventory | null = null): Result<Host> {
  if (text === "") return invalid("is empty: name a host, such as host/NAME");
  const named = world.hosts.get(text);
  if (named !== undefined) return ok(named);
  const split = splitKind(text);
  if (split === null)
    return text === "external" ? firstExternal(world) : hostNamed(world, text, "host", inventory);
  const { kind, parts } = split;
  if (kind === "external") return externalWith(world, parts.join("/"));
  if (Inventory.namesPods(kind)) {
    if (inventory !== null) {
      const found = inventory.hostOf(kind, parts);
      return found.kind === "ok" ? hostNamed(world, found.value) : invalid(found.message);
    }
    if (!HOST_KINDS.has(kind)) {
      return invalid(
        `${kind}/…: the source holds no Kubernetes objects: name a host of the snapshot, host/NAME`,
      );
    }
  }
  if (OTHER_KINDS.has(kind)) {
    return invalid(`${kind}/… is no place that packets start from: name a pod, a node or a host`);
  }
  if (!HOST_KINDS.has(kind)) {
    return invalid(
      `${JSON.stringify(kind)} is no kind of place${suggestion(kind, [...HOST_KINDS, "external"])}: write host/NAME or an address`,
    );
  }
  if (parts.length > (kind === "pod" || kind === "po" || kind === "pods" ? 2 : 1)) {
    return invalid(`has too many parts: write ${kind}/NAME`);
  }
  return hostNamed(world, parts.at(-1) ?? "", kind, inventory);
}

function hostNamed(
  world: World,
  name: string,
  kind = "host",
  inventory: Inventory | null = null,
): Result<Host> {
  const host = world.hosts.get(name);
  if (host !== undefined) return ok(host);
  const what = NODE_WORDS.has(kind) ? "node" : "host";
  const known = [...world.hosts.values()].filter((each) => what === "host" || each.kind === "node");
  const names = known.map((each) => each.name);
  const near = nearestWord(name, names) ?? abbreviated(name, names);
  const meant =
    near === undefined
      ? inventory?.references().find((reference) => reference.endsWith(`/${name}`))
      : `${what === "node" ? `${kind}/` : ""}${near}`;
  const hint =
    meant === undefined ? `: the ${what}s are ${hostList(names)}` : ` (did you mean ${quoted(meant)}?)`;
  return invalid(`there is no ${what} ${JSON.stringify(name)}${hint}`);
}

const NODE_WORDS: ReadonlySet<string> = new Set(["node", "nodes", "no"]);

/** A reference is written as it is typed, a bare name as the word it is. */
function quoted(name: string): string {
  return name.includes("/") ? name : JSON.stringify(name);
}

/** `n1` for `node1`: the letters are all there, in order, from the first on. */
function abbreviated(word: string, names: readonly string[]): string | undefined {
  const fits = names.filter((name) => {
    let at = 0;
    for (const letter of name) if (letter === word[at]) at++;
    return at === word.length && name[0] === word[0];
  });
  return fits.length === 1 ? fits[0] : undefined;
}

/** At most so many hosts are named in a message. */
const LISTED_HOSTS = 6;

/** Names of hosts, for a message. */
export function hostList(names: readonly string[]): string {
  return firstOf(names, LISTED_HOSTS);
}

function firstExternal(world: World): Result<Host> {
  for (const host of world.hosts.values()) if (host.kind === "external") return ok(host);
  return invalid("there is no host of the kind external in the source");
}

function externalWith(world: World, text: string): Result<Host> {
  const address = parseIp(text);
  if (address === undefined) return invalid(explainIp(text));
  const wanted = formatIp(address);
  for (const host of world.hosts.values()) {
    const own = [...host.addresses, ...host.addresses6];
    if (host.kind === "external" && own.some((each) => formatIp(each.address) === wanted)) return ok(host);
  }
  return invalid(`no host of the kind external has the address ${text}`);
}
