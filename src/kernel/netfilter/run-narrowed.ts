import type { Packet } from "../../packet/packet.ts";
import * as CHOOSER from "../chooser.ts";
import { dnatToOne } from "../nat/targets.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import * as CHAIN_ARENA from "./chain-arena.ts";
import * as STEP from "./destination-code.ts";
import * as DROPPED from "./dropped-by.ts";
import type { NfVerdict } from "./hook.ts";
import * as HOOK from "./hook.ts";
import { statesOf } from "./match/conntrack-state.ts";
import type { NarrowedEntry } from "./narrowed-entry.ts";
import type { MatchTest } from "./rule-context.ts";
import type { TargetAction } from "./target-action.ts";
import * as TARGET_ACTION from "./target-action.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { CHOICE_STATISTIC } = CHOOSER;
const { OP_CHAIN_END, OP_POLICY, OP_RULE } = TAPE;
const { POLICY_ACCEPT } = CHAIN_ARENA;
const { DROPPED_BY_MATCH, DROPPED_BY_POLICY, DROPPED_BY_RULE } = DROPPED;
const { NF_ACCEPT, NF_DROP } = HOOK;
const { XT_CONTINUE, XT_RETURN } = TARGET_ACTION;
const {
  KIND_BITS,
  S_ACCEPT,
  S_ACTION,
  S_CHAIN_END,
  S_CHANCE,
  S_DNAT,
  S_DROP,
  S_GO,
  S_IN,
  S_LAST_TEST,
  S_MARK,
  S_NOT_SRC,
  S_OUT,
  S_PASS,
  S_POLICY,
  S_RULE,
  S_SET_MARK,
  S_SPORT,
  S_SRC,
  S_SRC_IS,
  S_STATE,
  S_TEST,
} = STEP;

const KIND = (1 << KIND_BITS) - 1;

/**
 * Run a packet through a table narrowed to its destination: what `doTable` would do, record for record. Runs per packet.
 *
 * @param start where the code begins
 * @param tableNumber place of the table in its ruleset, for the tape
 */
export function runNarrowed(
  stack: Stack,
  { code, tests, actions }: NarrowedEntry,
  start: number,
  tableNumber: number,
  hook: number,
  packet: Packet,
): NfVerdict {
  const engine = stack.engine;
  const { tape } = engine;
  /** Rules evaluated since the last record. */
  let evaluated = 0;
  /** The states of its connection once they were asked for; 0: not yet. */
  let states = 0;
  let at = start;
  for (;;) {
    const step = code[at] as number;
    evaluated += step >>> KIND_BITS;
    switch (step & KIND) {
      case S_LAST_TEST: {
        const holds = (tests[code[at + 1] as number] as MatchTest).test(packet, stack);
        if (stack.hotdrop) break;
        at = holds ? at + 3 : start + (code[at + 2] as number);
        continue;
      }
      case S_CHANCE:
        if (engine.chooser.event(CHOICE_STATISTIC, code[at + 1] as number)) at += 3;
        else at = start + (code[at + 2] as number);
        continue;
      case S_SRC_IS:
        if (packet.src !== code[at + 1]) at += 3;
        else at = start + (code[at + 2] as number);
        continue;
      case S_NOT_SRC:
        if ((packet.src & (code[at + 2] as number)) !== code[at + 1]) at += 4;
        else at = start + (code[at + 3] as number);
        continue;
      case S_STATE: {
        if (states === 0) states = statesOf(packet, stack.conntrack);
        const holds = ((code[at + 1] as number) & states) !== 0;
        at = holds === (code[at + 2] === 0) ? at + 4 : start + (code[at + 3] as number);
        continue;
      }
      case S_RULE:
      case S_CHAIN_END: {
        const place = (tableNumber << 24) | (code[at + 1] as number);
        const op = (step & KIND) === S_RULE ? OP_RULE : OP_CHAIN_END;
        const index = code[at + 2] as number;
        tape?.words6(op, stack.host, packet.number, packet.mark, place, index, evaluated);
        engine.rulesEvaluated += evaluated;
        evaluated = 0;
        at += 3;
        continue;
      }
      case S_MARK: {
        const holds = (packet.mark & (code[at + 2] as number)) === code[at + 1];
        at = holds === (code[at + 3] === 0) ? at + 5 : start + (code[at + 4] as number);
        continue;
      }
      case S_SET_MARK:
        packet.mark = (packet.mark & ~(code[at + 2] as number)) ^ (code[at + 1] as number);
        at += 3;
        continue;
      case S_DNAT:
        engine.rulesEvaluated += evaluated;
        return dnatToOne(stack, packet, code[at + 1] as number, code[at + 2] as number);
      case S_POLICY: {
        engine.rulesEvaluated += evaluated;
        const place = (tableNumber << 24) | (code[at + 1] as number);
        const length = code[at + 2] as number;
        tape?.words6(OP_POLICY, stack.host, packet.number, packet.mark, place, length, evaluated);
        if (code[at + 3] === POLICY_ACCEPT) return NF_ACCEPT;
        stack.dropBy = DROPPED_BY_POLICY;
        return NF_DROP;
      }
      case S_GO:
        at = start + (code[at + 1] as number);
        continue;
      case S_ACTION: {
        const verdict = (actions[code[at + 1] as number] as TargetAction).apply(stack, packet, hook);
        states = 0;
        if (verdict === XT_CONTINUE) at += 3;
        else if (verdict === XT_RETURN) at = start + (code[at + 2] as number);
        else {
          engine.rulesEvaluated += evaluated;
          return verdict;
        }
        continue;
      }
      case S_ACCEPT:
        engine.rulesEvaluated += evaluated;
        return NF_ACCEPT;
      case S_DROP:
        engine.rulesEvaluated += evaluated;
        stack.dropBy = DROPPED_BY_RULE;
        return NF_DROP;
      case S_TEST:
        if ((tests[code[at + 1] as number] as MatchTest).test(packet, stack)) at += 3;
        else if (stack.hotdrop) break;
        else at = start + (code[at + 2] as number);
        continue;
      case S_SRC:
        if ((packet.src & (code[at + 2] as number)) === code[at + 1]) at += 4;
        else at = start + (code[at + 3] as number);
        continue;
      case S_SPORT: {
        const range = code[at + 1] as number;
        const holds = packet.sport >= (range & 0xffff) && packet.sport <= range >>> 16;
        at = holds === (code[at + 2] === 0) ? at + 4 : start + (code[at + 3] as number);
        continue;
      }
      case S_IN: {
        const holds = stack.inName === code[at + 1];
        at = holds === (code[at + 2] === 0) ? at + 4 : start + (code[at + 3] as number);
        continue;
      }
      case S_OUT: {
        const holds = stack.outName === code[at + 1];
        at = holds === (code[at + 2] === 0) ? at + 4 : start + (code[at + 3] as number);
        continue;
      }
      case S_PASS:
        at++;
        continue;
    }
    // A match drops the packet by itself.
    stack.hotdrop = false;
    engine.rulesEvaluated += evaluated;
    stack.dropBy = DROPPED_BY_MATCH;
    return NF_DROP;
  }
}
