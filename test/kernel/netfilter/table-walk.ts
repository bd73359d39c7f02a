import fc from "fast-check";
import { expect } from "vitest";
import type { Family } from "../../../src/address/ip.ts";
import type { Chooser } from "../../../src/kernel/chooser.ts";
import { internInterfaceName } from "../../../src/kernel/device/interface-name.ts";
import { emptyHost } from "../../../src/kernel/host.ts";
import { doTable } from "../../../src/kernel/netfilter/do-table.ts";
import { NF_ACCEPT, NF_INET_FORWARD } from "../../../src/kernel/netfilter/hook.ts";
import { CompiledTable } from "../../../src/kernel/netfilter/table.ts";
import { OP_CHAIN_END, OP_POLICY, OP_RULE, Tape } from "../../../src/kernel/tape.ts";
import { Network } from "../../../src/walk/network.ts";
import { Session } from "../../../src/walk/session.ts";
import {
  type GeneratedPacket,
  type GeneratedTable,
  generatedPacket,
  generatedTable,
  packetOf,
  tableText,
  type Walked,
  withoutFragments,
} from "./generated-rules.ts";
import { parsed } from "./parsed.ts";

/** Generated tables walked on one host, and what came of it: for tests that compare ways to walk them. */

export const session = new Session(
  new Network({ hosts: new Map([["box", emptyHost("box", "router")]]), wires: [], origins: { sources: [] } }),
);
export const stack = session.stack(0);

export function compile(table: GeneratedTable, family: Family = 4): CompiledTable {
  const plain = parsed(tableText(table, family), family).tables.get("filter");
  if (plain === undefined) throw new Error("no filter table");
  return new CompiledTable(plain);
}

/** Answers in turn, then yes and no alternately; notes what it was asked. */
export class Answers implements Chooser {
  readonly asked: number[] = [];
  private readonly answers: readonly boolean[];

  constructor(answers: readonly boolean[]) {
    this.answers = answers;
  }

  event(_kind: number, threshold: number): boolean {
    this.asked.push(threshold);
    return this.answers[this.asked.length - 1] ?? this.asked.length % 2 === 0;
  }
  flow(): number {
    throw new Error("no rule asks this");
  }
  pick(): number {
    return 0;
  }

  unknown(): boolean {
    throw new Error("no rule asks this");
  }
}

export type Walk = Walked & { readonly asked: readonly number[]; readonly parts: readonly number[] };

export function walk(
  table: CompiledTable,
  fields: GeneratedPacket,
  answers: readonly boolean[],
  literal: boolean,
  family: Family = 4,
): Walk {
  const chooser = new Answers(answers);
  const tape = new Tape();
  const packet = packetOf(fields, family);
  Object.assign(session.engine, { chooser, tape, literal, rulesEvaluated: 0 });
  stack.inName = internInterfaceName(fields.inDevice);
  stack.outName = internInterfaceName(fields.outDevice);
  const verdict = doTable(stack, table, 3, NF_INET_FORWARD, packet);
  session.engine.tape = null;
  expect(stack.jumpStack.top).toBe(0);
  const { steps, parts } = stepsOf(tape, table);
  return {
    verdict: verdict === NF_ACCEPT ? "ACCEPT" : "DROP",
    mark: packet.mark >>> 0,
    steps,
    parts,
    evaluated: session.engine.rulesEvaluated,
    asked: chooser.asked,
  };
}

/** The same without a tape: what it comes to, and what was asked. */
export function bareWalk(
  table: CompiledTable,
  fields: GeneratedPacket,
  answers: readonly boolean[],
  literal: boolean,
  family: Family = 4,
): Pick<Walk, "verdict" | "mark" | "evaluated" | "asked"> {
  const chooser = new Answers(answers);
  const packet = packetOf(fields, family);
  Object.assign(session.engine, { chooser, literal, rulesEvaluated: 0 });
  stack.inName = internInterfaceName(fields.inDevice);
  stack.outName = internInterfaceName(fields.outDevice);
  const verdict = doTable(stack, table, 3, NF_INET_FORWARD, packet) === NF_ACCEPT ? "ACCEPT" : "DROP";
  return {
    verdict,
    mark: packet.mark >>> 0,
    evaluated: session.engine.rulesEvaluated,
    asked: chooser.asked,
  };
}

/** The tape's records in words, and the rules evaluated before each. */
function stepsOf(tape: Tape, table: CompiledTable): { steps: string[]; parts: number[] } {
  const steps: string[] = [];
  const parts: number[] = [];
  const d = tape.data;
  for (let at = 0; at < tape.length; at += d[at + 1] as number) {
    const [op, , , , mark = 0, place = 0, index = 0, evaluated = 0] = d.subarray(at, at + 8);
    expect(place >>> 24).toBe(3);
    const chain = table.chainAt(place & 0xffffff).name;
    parts.push(evaluated);
    if (op === OP_RULE) steps.push(`${chain} rule ${index + 1} mark ${mark >>> 0}`);
    else if (op === OP_CHAIN_END) steps.push(`${chain} end mark ${mark >>> 0}`);
    else if (op === OP_POLICY) steps.push(`policy mark ${mark >>> 0}`);
    else throw new Error(`opcode ${op}`);
  }
  return { steps, parts };
}

export const FAMILIES = [4, 6] as const;

export const scenes = (family: Family = 4) =>
  fc.record({
    table: family === 6 ? generatedTable().map(withoutFragments) : generatedTable(),
    packets: fc.array(generatedPacket(), { minLength: 1, maxLength: 8 }),
    answers: fc.array(fc.boolean(), { maxLength: 12 }),
  });
