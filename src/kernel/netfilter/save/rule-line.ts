import type { Family } from "../../../address/ip.ts";
import { isAnywhere, type Masked, withoutHostBits } from "../../../address/masked.ts";
import { IPPROTO_TCP } from "../../../packet/packet.ts";
import { suggestion } from "../../nearest-word.ts";
import type { Origin } from "../../origin.ts";
import { asksTcp } from "../match/ecn.ts";
import { readInterfacePattern } from "../match/interface-name-pattern.ts";
import { type LimitMatch, overflows } from "../match/limit.ts";
import type { Match } from "../match/match.ts";
import { impliedMatch, MATCH_PROTOCOLS, MATCHES, OTHER_FAMILY_MATCHES } from "../match/registry.ts";
import type { UnknownMatch } from "../match/unknown.ts";
import type { Chain, Counters, Negatable, Rule, Ruleset } from "../rule.ts";
import type { DnatTarget } from "../target/dnat.ts";
import type { EcnTarget } from "../target/ecn.ts";
import {
  NAT_PORT_PROTOCOLS,
  OTHER_FAMILY_TARGETS,
  TARGET_PROTOCOLS,
  TARGET_TABLES,
  TARGETS,
  UNMODELLED_TARGETS,
} from "../target/registry.ts";
import type { RejectTarget } from "../target/reject.ts";
import type { JumpTarget, Target, VerdictTarget } from "../target/target.ts";
import type { UnknownTarget } from "../target/unknown.ts";
import { readMasked } from "./address.ts";
import { type Argument, ArgumentReader, type RuleOptions } from "./arguments.ts";
import { formatProtocol, parseProtocol } from "./protocol.ts";

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
  const line = new RuleLine(words, scope, counters);
  const rule = line.read(origin);
  return line.reader.faults.length > 0
    ? { kind: "invalid", messages: line.reader.faults }
    : { kind: "ok", rule };
}

const VERDICTS: readonly string[] = ["ACCEPT", "DROP", "RETURN"] satisfies VerdictTarget["kind"][];

class RuleLine implements RuleOptions {
  readonly reader: ArgumentReader;
  private readonly scope: RuleScope;
  private readonly seen = new Set<string>();
  private src: Negatable<Masked> | null = null;
  private dst: Negatable<Masked> | null = null;
  private inInterface: Negatable<string> | null = null;
  private outInterface: Negatable<string> | null = null;
  private protocol: Negatable<number> | null = null;
  private fragment: Negatable<true> | null = null;
  private counters: Counters | null;
  private readonly matches: Match[] = [];
  private target: Target | null = null;

  constructor(words: readonly Argument[], scope: RuleScope, counters: Counters | null) {
    this.reader = new ArgumentReader(words, this, scope.family);
    this.scope = scope;
    this.counters = counters;
  }

  read(origin: Origin): Rule {
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
    this.checkProtocols();
    return {
      src: this.src,
      dst: this.dst,
      inInterface: this.inInterface,
      outInterface: this.outInterface,
      protocol: this.protocol,
      fragment: this.fragment,
      matches: this.matches,
      target: this.target,
      counters: this.counters,
      origin,
    };
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
    return (
      implied?.options.includes(option) === true && !this.matches.some(({ kind }) => kind === implied.kind)
    );
  }

  private impliedMatch() {
    return this.protocol === null || this.protocol.invert
      ? undefined
      : impliedMatch(this.protocol.value, this.scope.family);
  }

  private once(option: string): void {
    if (this.seen.has(option)) this.reader.fail(`${option} is given twice: give it once`);
    this.seen.add(option);
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
    if (value !== 0) return { invert, value };
    if (invert) reader.failValue("no packet is of no protocol, so the rule would never match");
    return null;
  }

  private readMatch(): void {
    const { reader } = this;
    if (reader.negated()) reader.fail("`!` stands before -m: it belongs before an option of the match");
    reader.skip();
    const name = reader.word("the name of a match");
    const module = MATCHES.get(name);
    if (OTHER_FAMILY_MATCHES[this.scope.family].has(name)) {
      reader.fail(`match ${name} is ${this.scope.family === 6 ? "of IPv4" : "of IPv6"} alone`);
    }
    if (module === undefined) {
      const match: UnknownMatch = { kind: "unknown", name, args: reader.rawUntilNextPart() };
      this.matches.push(match);
      return;
    }
    reader.subject = `match ${name}`;
    this.matches.push(module.parse(reader));
    reader.subject = "rule";
  }

  private readImpliedMatch(): void {
    const kind = (this.impliedMatch() as { kind: string }).kind;
    const module = MATCHES.get(kind);
    if (module === undefined) {
      this.reader.skipUnknown([]);
      return;
    }
    this.reader.subject = `match ${kind}`;
    this.matches.push(module.parse(this.reader));
    this.reader.subject = "rule";
  }

  private readTarget(how: JumpTarget["kind"]): void {
    const { reader } = this;
    if (reader.negated())
      reader.fail(`\`!\` stands before the ${how}: a rule cannot do the opposite of its target`);
    reader.skip();
    const name = reader.word("the name of a target or chain");
    if (this.target !== null) reader.fail(`${name} is a second target: a rule has one`);
    this.target = this.targetNamed(name, how);
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

  /** What the kernel would refuse for want of the right `-p`. */
  private checkProtocols(): void {
    for (const match of this.matches) {
      this.requireProtocol(`match ${match.kind}`, MATCH_PROTOCOLS.get(match.kind));
      if (match.kind === "limit" && this.scope.backend === "legacy" && overflows(match as LimitMatch))
        this.reader.fail("match limit: more credit than the kernel can count: write a smaller --limit-burst");
      if (asksTcp(match)) this.requireProtocol("match ecn with flags of TCP", [IPPROTO_TCP]);
    }
    const { target } = this;
    if (target === null) return;
    this.requireProtocol(`target ${target.kind}`, TARGET_PROTOCOLS.get(target.kind));
    const { ece = null, cwr = null } = target as Partial<EcnTarget>;
    if (ece !== null || cwr !== null) this.requireProtocol("target ECN with flags of TCP", [IPPROTO_TCP]);
    if ((target as Partial<RejectTarget>).rejectWith === "tcp-reset")
      this.requireProtocol("tcp-reset", [IPPROTO_TCP]);
    const ports = (target as Partial<DnatTarget>).range?.portMin ?? null;
    if (ports !== null) this.requireProtocol(`target ${target.kind} with a port`, NAT_PORT_PROTOCOLS);
  }

  private requireProtocol(who: string, allowed: readonly number[] | undefined): void {
    if (allowed === undefined) return;
    const { protocol } = this;
    if (protocol !== null && !protocol.invert && allowed.includes(protocol.value)) return;
    const names = allowed.map((number) => `-p ${formatProtocol(number)}`).join(" or ");
    this.reader.fail(`${who} stands only with ${names}`);
  }
}
