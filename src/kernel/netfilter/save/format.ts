import { formatMasked } from "../../../address/masked.ts";
import type { Match } from "../match/match.ts";
import { MATCHES } from "../match/registry.ts";
import type { UnknownMatch } from "../match/unknown.ts";
import type { Chain, Counters, Rule, Ruleset } from "../rule.ts";
import { TARGETS } from "../target/registry.ts";
import type { JumpTarget, Target } from "../target/target.ts";
import type { UnknownTarget } from "../target/unknown.ts";
import { negatableText, optionText } from "./option-text.ts";
import { formatProtocol } from "./protocol.ts";

export interface FormatOptions {
  /** `[packets:bytes]` before every rule, as `iptables-save -c` prints them. */
  readonly counters?: boolean;
}

/** A rule set as `iptables-save` prints it, but for the two comments with the date around each table. */
export function formatIptablesSave(ruleset: Ruleset, options: FormatOptions = {}): string {
  const lines: string[] = [];
  for (const table of ruleset.tables.values()) {
    lines.push(`*${table.name}`);
    for (const chain of table.chains.values()) lines.push(formatChain(chain));
    for (const chain of table.chains.values()) {
      for (const rule of chain.rules) {
        const counters = options.counters ? `${formatCounters(rule.counters)} ` : "";
        lines.push(counters + formatRule(chain.name, rule));
      }
    }
    lines.push("COMMIT");
  }
  return lines.map((line) => `${line}\n`).join("");
}

function formatChain(chain: Chain): string {
  return chain.policy === null
    ? `:${chain.name} - [0:0]`
    : `:${chain.name} ${chain.policy} ${formatCounters(chain.policyCounters)}`;
}

function formatCounters(counters: Counters | null): string {
  return `[${counters?.packets ?? 0}:${counters?.bytes ?? 0}]`;
}

/** `-A CHAIN …` */
export function formatRule(chain: string, rule: Rule): string {
  return optionText(`-A ${chain}`, formatRuleArguments(rule));
}

/** What stands behind `-A CHAIN` (`print_rule4`, iptables.c). */
export function formatRuleArguments(rule: Rule): string {
  return optionText(
    negatableText("-s", rule.src, formatMasked),
    negatableText("-d", rule.dst, formatMasked),
    negatableText("-i", rule.inInterface, String),
    negatableText("-o", rule.outInterface, String),
    negatableText("-p", rule.protocol, formatProtocol),
    rule.fragment && (rule.fragment.invert ? "! -f" : "-f"),
    ...rule.matches.map(formatMatch),
    rule.target && formatTarget(rule.target),
  );
}

/** `-m NAME …` */
export function formatMatch(match: Match): string {
  if (match.kind === "unknown") {
    const { name, args } = match as UnknownMatch;
    return optionText(`-m ${name}`, args.join(" "));
  }
  return optionText(`-m ${match.kind}`, moduleOf(MATCHES, match).format(match));
}

/** `-j NAME …` or `-g CHAIN` */
export function formatTarget(target: Target): string {
  switch (target.kind) {
    case "jump":
      return `-j ${(target as JumpTarget).chain}`;
    case "goto":
      return `-g ${(target as JumpTarget).chain}`;
    case "ACCEPT":
    case "DROP":
    case "RETURN":
      return `-j ${target.kind}`;
    case "unknown": {
      const { name, args } = target as UnknownTarget;
      return optionText(`-j ${name}`, args.join(" "));
    }
    default:
      return optionText(`-j ${target.kind}`, moduleOf(TARGETS, target).format(target));
  }
}

function moduleOf<M>(modules: ReadonlyMap<string, M>, value: { readonly kind: string }): M {
  const module = modules.get(value.kind);
  if (module === undefined) throw new Error(`no module formats a ${value.kind}`);
  return module;
}
