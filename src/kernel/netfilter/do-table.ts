import { IPPROTO_TCP, IPPROTO_UDP, type Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import { OP_CHAIN_END, OP_POLICY, OP_RULE } from "../tape.ts";
import {
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
  C_DPORT,
  C_DST,
  C_DST_MASK,
  C_FLAGS,
  C_IN,
  C_MARK,
  C_MARK_MASK,
  C_OUT,
  C_PROTO,
  C_SPORT,
  C_SRC,
  C_SRC_MASK,
  C_TESTS,
  F_FRAGMENT,
  F_INV_DPORT,
  F_INV_DST,
  F_INV_FRAGMENT,
  F_INV_IN,
  F_INV_MARK,
  F_INV_OUT,
  F_INV_PROTO,
  F_INV_SPORT,
  F_INV_SRC,
  F_MARK,
  F_PORTS,
  STRIDE,
} from "./columns.ts";
import { NF_ACCEPT, NF_DROP, type NfVerdict } from "./hook.ts";
import type { MatchTest } from "./rule-context.ts";
import type { CompiledChain, CompiledTable } from "./table.ts";
import { type TargetAction, XT_CONTINUE, XT_RETURN } from "./target-action.ts";

/** Chains deeper than this are a loop the kernel refuses to load (`ipt_do_table`'s jump stack). */
const DEPTH_AT_MOST = 1024;

/** Chains jumped from and where to go on, for all tables being walked on one host: inner walks stack above outer ones. */
export class JumpStack {
  readonly chain = new Int32Array(DEPTH_AT_MOST);
  readonly index = new Int32Array(DEPTH_AT_MOST);
  top = 0;
}

/**
 * `ipt_do_table`: walk a packet through a table from a hook's built-in chain to a verdict.
 *
 * A chain with an index is entered by it, one without is walked rule by rule; `stack.literal` walks them all. Both count
 * the rules a literal walk evaluates. This is code that runs per packet.
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
  let slot = table.entry[hook] as number;
  if (slot < 0) return NF_ACCEPT;
  const jumps = stack.jumpStack;
  const base = jumps.top;
  const tape = stack.tape;
  const literal = stack.literal;
  let chain = table.chains[slot] as CompiledChain;
  let i = 0;
  /** Rules evaluated since the last record. */
  let evaluated = 0;

  for (;;) {
    // The next rule that matches, from i on.
    const length = chain.length;
    const columns = chain.columns;
    const index = literal ? null : chain.index;
    if (index === null) {
      const from = i;
      while (i < length && !ruleMatches(stack, chain, columns, i * STRIDE, packet)) i++;
      evaluated += i < length ? i - from + 1 : length - from;
    } else {
      const from = i;
      i = index.next(packet, i);
      while (i < length && !ruleMatches(stack, chain, columns, i * STRIDE, packet))
        i = index.next(packet, i + 1);
      evaluated += i < length ? i - from + 1 : length - from;
    }

    if (i >= length) {
      const policy = chain.plain.policy;
      if (policy !== null) {
        stack.rulesEvaluated += evaluated;
        const accepts = policy === "ACCEPT";
        if (tape !== null) {
          tape.words8(
            OP_POLICY,
            stack.host,
            packet.number,
            packet.mark,
            (tableNumber << 24) | slot,
            length,
            evaluated,
            accepts ? 1 : 0,
            0,
          );
        }
        jumps.top = base;
        if (!accepts) stack.dropBy = -1;
        return accepts ? NF_ACCEPT : NF_DROP;
      }
      if (tape !== null) {
        tape.words8(
          OP_CHAIN_END,
          stack.host,
          packet.number,
          packet.mark,
          (tableNumber << 24) | slot,
          length,
          evaluated,
          0,
          0,
        );
        stack.rulesEvaluated += evaluated;
        evaluated = 0;
      }
      // A user chain came to its end: go on behind the jump, or at the policy where only gotos led here.
      if (jumps.top === base) {
        slot = table.entry[hook] as number;
        chain = table.chains[slot] as CompiledChain;
        i = chain.length;
        continue;
      }
      jumps.top--;
      slot = jumps.chain[jumps.top] as number;
      i = jumps.index[jumps.top] as number;
      chain = table.chains[slot] as CompiledChain;
      continue;
    }

    if (tape !== null) {
      tape.words8(
        OP_RULE,
        stack.host,
        packet.number,
        packet.mark,
        (tableNumber << 24) | slot,
        i,
        evaluated,
        0,
        0,
      );
      stack.rulesEvaluated += evaluated;
      evaluated = 0;
    }
    const at = i * STRIDE;
    switch (columns[at + C_ACTION]) {
      case A_CONTINUE:
        i++;
        continue;
      case A_MARK:
        packet.mark = (packet.mark & ~(columns[at + C_ARG2] as number)) ^ (columns[at + C_ARG] as number);
        i++;
        continue;
      case A_JUMP:
        if (jumps.top >= DEPTH_AT_MOST) throw new Error(`chains of table ${table.name} jump in a circle`);
        jumps.chain[jumps.top] = slot;
        jumps.index[jumps.top] = i + 1;
        jumps.top++;
        slot = (table.jumpSlots[slot] as Int32Array)[columns[at + C_ARG] as number] as number;
        chain = table.chains[slot] as CompiledChain;
        i = 0;
        continue;
      case A_GOTO: {
        slot = (table.jumpSlots[slot] as Int32Array)[columns[at + C_ARG] as number] as number;
        chain = table.chains[slot] as CompiledChain;
        i = 0;
        continue;
      }
      case A_ACCEPT:
        stack.rulesEvaluated += evaluated;
        jumps.top = base;
        return NF_ACCEPT;
      case A_DROP:
        stack.rulesEvaluated += evaluated;
        jumps.top = base;
        stack.dropBy = 0;
        return NF_DROP;
      case A_EXTENDED: {
        const verdict = (chain.actions[columns[at + C_ARG] as number] as TargetAction).apply(
          stack,
          packet,
          hook,
        );
        if (verdict === XT_CONTINUE) {
          i++;
          continue;
        }
        if (verdict !== XT_RETURN) {
          stack.rulesEvaluated += evaluated;
          jumps.top = base;
          return verdict;
        }
        break;
      }
      case A_RETURN:
        break;
    }
    // RETURN: from a user chain behind the jump; from a built-in chain, or where only gotos led here, to the policy.
    if (jumps.top === base) {
      slot = table.entry[hook] as number;
      chain = table.chains[slot] as CompiledChain;
      i = chain.length;
      continue;
    }
    jumps.top--;
    slot = jumps.chain[jumps.top] as number;
    i = jumps.index[jumps.top] as number;
    chain = table.chains[slot] as CompiledChain;
  }
}

/** `ip_packet_match` and the matches behind it. */
function ruleMatches(
  stack: Stack,
  chain: CompiledChain,
  columns: Int32Array,
  at: number,
  packet: Packet,
): boolean {
  const flags = columns[at + C_FLAGS] as number;
  if (flags === 0) {
    if ((packet.dst & (columns[at + C_DST_MASK] as number)) !== columns[at + C_DST]) return false;
    if ((packet.src & (columns[at + C_SRC_MASK] as number)) !== columns[at + C_SRC]) return false;
    const protocol = columns[at + C_PROTO] as number;
    if (protocol !== 0 && packet.protocol !== protocol) return false;
    const inName = columns[at + C_IN] as number;
    if (inName >= 0 && stack.inName !== inName) return false;
    const outName = columns[at + C_OUT] as number;
    if (outName >= 0 && stack.outName !== outName) return false;
  } else if (!flaggedMatches(stack, columns, at, packet, flags)) return false;
  const tests = columns[at + C_TESTS] as number;
  return tests === 0 || testsMatch(stack, chain, tests, packet);
}

function flaggedMatches(
  stack: Stack,
  columns: Int32Array,
  at: number,
  packet: Packet,
  flags: number,
): boolean {
  if (
    ((packet.dst & (columns[at + C_DST_MASK] as number)) !== columns[at + C_DST]) !==
    ((flags & F_INV_DST) !== 0)
  ) {
    return false;
  }
  const protocol = columns[at + C_PROTO] as number;
  if (protocol !== 0 && (packet.protocol !== protocol) !== ((flags & F_INV_PROTO) !== 0)) return false;
  if ((flags & F_PORTS) !== 0) {
    if (packet.fragOffset !== 0 || (packet.protocol !== IPPROTO_TCP && packet.protocol !== IPPROTO_UDP))
      return false;
    const dports = columns[at + C_DPORT] as number;
    const dport = packet.dport;
    if ((dport < (dports & 0xffff) || dport > dports >>> 16) !== ((flags & F_INV_DPORT) !== 0)) return false;
    const sports = columns[at + C_SPORT] as number;
    const sport = packet.sport;
    if ((sport < (sports & 0xffff) || sport > sports >>> 16) !== ((flags & F_INV_SPORT) !== 0)) return false;
  }
  if (
    ((packet.src & (columns[at + C_SRC_MASK] as number)) !== columns[at + C_SRC]) !==
    ((flags & F_INV_SRC) !== 0)
  ) {
    return false;
  }
  const inName = columns[at + C_IN] as number;
  if (inName >= 0 && (stack.inName !== inName) !== ((flags & F_INV_IN) !== 0)) return false;
  const outName = columns[at + C_OUT] as number;
  if (outName >= 0 && (stack.outName !== outName) !== ((flags & F_INV_OUT) !== 0)) return false;
  if (
    (flags & F_MARK) !== 0 &&
    ((packet.mark & (columns[at + C_MARK_MASK] as number)) !== columns[at + C_MARK]) !==
      ((flags & F_INV_MARK) !== 0)
  ) {
    return false;
  }
  if (
    (flags & (F_FRAGMENT | F_INV_FRAGMENT)) !== 0 &&
    (packet.fragOffset !== 0) !== ((flags & F_FRAGMENT) !== 0)
  ) {
    return false;
  }
  return true;
}

function testsMatch(stack: Stack, chain: CompiledChain, tests: number, packet: Packet): boolean {
  const first = tests & 0xffffff;
  const end = first + (tests >>> 24);
  for (let t = first; t < end; t++) {
    if (!(chain.tests[t] as MatchTest).test(packet, stack)) return false;
  }
  return true;
}
