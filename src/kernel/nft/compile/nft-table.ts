import {
  NFT_FAMILIES,
  type NftChain,
  type NftFamily,
  type NftObjectType,
  type NftRuleset,
  type NftSet,
  type NftTable,
} from "../ruleset.ts";
import { compileStatement } from "./compile-statement.ts";
import { compileHelper } from "./ct-helper.ts";
import { ElementIndex } from "./element-index.ts";
import { compileExpectation } from "./expectation.ts";
import { RuleCode } from "./rule-code.ts";
import { compileMemory, type Memory } from "./stateful.ts";
import type { Step } from "./step.ts";
import { SymbolPlaces } from "./symbol.ts";
import { compileSynproxyObject } from "./synproxy.ts";
import { compileTimeoutPolicy } from "./timeout-policy.ts";

/** Objects that are kept as lines, and what naming one in a rule does. */
const OF_LINES: Readonly<Partial<Record<NftObjectType, (lines: readonly string[]) => Step>>> = {
  synproxy: compileSynproxyObject,
  "ct timeout": compileTimeoutPolicy,
  "ct helper": compileHelper,
  "ct expectation": compileExpectation,
};

/** A host's nftables compiled: derived from the plain rule set, never written by hand, never saved. */
export class CompiledNft {
  readonly tables: readonly CompiledNftTable[];

  constructor(ruleset: NftRuleset) {
    this.tables = ruleset.tables.map((table, number) => new CompiledNftTable(table, number));
  }
}

/** A stateful object that rules name: they share what it remembers. */
export interface CompiledObject {
  readonly memory: Memory;
}

/**
 * A table compiled. Chains and sets are compiled once for as long as their plain form lives, whichever table versions hold
 * them: they name one another by symbols, and the table says where those lie.
 */
export class CompiledNftTable {
  readonly plain: NftTable;
  /** Place of the table in its rule set, for the tape. */
  readonly number: number;
  readonly chains: readonly CompiledNftChain[];
  readonly chainPlaces: SymbolPlaces;
  readonly sets: readonly ElementIndex[];
  readonly setPlaces: SymbolPlaces;
  private readonly objects = new Map<string, CompiledObject>();

  constructor(plain: NftTable, number: number) {
    this.plain = plain;
    this.number = number;
    const code = new RuleCode();
    this.chains = plain.chains.map((chain) => compiledChain(chain, plain.family, code));
    this.chainPlaces = new SymbolPlaces(plain.chains.map(({ name }) => name));
    this.sets = plain.sets.map(compileSet);
    this.setPlaces = new SymbolPlaces(plain.sets.map(({ name }) => name));
    for (const object of plain.objects) {
      const { spec } = object;
      const compile = spec.kind === "lines" ? OF_LINES[object.type] : undefined;
      if (compile !== undefined && spec.kind === "lines") {
        const step = compile(spec.lines);
        this.objects.set(
          `${object.type} ${object.name}`,
          compileObject(object, (_cells, _at, run) => step(run)),
        );
      }
      if (spec.kind !== "statement") continue;
      const { statement } = spec;
      if (statement.kind !== "limit" && statement.kind !== "quota") continue;
      this.objects.set(`${object.type} ${object.name}`, compileObject(object, compileMemory(statement)));
    }
  }

  object(type: string, name: string): CompiledObject | undefined {
    return this.objects.get(`${type} ${name}`);
  }
}

/** A chain and its rules in code, which are compiled when a packet first meets them. */
export class CompiledNftChain {
  readonly plain: NftChain;
  /** Number of rules. */
  readonly length: number;
  readonly code: RuleCode;
  private readonly family: NftFamily;
  private place = -1;

  constructor(plain: NftChain, family: NftFamily, code: RuleCode) {
    this.plain = plain;
    this.length = plain.rules.length;
    this.family = family;
    this.code = code;
  }

  /** Where in the code its rules begin. Runs per packet, and compiles once. */
  get start(): number {
    return this.place < 0 ? this.compile() : this.place;
  }

  private compile(): number {
    const rules = this.plain.rules.map(({ statements }) =>
      statements
        .map((statement) => compileStatement(statement, this.family))
        .filter((compiled) => compiled !== null),
    );
    this.place = this.code.add(rules);
    return this.place;
  }
}

/** By family, since some statements mean different things in them. */
const chains = NFT_FAMILIES.map(() => new WeakMap<NftChain, CompiledNftChain>());
const sets = new WeakMap<NftSet, ElementIndex>();
const objects = new WeakMap<object, CompiledObject>();

/** The compiled form of a chain, made on first use and kept for as long as that version of it lives. */
function compiledChain(plain: NftChain, family: NftFamily, code: RuleCode): CompiledNftChain {
  const known = chains[NFT_FAMILIES.indexOf(family)] as WeakMap<NftChain, CompiledNftChain>;
  let chain = known.get(plain);
  if (chain === undefined) {
    chain = new CompiledNftChain(plain, family, code);
    known.set(plain, chain);
  }
  return chain;
}

function compileSet(plain: NftSet): ElementIndex {
  let index = sets.get(plain);
  if (index === undefined) {
    const dataTypes = plain.data?.kind === "value" ? plain.data.types : null;
    index = new ElementIndex(plain.elements, plain.key.types, dataTypes, plain.statements);
    sets.set(plain, index);
  }
  return index;
}

function compileObject(plain: object, memory: Memory): CompiledObject {
  let object = objects.get(plain);
  if (object === undefined) {
    object = { memory };
    objects.set(plain, object);
  }
  return object;
}
