import type { Family } from "../../../address/ip.ts";
import { isAnywhere, type Masked, withoutHostBits } from "../../../address/masked.ts";
import { suggestion } from "../../nearest-word.ts";
import type { Origin } from "../../origin.ts";
import { readInterfacePattern } from "../match/interface-name-pattern.ts";
import type { Match } from "../match/match.ts";
import { impliedMatch, MATCHES, OTHER_FAMILY_MATCHES } from "../match/registry.ts";
import type { UnknownMatch } from "../match/unknown.ts";
import type { Chain, Counters, Negatable, Rule, Ruleset } from "../rule.ts";
import { OTHER_FAMILY_TARGETS, TARGET_TABLES, TARGETS, UNMODELLED_TARGETS } from "../target/registry.ts";
import type { JumpTarget, Target, VerdictTarget } from "../target/target.ts";
import type { UnknownTarget } from "../target/unknown.ts";
import { readMasked } from "./address.ts";
import { ArgumentReader, type RuleOptions } from "./arguments.ts";
import { checkRule } from "./check-rule.ts";
import { endOfPart, PartMemo } from "./part-memo.ts";
import { parseProtocol } from "./protocol.ts";
import type { Argument, Word } from "./words.ts";

/** The table a rule stands in, as far as its text depends on it. */
export interface RuleScope {
  readonly table: string;
  readonly family: Family;
  /** Whose rules they are said to be; null: nobody has said. */
  readonly backend?: Ruleset["backend"] | null;
  /** Declared chains: they decide whether `-j NAME` is a jump or a target. */
  readonly chains: ReadonlyMap<string, Pick<Chain, "name" | "policy">>;
}

export type RuleResult =
  | { readonly kind: "ok"; readonly rule: Rule }
  | { readonly kind: "invalid"; readonly messages: readonly string[] };

/** Read what stands behind `-A CHAIN`. */
export function parseRuleArguments(
  words: readonly Argument[],
  scope: RuleScope,
  counters: Counters | null,
  origin: Origin,
): RuleResult {
  return new RuleLine(scope).parse(words, 0, counters, origin);
}

const VERDICTS: readonly string[] = ["ACCEPT", "DROP", "RETURN"] satisfies VerdictTarget["kind"][];

/** What `once` has seen, as bits. */
const ONCE = { "-s": 1, "-d": 2, "-i": 4, "-o": 8, "-p": 16, "-f": 32, "-c": 64 } as const;

/** Reads the rules of one table, line after line. */
export class RuleLine implements RuleOptions {
  private readonly reader: ArgumentReader;
  private readonly scope: RuleScope;
  /** The words of a dump, where parts read before are known again; null for a rule by itself. */
  private dump: readonly Word[] | null = null;
  private readonly knownMatches: PartMemo<Match> | null;
  private readonly knownTargets: PartMemo<Target> | null;
  private seen = 0;
  private src: Negatable<Masked> | null = null;
  private dst: Negatable<Masked> | null = null;
  private inInterface: Negatable<string> | null = null;
  private outInterface: Negatable<string> | null = null;
  private protocol: Negatable<number> | null = null;
  private fragment: Negatable<true> | null = null;
  private counters: Counters | null = null;
  /** Written over by the next rule. */
  private readonly matches: Match[] = [];
  private matchCount = 0;
  private target: Target | null = null;

  /** @param isDump will there be many rules? */
  constructor(scope: RuleScope, isDump = false) {
    this.reader = new ArgumentReader([], this, scope.family);
    this.scope = scope;
    this.knownMatches = isDump ? new PartMemo<Match>() : null;
    this.knownTargets = isDump ? new PartMemo<Target>() : null;
  }

  /** As `parse`, of the words of a dump. */
  parseDumped(words: readonly Word[], from: number, counters: Counters | null, origin: Origin): RuleResult {
    this.dump = words;
    return this.parse(words, from, counters, origin);
  }

  /** Read the words from one on. */
  parse(words: readonly Argument[], from: number, counters: Counters | null, origin: Origin): RuleResult {
    this.seen = 0;
    this.src = null;
    this.dst = null;
    this.inInterface = null;
    this.outInterface = null;
    this.protocol = null;
    this.fragment = null;
    this.counters = counters;
    this.matchCount = 0;
    this.target = null;
    const { reader } = this;
    reader.restart(words, from);
    const rule = this.read(origin);
    return reader.faults.length > 0
      ? { kind: "invalid", messages: [...reader.faults] }
      : { kind: "ok", rule };
  }

  private read(origin: Origin): Rule {
    const { reader } = this;
    while (!reader.done) {
      reader.takeBang();
      const option = reader.peek();
      if (option === "-m" || option === "--match") this.readMatch();
      else if (option === "-j" || option === "--jump") this.readTarget("jump");
      else if (option === "-g" || option === "--goto") this.readTarget("goto");
      else if (option === undefined) reader.fail("`!` has no option behind it");
      else if (reader.readBuiltin()) continue;
      else if (this.impliesProtocolMatch(option)) this.readImpliedMatch();
      else reader.skipUnknown([]);
    }
    const rule: Rule = {
      src: this.src,
      dst: this.dst,
      inInterface: this.inInterface,
      outInterface: this.outInterface,
      protocol: this.protocol,
      fragment: this.fragment,
      // A copy is as long as it need be; an array that grew holds room for more.
      matches: this.matchCount === 0 ? NO_MATCHES : this.matches.slice(0, this.matchCount),
      target: this.target,
      counters: this.counters,
      origin,
    };
    checkRule(rule, this.scope.backend ?? null, reader);
    return rule;
  }

  readBuiltin(option: string): boolean {
    switch (option) {
      case "-s":
      case "--source":
      case "--src":
        this.once("-s");
        this.src = this.readMasked();
        return true;
      case "-d":
      case "--destination":
      case "--dst":
        this.once("-d");
        this.dst = this.readMasked();
        return true;
      case "-i":
      case "--in-interface":
        this.once("-i");
        this.inInterface = this.readInterface();
        return true;
      case "-o":
      case "--out-interface":
        this.once("-o");
        this.outInterface = this.readInterface();
        return true;
      case "-p":
      case "--protocol":
      case "--proto":
        this.once("-p");
        this.protocol = this.readProtocol();
        return true;
      case "-f":
      case "--fragment":
        if (this.scope.family === 6) return false;
        this.once("-f");
        this.fragment = { invert: this.reader.negated(), value: true };
        return true;
      case "-c":
      case "--set-counters":
        this.once("-c");
        this.counters = {
          packets: this.reader.uint(Number.MAX_SAFE_INTEGER),
          bytes: this.reader.uint(Number.MAX_SAFE_INTEGER),
        };
        return true;
      default:
        return false;
    }
  }

  impliesProtocolMatch(option: string): boolean {
    const implied = this.impliedMatch();
    return implied?.options.includes(option) === true && !this.hasMatch(implied.kind);
  }

  private impliedMatch() {
    return this.protocol === null || this.protocol.invert
      ? undefined
      : impliedMatch(this.protocol.value, this.scope.family);
  }

  private addMatch(match: Match): void {
    this.matches[this.matchCount++] = match;
  }

  private hasMatch(kind: string): boolean {
    for (let i = 0; i < this.matchCount; i++) if (this.matches[i]?.kind === kind) return true;
    return false;
  }

  private once(option: keyof typeof ONCE): void {
    const bit = ONCE[option];
    if ((this.seen & bit) !== 0) this.reader.fail(`${option} is given twice: give it once`);
    this.seen |= bit;
  }

  private readMasked(): Negatable<Masked> | null {
    const invert = this.reader.negated();
    const value = withoutHostBits(readMasked(this.reader));
    return !invert && isAnywhere(value) ? null : { invert, value };
  }

  private readInterface(): Negatable<string> | null {
    const invert = this.reader.negated();
    const value = readInterfacePattern(this.reader);
    return !invert && value === "+" ? null : { invert, value };
  }

  private readProtocol(): Negatable<number> | null {
    const { reader } = this;
    const invert = reader.negated();
    const text = reader.word("a protocol");
    const value = parseProtocol(text);
    if (value === undefined) {
      reader.failValue(
        `${JSON.stringify(text)} is no protocol: write a name such as tcp, or a number up to 255`,
      );
      return null;
    }
    if (value !== 0) return (invert ? OTHER_PROTOCOLS : PROTOCOLS)[value] as Negatable<number>;
    if (invert) reader.failValue("no packet is of no protocol, so the rule would never match");
    return null;
  }

  private readMatch(): void {
    const { reader, dump, knownMatches } = this;
    if (reader.negated()) reader.fail("`!` stands before -m: it belongs before an option of the match");
    if (dump === null || knownMatches === null) {
      this.addMatch(this.matchNamed());
      return;
    }
    const from = reader.place;
    const end = endOfPart(dump, from);
    const known = knownMatches.get(dump, from, end);
    if (known !== null) {
      this.addMatch(known);
      reader.skipTo(end);
      return;
    }
    reader.strayed = false;
    const match = this.matchNamed();
    this.addMatch(match);
    if (this.readAll(end)) knownMatches.set(dump, from, end, match);
  }

  /** Has just the part up to here been read, and nothing else looked at? */
  private readAll(end: number): boolean {
    const { reader } = this;
    return !reader.strayed && reader.place === end && reader.faults.length === 0;
  }

  private matchNamed(): Match {
    const { reader } = this;
    reader.skip();
    const name = reader.word("the name of a match");
    const module = MATCHES.get(name);
    if (OTHER_FAMILY_MATCHES[this.scope.family].has(name)) {
      reader.fail(`match ${name} is ${this.scope.family === 6 ? "of IPv4" : "of IPv6"} alone`);
    }
    if (module === undefined) {
      const match: UnknownMatch = { kind: "unknown", name, args: reader.rawUntilNextPart() };
      return match;
    }
    reader.subject = `match ${name}`;
    const match = module.parse(reader);
    reader.subject = "rule";
    return match;
  }

  private readImpliedMatch(): void {
    const kind = (this.impliedMatch() as { kind: string }).kind;
    const module = MATCHES.get(kind);
    if (module === undefined) {
      this.reader.skipUnknown([]);
      return;
    }
    this.reader.subject = `match ${kind}`;
    this.addMatch(module.parse(this.reader));
    this.reader.subject = "rule";
  }

  private readTarget(how: JumpTarget["kind"]): void {
    const { reader, dump, knownTargets } = this;
    if (reader.negated())
      reader.fail(`\`!\` stands before the ${how}: a rule cannot do the opposite of its target`);
    const from = reader.place;
    const end = dump === null ? from : endOfPart(dump, from);
    const known = dump === null ? null : (knownTargets?.get(dump, from, end) ?? null);
    if (known !== null && this.target === null) {
      this.target = known;
      reader.skipTo(end);
      return;
    }
    reader.strayed = false;
    reader.skip();
    const name = reader.word("the name of a target or chain");
    if (this.target !== null) reader.fail(`${name} is a second target: a rule has one`);
    this.target = this.targetNamed(name, how);
    if (dump !== null && this.target !== null && this.readAll(end)) {
      knownTargets?.set(dump, from, end, this.target);
    }
  }

  private targetNamed(name: string, how: JumpTarget["kind"]): Target | null {
    const { reader, scope } = this;
    if (name === "") return null;
    const chain = scope.chains.get(name);
    // The chain's own name, which is found again sooner than an equal one.
    if (chain?.policy === null) return { kind: how, chain: chain.name } as JumpTarget;
    if (chain !== undefined) {
      reader.fail(`${name} is a built-in chain: a rule can only ${how} to a chain made by a user`);
      return null;
    }
    if (VERDICTS.includes(name)) return { kind: name } as VerdictTarget;
    if (how === "goto") {
      this.failUndeclared(name);
      return null;
    }
    const module = TARGETS.get(name);
    if (module === undefined) {
      const target: UnknownTarget = { kind: "unknown", name, args: reader.rawUntilNextPart() };
      if (target.args.length > 0 || UNMODELLED_TARGETS.has(name)) return target;
      this.failUndeclared(name);
      return null;
    }
    const table = TARGET_TABLES.get(name);
    if (table !== undefined && table !== scope.table)
      reader.fail(`target ${name} belongs in table ${table} only`);
    if (OTHER_FAMILY_TARGETS[scope.family].has(name)) {
      reader.fail(`target ${name} is ${scope.family === 6 ? "of IPv4" : "of IPv6"} alone`);
    }
    reader.subject = `target ${name}`;
    const target = module.parse(reader);
    reader.subject = "rule";
    return target;
  }

  private failUndeclared(name: string): void {
    const { table, chains } = this.scope;
    const near = suggestion(name, [...chains.keys(), ...TARGETS.keys(), ...VERDICTS]);
    this.reader.fail(
      `no chain ${name} is declared in table ${table}, and no target has that name${near}: declare it with ":${name} - [0:0]"`,
    );
  }
}

const NO_MATCHES: readonly Match[] = [];

/** By number: every rule that asks for a protocol asks for one of these. */
const PROTOCOLS = Array.from({ length: 256 }, (_, value): Negatable<number> => ({ invert: false, value }));
const OTHER_PROTOCOLS = PROTOCOLS.map(({ value }): Negatable<number> => ({ invert: true, value }));
