import { changedPorts } from "../changed-ports.ts";
import { between, spliceOf } from "../splice.ts";
import { isServiceChain } from "./names.ts";
import type { PortElement, PortLines } from "./port-lines.ts";
import type { NodeRules, PortRules } from "./proxier.ts";

/**
 * One transaction: the commands that `nft -f` is given. Chains that no Service needs any more are emptied at once and
 * deleted by a later transaction (`deletion`), as kernels before 6.2 take a while to see that no element goes to them.
 */
export interface Sync {
  readonly rules: NodeRules;
  /** What is there whatever the Services are: written by a full sync alone. */
  readonly fixed: readonly string[];
  /** Ports whose own chains are written. */
  readonly written: readonly PortRules[];
  readonly elements: readonly ElementChange[];
  /** Emptied. */
  readonly staleChains: readonly string[];
  /** Deleted. */
  readonly staleSets: readonly string[];
}

export interface ElementChange {
  readonly op: "add" | "delete";
  readonly element: PortElement;
}

/** The chains and sets that a table has. */
export interface Existing {
  readonly chains: Iterable<string>;
  readonly sets: Iterable<string>;
}

const NOTHING: Existing = { chains: [], sets: [] };

/** Everything is written; of what exists, what no Service needs goes. */
export function fullSync(rules: NodeRules, existing: Existing = NOTHING): Sync {
  const { staleChains, staleSets } = staleOf(rules, existing);
  const elements = [...elementsOf(rules.ports).values()];
  return {
    rules,
    fixed: [...rules.fixed, ...nodePortLines(rules)],
    written: rules.ports,
    elements: elements.map((element) => ({ op: "add", element })),
    staleChains,
    staleSets,
  };
}

/** Only what changed: chains of Services of which a port or an endpoint did, and single elements. */
export function partialSync(rules: NodeRules, before: NodeRules): Sync {
  const gone = between(before.ports, spliceOf(before.ports, rules.ports));
  const { staleChains, staleSets } = staleOf(rules, {
    chains: gone.flatMap(({ chains }) => chains.map(({ name }) => name)),
    sets: gone.flatMap(({ affinitySets }) => affinitySets),
  });
  return {
    rules,
    fixed: [],
    written: [...changedPorts(rules.ports, before.ports)],
    elements: elementChanges(rules, before),
    staleChains,
    staleSets,
  };
}

/** In kube-proxy's own spelling (`sigs.k8s.io/knftables`). */
export function syncText(sync: Sync): string {
  return syncLines(sync)
    .map((line) => `${line}\n`)
    .join("");
}

/** Elements come behind the chains they go to, and before the rules. */
function syncLines({ rules, fixed, written, elements, staleChains, staleSets }: Sync): string[] {
  const { table } = rules;
  return [
    ...fixed,
    ...written.flatMap(({ chains }) => chains.flatMap(({ name }) => chainLines(table, name))),
    ...elements.map((change) => elementLine(table, change)),
    ...written.flatMap(({ own }) => own.map(({ text }) => text)),
    ...staleChains.map((name) => `flush chain ${table} ${name}`),
    ...staleSets.map((name) => `delete set ${table} ${name}`),
  ];
}

export function chainLines(table: string, name: string): string[] {
  return [`add chain ${table} ${name}`, `flush chain ${table} ${name}`];
}

/** The chains that a sync emptied, more than a second later. */
export function deletionText({ rules, staleChains }: Sync): string {
  return staleChains.map((name) => `delete chain ${rules.table} ${name}\n`).join("");
}

function elementLine(table: string, { op, element }: ElementChange): string {
  return `${op} element ${table} ${element.set} { ${elementText(element)} }`;
}

/** `10.96.0.10 . tcp . 80 comment "shop/web:http" : drop` */
export function elementText({ key, value, comment }: PortElement): string {
  const said = comment === null ? "" : ` comment "${comment}"`;
  return `${key}${said}${value === null ? "" : ` : ${value}`}`;
}

/** By set and key: where several ports have one, the last counts. */
function elementsOf(ports: readonly PortLines[]): Map<string, PortElement> {
  const found = new Map<string, PortElement>();
  for (const { elements } of ports) for (const one of elements) found.set(elementKey(one), one);
  return found;
}

function elementKey({ set, key }: PortElement): string {
  return `${set} ${key}`;
}

function nodePortLines({ table, nodePortIps }: NodeRules): string[] {
  return (nodePortIps ?? []).map((ip) => `add element ${table} nodeport-ips { ${ip} }`);
}

/**
 * What elements came, went or stand for something else. Only ports that are not the very same can have changed any; where
 * another port has the same key its element counts again.
 */
function elementChanges(rules: NodeRules, before: NodeRules): ElementChange[] {
  const splice = spliceOf(before.ports, rules.ports);
  const gone = elementsOf(between(before.ports, splice));
  const come = elementsOf(between(rules.ports, splice));
  const touched = new Set(
    [...gone, ...come].flatMap(([name, one]) =>
      isSame(one, gone.get(name)) && isSame(one, come.get(name)) ? [] : [one.key],
    ),
  );
  if (touched.size === 0) return [];
  const of = (ports: readonly PortRules[]): Map<string, PortElement> => {
    const found = new Map<string, PortElement>();
    for (const { elements } of ports) {
      for (const one of elements) if (touched.has(one.key)) found.set(elementKey(one), one);
    }
    return found;
  };
  const old = of(before.ports);
  const wanted = of(rules.ports);
  const changes: ElementChange[] = [];
  for (const [key, element] of wanted) {
    const was = old.get(key);
    if (isSame(was, element)) continue;
    if (was !== undefined) changes.push({ op: "delete", element: was });
    changes.push({ op: "add", element });
  }
  for (const [key, element] of old) if (!wanted.has(key)) changes.push({ op: "delete", element });
  return changes;
}

function isSame(a: PortElement | undefined, b: PortElement | undefined): boolean {
  return a?.value === b?.value && a?.comment === b?.comment && (a === undefined) === (b === undefined);
}

function staleOf(
  { ports }: NodeRules,
  existing: Existing,
): { readonly staleChains: string[]; readonly staleSets: string[] } {
  const chains = [...new Set(existing.chains)].filter(isServiceChain);
  const sets = [...new Set(existing.sets)].filter((name) => name.startsWith("affinity-"));
  if (chains.length === 0 && sets.length === 0) return { staleChains: [], staleSets: [] };
  const stale = new Set([...chains, ...sets]);
  for (const { chains: used, affinitySets } of ports) {
    for (const { name } of used) stale.delete(name);
    for (const name of affinitySets) stale.delete(name);
  }
  return {
    staleChains: chains.filter((name) => stale.has(name)).sort(),
    staleSets: sets.filter((name) => stale.has(name)).sort(),
  };
}
