import { CT_NONE, CT_OF_UNTRACKED, CT_UNTRACKED } from "../../conntrack/status.ts";
import { NO_TEMPLATE } from "../../conntrack/zone.ts";
import type { SetSource } from "../expression.ts";
import { typesOf } from "../fields.ts";
import { addFlow, flowtableNumber } from "../flow-offload.ts";
import { MEMORY_WORDS } from "../nft-set-state.ts";
import type { NftFamily } from "../ruleset.ts";
import type { NftStatement } from "../statement.ts";
import { formatNftRule } from "../text/format-statement.ts";
import { compileDuplicate } from "./duplicate.ts";
import { compileForward } from "./forward.ts";
import { compileLoad } from "./load.ts";
import { compileSetSource } from "./look-up.ts";
import { compileMangle, compileResetOption } from "./mangle.ts";
import { compileMatch } from "./match.ts";
import { compileNat } from "./nat.ts";
import { compileQueue } from "./queue.ts";
import { compileReject } from "./reject.ts";
import { compileSetChange } from "./set-change.ts";
import { compileMemory, compileNamedObject } from "./stateful.ts";
import type { Choice, Inline, Step } from "./step.ts";
import { compileSynproxy } from "./synproxy.ts";
import { compileTproxy } from "./tproxy.ts";
import { unknownStep } from "./unknown-step.ts";
import { NFT_BREAK, NFT_CONTINUE, verdictCode, verdictTarget } from "./verdict.ts";
import { foldWords, wildcardPrefix, wordsOfType } from "./words.ts";

/**
 * A statement compiled; null for one that changes nothing the walk can see (it counts or logs). What the walk does not
 * know is asked of the chooser where it may match or not, and noted where it acts.
 */
export function compileStatement(statement: NftStatement, family: NftFamily): Step | Inline | null {
  const text = (): string => formatNftRule({ statements: [statement], comment: null, written: null });
  const unknown = (): Step => unknownStep(text(), !isAction(statement));
  let made: Step | null = null;
  /** The same, made when a packet meets it: most statements never turn out to be unsure. */
  const unsure: Step = (run) => {
    made ??= unknown();
    return made(run);
  };
  switch (statement.kind) {
    case "counter":
    case "log":
      return null;
    case "verdict":
      return {
        kind: "verdict",
        verdict: verdictCode(statement.verdict),
        target: verdictTarget(statement.verdict),
      };
    case "match":
      return compileMatch(statement, unsure) ?? unknown();
    case "vmap":
      return compileVerdictMap(statement, unsure) ?? unknown();
    case "mangle":
      return compileMangle(statement) ?? unknown();
    case "notrack":
      return notrack;
    case "reject":
      return compileReject(statement, family);
    case "nat":
      return compileNat(statement, family) ?? unknown();
    case "limit":
    case "quota":
    case "ct-count": {
      const memory = compileMemory(statement);
      const owner = {};
      return (run) => memory(run.stack.matchState(owner, MEMORY_WORDS), 0, run);
    }
    case "object":
      return compileNamedObject(statement, unsure);
    case "set-change":
      return compileSetChange(statement, unsure) ?? unknown();
    case "fwd":
      return compileForward(statement) ?? unknown();
    case "xt":
      // iptables' comments match whatever comes, and its LOG does nothing to the packet.
      if (statement.name === "comment" || statement.name === "LOG" || statement.name === "NFLOG") return null;
      return unknown();
    case "dup":
      return compileDuplicate(statement, family) ?? unknown();
    case "tproxy":
      return compileTproxy(statement, text()) ?? unknown();
    case "reset-option":
      return compileResetOption(statement) ?? unknown();
    case "synproxy":
      return compileSynproxy(statement);
    case "flow-add":
      return flowAdd(statement.flowtable);
    case "other":
      if (statement.text.startsWith("last")) return null;
      return /^queue\b/.test(statement.text) ? compileQueue(text()) : unknown();
    default:
      statement satisfies never;
      throw new Error("unknown statement");
  }
}

/** Does it act, instead of saying whether the rule goes on? */
function isAction(statement: NftStatement): boolean {
  switch (statement.kind) {
    case "match":
    case "vmap":
    case "ct-count":
    case "limit":
    case "quota":
      return false;
    case "xt":
      return statement.type !== "match";
    case "other":
      return /^secmark\b/.test(statement.text);
    default:
      return true;
  }
}

/** A map of more elements than these is asked by its index. */
const FEW = 8;

/** The elements of an anonymous map of a few single words which nothing but its verdicts is told of; null for any other. */
function fewChoices(data: SetSource, types: readonly string[]): readonly Choice[] | null {
  if (data.kind !== "set" || data.elements.length > FEW) return null;
  if (types.length !== 1 || wordsOfType(types[0] as string) !== 1) return null;
  const choices: Choice[] = [];
  for (const { key, data: value, expiresMs, timeoutMs, statements } of data.elements) {
    if (value?.kind !== "verdict" || expiresMs !== null || timeoutMs !== null) return null;
    if (statements.length > 0 || key.kind === "any" || wildcardPrefix(key) !== null) return null;
    const words = foldWords(key);
    if (words?.length !== 1) return null;
    choices.push({
      key: words[0] as number,
      verdict: verdictCode(value.verdict),
      target: verdictTarget(value.verdict),
    });
  }
  return choices;
}

function compileVerdictMap(
  { key, data }: Extract<NftStatement, { kind: "vmap" }>,
  unsure: Step,
): Step | Inline | null {
  const from = compileLoad(key);
  if (from === null) return null;
  const choices = from.words === 1 ? fewChoices(data, typesOf(key)) : null;
  if (choices !== null) return { kind: "choose", from, choices };
  const source = compileSetSource(data, typesOf(key), null);
  return (run) => {
    if (!from.load(run, 0)) return NFT_BREAK;
    const set = source.of(run);
    if (set === null || set.index.keyWords !== from.words) return unsure(run);
    const { sets } = run;
    const found = sets.find(set, run.regs, 0, run.stack.now);
    if (found ? set.index.forgetful : set.index.unreadable > 0) return unsure(run);
    if (!found) return NFT_BREAK;
    run.target = sets.foundTarget();
    const verdict = sets.foundVerdict();
    return sets.askFound(set, run, 0) === NFT_BREAK ? NFT_BREAK : verdict;
  };
}

function notrack(run: Parameters<Step>[0]): number {
  const { ct, ctTemplate } = run.packet;
  // An error about what is untracked has no connection, which alone is asked here: iptables' target sees that it was attached.
  if ((ct === CT_NONE && ctTemplate === NO_TEMPLATE) || ct === CT_OF_UNTRACKED) run.packet.ct = CT_UNTRACKED;
  return NFT_CONTINUE;
}

/** `flow add @f`: the connection goes by the flow table's ways from the next packet on. */
function flowAdd(flowtable: string): Step {
  return ({ stack, packet, table }) => {
    if (table === null) return NFT_BREAK;
    const { family, name } = table.plain;
    return addFlow(stack, packet, flowtableNumber(family, name, flowtable)) ? NFT_CONTINUE : NFT_BREAK;
  };
}
