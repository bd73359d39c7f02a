import type { NftCommand } from "../../kernel/nft/command.ts";
import { DraftNft } from "../../kernel/nft/draft-nft.ts";
import type { SetElements } from "../../kernel/nft/expression.ts";
import { EMPTY_NFT, type NftRuleset, type NftTable } from "../../kernel/nft/ruleset.ts";
import { parseNftScript } from "../../kernel/nft/text/parse-script.ts";
import type { Operation } from "../../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import { asKept } from "./as-kept.ts";
import type { OwnLine } from "./port-lines.ts";
import type { NodeRules, PortRules } from "./proxier.ts";
import { chainLines, type ElementChange, elementText, fullSync, type Sync } from "./sync.ts";

/** One sync as an operation: the commands of `syncText`, with their origins. */
export function syncOperation(sync: Sync): Operation {
  return { kind: "nft", commands: commandsOf(sync) };
}

/** What deletes the chains that a sync emptied; null where it emptied none. */
export function deletionOperation({ rules, staleChains }: Sync): Operation | null {
  if (staleChains.length === 0) return null;
  const { family, table } = placeOf(rules);
  return {
    kind: "nft",
    commands: staleChains.map((name) => ({ op: "delete", what: { kind: "chain", family, table, name } })),
  };
}

/**
 * kube-proxy's table after the first full sync of a fresh node. Nodes between which nothing differs but the addresses that
 * take node ports share all but that one set.
 */
export function freshNodeTable(rules: NodeRules): NftTable {
  const key = `${rules.origin}\n${rules.fixed.join("\n")}`;
  const known = fresh.get(rules.ports) ?? new Map<string, NftTable>();
  fresh.set(rules.ports, known);
  const shared = known.get(key) ?? tableAfter(fullSync({ ...rules, nodePortIps: null }));
  known.set(key, shared);
  if (rules.nodePortIps === null) return shared;
  const elements = elementsOf(NODEPORT_IPS, rules.nodePortIps, rules, fixedRuleset(rules));
  return {
    ...shared,
    sets: shared.sets.map((set) => (set.name === NODEPORT_IPS ? { ...set, elements } : set)),
  };
}

const NODEPORT_IPS = "nodeport-ips";

/** By what nodes share. */
const fresh = new WeakMap<readonly PortRules[], Map<string, NftTable>>();

function tableAfter(sync: Sync): NftTable {
  const draft = new DraftNft(EMPTY_NFT);
  for (const command of commandsOf(sync)) apply(draft, command);
  return (draft.finish() as NftRuleset).tables[0] as NftTable;
}

function apply(draft: DraftNft, command: NftCommand): void {
  const fault = draft.apply(command);
  if (fault !== null) throw new Error(`kube-proxy's table: ${fault}`);
}

function placeOf({ table }: NodeRules): { readonly family: "ip" | "ip6"; readonly table: string } {
  const [family, name] = table.split(" ") as ["ip" | "ip6", string];
  return { family, table: name };
}

function commandsOf(sync: Sync): NftCommand[] {
  const { rules } = sync;
  const { family, table } = placeOf(rules);
  const base = fixedRuleset(rules);
  const ports = sync.written.map((port) => parsedPort(port, rules));
  return [
    ...parse(sync.fixed, EMPTY_NFT, () => rules.origin),
    ...ports.flatMap(({ chains }) => chains),
    ...elementCommands(sync.elements, rules, base),
    ...ports.flatMap(({ own }) => own),
    ...sync.staleChains.map(
      (name): NftCommand => ({ op: "flush", what: { kind: "chain", family, table, name } }),
    ),
    ...sync.staleSets.map(
      (name): NftCommand => ({ op: "delete", what: { kind: "set", family, table, name } }),
    ),
  ];
}

/** All elements of one set in one command. */
function elementCommands(
  changes: readonly ElementChange[],
  rules: NodeRules,
  base: NftRuleset,
): NftCommand[] {
  const { family, table } = placeOf(rules);
  const commands: NftCommand[] = [];
  // First what goes: a key may come back with another value.
  for (const op of ["delete", "add"] as const) {
    const bySet = new Map<string, string[]>();
    for (const { element } of changes.filter((change) => change.op === op)) {
      const texts = bySet.get(element.set) ?? [];
      bySet.set(element.set, texts);
      texts.push(elementText(element));
    }
    for (const [set, texts] of bySet) {
      commands.push({
        op,
        what: { kind: "element", family, table, set, elements: elementsOf(set, texts, rules, base) },
      });
    }
  }
  return commands;
}

function elementsOf(set: string, texts: readonly string[], rules: NodeRules, base: NftRuleset): SetElements {
  const line = `add element ${rules.table} ${set} { ${texts.join(", ")} }`;
  const [command] = parse([line], base, () => rules.origin);
  return command?.op === "add" && command.what.kind === "element" ? command.what.elements : [];
}

interface ParsedPort {
  readonly chains: readonly NftCommand[];
  readonly own: readonly NftCommand[];
}

const parsed = new WeakMap<PortRules, ParsedPort>();

/** Endpoints' chains and sets have the origin of their endpoint where it has one, all else that of the port. */
function parsedPort(port: PortRules, rules: NodeRules): ParsedPort {
  const known = parsed.get(port);
  if (known !== undefined) return known;
  const originOf = (endpoint: OwnLine["endpoint"]): Origin =>
    endpoint === null || endpoint.origin === ORIGIN_NONE ? port.model.port.origin : endpoint.origin;
  const chains = port.chains.flatMap(({ name, endpoint }) =>
    chainLines(rules.table, name).map((text) => ({ text, endpoint })),
  );
  const read = (lines: readonly OwnLine[]): NftCommand[] =>
    parse(
      lines.map(({ text }) => text),
      EMPTY_NFT,
      (line) => originOf(lines[line - 1]?.endpoint ?? null),
    );
  const made = { chains: read(chains), own: read(port.own) };
  parsed.set(port, made);
  return made;
}

/** The table with nothing of any Service in it: what types the elements have. */
function fixedRuleset({ fixed, origin }: NodeRules): NftRuleset {
  const key = `${origin}\n${fixed.join("\n")}`;
  const known = fixedRulesets.get(key);
  if (known !== undefined) return known;
  const draft = new DraftNft(EMPTY_NFT);
  for (const command of parse(fixed, EMPTY_NFT, () => origin)) apply(draft, command);
  const made = draft.finish() as NftRuleset;
  if (fixedRulesets.size >= MOST_FIXED) fixedRulesets.clear();
  fixedRulesets.set(key, made);
  return made;
}

const fixedRulesets = new Map<string, NftRuleset>();
const MOST_FIXED = 64;

/** What kube-proxy writes is always right. */
function parse(lines: readonly string[], base: NftRuleset, origin: (line: number) => Origin): NftCommand[] {
  const result = parseNftScript(lines.map((line) => `${line}\n`).join(""), base, origin);
  if (result.kind === "invalid") {
    const [first] = result.errors;
    const line = lines[(first?.line ?? 1) - 1];
    throw new Error(`a command of kube-proxy cannot be read: ${line}: ${first?.message}`);
  }
  return result.commands.map(asKept);
}
