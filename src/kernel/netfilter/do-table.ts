import type { Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import type { ChainArena } from "./chain-arena.ts";
import * as CHAIN_ARENA from "./chain-arena.ts";
import type { ChainIndex } from "./chain-index.ts";
import * as COLUMNS from "./columns.ts";
import * as DROPPED from "./dropped-by.ts";
import type { NfVerdict } from "./hook.ts";
import * as HOOK from "./hook.ts";
import { statesOf } from "./match/conntrack-state.ts";
import * as NARROWED_ENTRY from "./narrowed-entry.ts";
import type { MatchTest } from "./rule-context.ts";
import { fieldsMatch } from "./rule-fields.ts";
import { runNarrowed } from "./run-narrowed.ts";
import type { CompiledTable } from "./table.ts";
import type { TargetAction } from "./target-action.ts";
import * as TARGET_ACTION from "./target-action.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { OP_CHAIN_END, OP_POLICY, OP_RULE } = TAPE;
const { H_LENGTH, H_POLICY, H_START, HEAD_STRIDE, POLICY_ACCEPT, POLICY_NONE } = CHAIN_ARENA;
const {
  A_ACCEPT,
  A_CONTINUE,
  A_DROP,
  A_EXTENDED,
  A_GOTO,
  A_JUMP,
  A_MARK,
  A_RETURN,
  C_ACTION,
  C_ARG,
  C_ARG2,
  C_FLAGS,
  C_TESTS,
  DST_STRIDE,
  F_FIELDS,
  F_INV_STATE,
  F_STATE,
  STATE_SHIFT,
  STRIDE,
} = COLUMNS;
const { DROPPED_BY_MATCH, DROPPED_BY_POLICY, DROPPED_BY_RULE } = DROPPED;
const { NF_ACCEPT, NF_DROP } = HOOK;
const { NO_CODE } = NARROWED_ENTRY;
const { XT_CONTINUE, XT_RETURN } = TARGET_ACTION;

/** Chains deeper than this are a loop the kernel refuses to load (`ipt_do_table`'s jump stack). */
const DEPTH_AT_MOST = 1024;

/** Behind the last rule of any chain. */
const BEHIND_ALL = 0x3fffffff;

/** Chains jumped from and where to go on, for all tables being walked on one host: inner walks stack above outer ones. */
export class JumpStack {
  readonly chain = new Int32Array(DEPTH_AT_MOST);
  readonly index = new Int32Array(DEPTH_AT_MOST);
  top = 0;
}

/**
 * `ipt_do_table`: walk a packet through a table from a hook's built-in chain to a verdict.
 *
 * Where the table was narrowed to the packet's destination (`narrowed-entry.ts`) that is run instead. Else a chain with an index
 * is entered by it, one without is walked rule by rule; `stack.literal` walks them all. All count the rules a literal walk
 * evaluates. This is code that runs per packet.
 *
 * @param tableNumber place of the table in its ruleset, for the tape
 */
export function doTable(
  stack: Stack,
  table: CompiledTable,
  tableNumber: number,
  hook: number,
  packet: Packet,
): NfVerdict {
  const entry = table.entry[hook] as number;
  if (entry < 0) return NF_ACCEPT;
  const { literal, tape } = stack.engine;
  if (!literal && packet.fragOffset === 0) {
    const narrowed = table.narrowed(hook, tape !== null);
    const code = narrowed.find(packet);
    if (code !== NO_CODE) return runNarrowed(stack, narrowed, code, tableNumber, hook, packet);
  }
  return walkTable(stack, table, tableNumber, hook, entry, packet);
}

/** The walk from the chain of a slot on, chain by chain. */
function walkTable(
  stack: Stack,
  table: CompiledTable,
  tableNumber: number,
  hook: number,
  entry: number,
  packet: Packet,
): NfVerdict {
  const engine = stack.engine;
  const { tape, literal } = engine;
  const jumps = stack.jumpStack;
  const base = jumps.top;
  const replaced = table.replaced;
  let slot = entry;
  let i = 0;
  /** Rules evaluated since the last record. */
  let evaluated = 0;

  // A chain is entered, or gone on with at `i`.
  chain: for (;;) {
    const arena = table.arenaOf(slot);
    const place = slot - arena.first;
    const { heads, columns } = arena;
    const start = heads[place * HEAD_STRIDE + H_START] as number;
    const length = heads[place * HEAD_STRIDE + H_LENGTH] as number;
    const index = arena.indexAt(place);

    // The next rule that matches, from i on.
    for (; i < length; i++) {
      const from = i;
      i =
        index === null || literal
          ? walkChain(stack, arena, start, length, i, packet)
          : searchChain(stack, arena, index, start, length, i, packet);
      if (i === length) {
        evaluated += length - from;
        break;
      }
      evaluated += i - from + 1;
      if (stack.hotdrop) {
        stack.hotdrop = false;
        engine.rulesEvaluated += evaluated;
        jumps.top = base;
        stack.dropBy = DROPPED_BY_MATCH;
        return NF_DROP;
      }
      if (tape !== null) {
        tape.words6(
          OP_RULE,
          stack.host,
          packet.number,
          packet.mark,
          (tableNumber << 24) | slot,
          i,
          evaluated,
        );
        engine.rulesEvaluated += evaluated;
        evaluated = 0;
      }
      const at = (start + i) * STRIDE;
      let action = columns[at + C_ACTION] as number;
      if (action === A_EXTENDED) {
        const verdict = (arena.actions[columns[at + C_ARG] as number] as TargetAction).apply(
          stack,
          packet,
          hook,
        );
        if (verdict === XT_CONTINUE) continue;
        if (verdict !== XT_RETURN) {
          engine.rulesEvaluated += evaluated;
          jumps.top = base;
          return verdict;
        }
        action = A_RETURN;
      }
      switch (action) {
        case A_CONTINUE:
          continue;
        case A_MARK:
          packet.mark = (packet.mark & ~(columns[at + C_ARG2] as number)) ^ (columns[at + C_ARG] as number);
          continue;
        case A_ACCEPT:
          engine.rulesEvaluated += evaluated;
          jumps.top = base;
          return NF_ACCEPT;
        case A_DROP:
          engine.rulesEvaluated += evaluated;
          jumps.top = base;
          stack.dropBy = DROPPED_BY_RULE;
          return NF_DROP;
        case A_JUMP:
          if (jumps.top >= DEPTH_AT_MOST) throw new Error(`chains of table ${table.name} jump in a circle`);
          jumps.chain[jumps.top] = slot;
          jumps.index[jumps.top] = i + 1;
          jumps.top++;
          break;
        case A_GOTO:
          break;
        case A_RETURN:
          // From a user chain behind the jump; from a built-in chain, or where only gotos led here, to the policy.
          if (jumps.top === base) {
            slot = entry;
            i = BEHIND_ALL;
          } else {
            jumps.top--;
            slot = jumps.chain[jumps.top] as number;
            i = jumps.index[jumps.top] as number;
          }
          continue chain;
      }
      slot = columns[at + C_ARG] as number;
      if (replaced !== null) slot = replaced.get(slot) ?? slot;
      i = 0;
      continue chain;
    }

    const policy = heads[place * HEAD_STRIDE + H_POLICY] as number;
    if (policy !== POLICY_NONE) {
      engine.rulesEvaluated += evaluated;
      tape?.words6(
        OP_POLICY,
        stack.host,
        packet.number,
        packet.mark,
        (tableNumber << 24) | slot,
        length,
        evaluated,
      );
      jumps.top = base;
      if (policy === POLICY_ACCEPT) return NF_ACCEPT;
      stack.dropBy = DROPPED_BY_POLICY;
      return NF_DROP;
    }
    if (tape !== null) {
      tape.words6(
        OP_CHAIN_END,
        stack.host,
        packet.number,
        packet.mark,
        (tableNumber << 24) | slot,
        length,
        evaluated,
      );
      engine.rulesEvaluated += evaluated;
      evaluated = 0;
    }
    // A user chain came to its end: go on behind the jump, or at the policy where only gotos led here.
    if (jumps.top === base) {
      slot = entry;
      i = BEHIND_ALL;
    } else {
      jumps.top--;
      slot = jumps.chain[jumps.top] as number;
      i = jumps.index[jumps.top] as number;
    }
  }
}

/** The literal walk: the first rule of a chain from `i` on that matches, or its length. */
function walkChain(
  stack: Stack,
  arena: ChainArena,
  start: number,
  length: number,
  i: number,
  packet: Packet,
): number {
  const destinations = arena.destinations;
  const dst = packet.dst;
  const end = (start + length) * DST_STRIDE;
  for (let d = (start + i) * DST_STRIDE; d < end; d += DST_STRIDE) {
    if ((dst & (destinations[d + 1] as number)) !== destinations[d]) continue;
    const place = d / DST_STRIDE;
    if (ruleMatches(stack, arena, place * STRIDE, packet)) return place - start;
  }
  return length;
}

/** The indexed walk: the same answer from the rules that can match at all. */
function searchChain(
  stack: Stack,
  arena: ChainArena,
  index: ChainIndex,
  start: number,
  length: number,
  i: number,
  packet: Packet,
): number {
  const destinations = arena.destinations;
  let found = index.next(packet, i);
  while (found < length) {
    const place = start + found;
    if (
      (packet.dst & (destinations[place * DST_STRIDE + 1] as number)) === destinations[place * DST_STRIDE] &&
      ruleMatches(stack, arena, place * STRIDE, packet)
    ) {
      return found;
    }
    found = index.next(packet, found + 1);
  }
  return length;
}

/** `ip_packet_match` behind the destination, and the matches behind it. */
function ruleMatches(stack: Stack, arena: ChainArena, at: number, packet: Packet): boolean {
  const columns = arena.columns;
  const flags = columns[at + C_FLAGS] as number;
  if ((flags & F_FIELDS) !== 0 && !fieldsMatch(stack, columns, at, packet, flags)) return false;
  if ((flags & F_STATE) !== 0) {
    const holds = ((flags >>> STATE_SHIFT) & statesOf(packet, stack.conntrack)) !== 0;
    if (holds === ((flags & F_INV_STATE) !== 0)) return false;
  }
  const tests = columns[at + C_TESTS] as number;
  return tests === 0 || testsMatch(stack, arena, tests, packet);
}

function testsMatch(stack: Stack, arena: ChainArena, tests: number, packet: Packet): boolean {
  const first = tests & 0xffffff;
  const end = first + (tests >>> 24);
  for (let t = first; t < end; t++) {
    // What a match drops by itself goes no further: the rule seems found.
    if (!(arena.tests[t] as MatchTest).test(packet, stack)) return stack.hotdrop;
  }
  return true;
}
