import type { Family } from "../../address/ip.ts";
import type { NftExpression } from "./expression.ts";
import type { NftRuleset, NftTable } from "./ruleset.ts";
import type { NftStatement } from "./statement.ts";

/**
 * Does loading these rules switch connection tracking on for a family? Expressions that read or set a connection ask for it
 * (`nf_ct_netns_get`), wherever they stand, and so do translations; a chain of type nat by itself does not, nor `notrack`.
 */
export function nftNeedsConntrack(ruleset: NftRuleset, of: Family): boolean {
  const own = of === 6 ? "ip6" : "ip";
  return ruleset.tables.some(
    (table) => (table.family === own || table.family === "inet") && asksConntrack(table),
  );
}

/** A rule that asks how much went over a connection switches counting on (`nft_ct_get_init`), and nothing switches it off. */
export function nftCountsConnections(ruleset: NftRuleset | null): boolean {
  return (ruleset?.tables ?? []).some(({ chains }) =>
    chains.some(({ rules }) =>
      rules.some(({ statements }) => statements.some((each) => readsIn(each, isCount))),
    ),
  );
}

/** Do rules shake hands in a server's place for a family (`nft_synproxy_do_init`)? */
export function nftProxiesHandshakes(ruleset: NftRuleset, of: Family): boolean {
  return hasStatement(ruleset, of, isSynproxy);
}

/** Are fragments joined for them, though nothing tracks (`nft_tproxy_init`)? */
export function nftNeedsDefrag(ruleset: NftRuleset, of: Family): boolean {
  return hasStatement(ruleset, of, ({ kind }) => kind === "tproxy");
}

/** In a table that packets of the family meet. */
function hasStatement(ruleset: NftRuleset, of: Family, is: (statement: NftStatement) => boolean): boolean {
  const own = of === 6 ? "ip6" : "ip";
  return ruleset.tables.some(
    ({ family, chains }) =>
      (family === own || family === "inet") &&
      chains.some(({ rules }) => rules.some(({ statements }) => statements.some(is))),
  );
}

function isSynproxy(statement: NftStatement): boolean {
  return statement.kind === "synproxy" || (statement.kind === "object" && statement.type === "synproxy");
}

function isCount(expression: NftExpression): boolean {
  return expression.kind === "ct" && ["bytes", "packets", "avgpkt"].includes(expression.key);
}

/** Do rules or objects of a table need connections? */
export function asksConntrack({ chains, objects }: NftTable): boolean {
  return (
    objects.some(({ type }) => type.startsWith("ct ") || type === "synproxy") ||
    chains.some(({ rules }) => rules.some(({ statements }) => statements.some(needs)))
  );
}

function needs(statement: NftStatement): boolean {
  switch (statement.kind) {
    case "nat":
    case "ct-count":
    case "flow-add":
    case "synproxy":
      return true;
    case "object":
      return statement.type.startsWith("ct ") || statement.type === "synproxy";
    case "set-change":
      return readsIn(statement, isConnection) || statement.statements.some(needs);
    case "xt":
      return ["conntrack", "state", "connmark", "CONNMARK", "CT"].includes(statement.name);
    default:
      return readsIn(statement, isConnection);
  }
}

function isConnection({ kind }: NftExpression): boolean {
  return kind === "ct";
}

/** Does a statement read something that is meant? */
function readsIn(statement: NftStatement, isMeant: (expression: NftExpression) => boolean): boolean {
  const reads = (expression: NftExpression): boolean => {
    if (isMeant(expression)) return true;
    switch (expression.kind) {
      case "binary":
        return reads(expression.left) || reads(expression.right);
      case "concat":
        return expression.parts.some(reads);
      case "map":
        return reads(expression.key);
      case "hash":
        return expression.key !== null && reads(expression.key);
      default:
        return false;
    }
  };
  switch (statement.kind) {
    case "match":
      return reads(statement.left) || reads(statement.right);
    case "vmap":
    case "set-change":
      return reads(statement.key);
    case "mangle":
      return reads(statement.key) || reads(statement.value);
    default:
      return false;
  }
}
