import type { NftRun } from "./nft-run.ts";
import type { Load } from "./read.ts";
import type { Inline, Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

/** What a statement is in code, and behind it: */
const OP_STEP = 0; // number of the step
const OP_VERDICT = 1; // verdict, target
const OP_COMPARE = 2; // number of the load, 1 for equality, word
const OP_CHOOSE = 3; // number of the load, number of choices, each a key, a verdict, a target
const OP_FILL = 4; // number of words, the words

/**
 * The rules of chains as integers, chain behind chain, so that a packet to one of very many services touches few lines of
 * memory. Of a chain first the places where its rules begin and the last one ends, then the rules. Only ever added to.
 */
export class RuleCode {
  words = new Int32Array(0);
  private length = 0;
  private readonly steps: Step[] = [];
  private readonly loads: Load[] = [];
  private readonly numbers = new Map<Step | Load, number>();

  /** Add a chain's rules, each its statements; returns the place of the first rule's place. */
  add(rules: readonly (readonly (Step | Inline)[])[]): number {
    const start = this.length;
    this.append(...rules.map(() => 0), 0);
    for (const [i, statements] of rules.entries()) {
      this.words[start + i] = this.length;
      for (const statement of statements) this.encode(statement);
    }
    this.words[start + rules.length] = this.length;
    return start;
  }

  /** A rule's statements in turn until one ends it. Runs per packet. */
  evaluate(start: number, rule: number, run: NftRun): number {
    const { words, steps, loads } = this;
    const { regs } = run;
    const end = words[start + rule + 1] as number;
    let at = words[start + rule] as number;
    while (at < end) {
      switch (words[at]) {
        case OP_COMPARE: {
          if (!(loads[words[at + 1] as number] as Load).load(run, 0)) return NFT_BREAK;
          if ((regs[0] === words[at + 3]) !== (words[at + 2] === 1)) return NFT_BREAK;
          at += 4;
          break;
        }
        case OP_VERDICT: {
          const verdict = words[at + 1] as number;
          run.target = words[at + 2] as number;
          if (verdict !== NFT_CONTINUE) return verdict;
          at += 3;
          break;
        }
        case OP_CHOOSE: {
          if (!(loads[words[at + 1] as number] as Load).load(run, 0)) return NFT_BREAK;
          const behind = at + 3 + 3 * (words[at + 2] as number);
          at += 3;
          while (at < behind && words[at] !== regs[0]) at += 3;
          if (at === behind) return NFT_BREAK;
          const verdict = words[at + 1] as number;
          run.target = words[at + 2] as number;
          if (verdict !== NFT_CONTINUE) return verdict;
          at = behind;
          break;
        }
        case OP_FILL: {
          const count = words[at + 1] as number;
          for (let i = 0; i < count; i++) regs[i] = words[at + 2 + i] as number;
          at += 2 + count;
          break;
        }
        default: {
          const verdict = (steps[words[at + 1] as number] as Step)(run);
          if (verdict !== NFT_CONTINUE) return verdict;
          at += 2;
        }
      }
    }
    return NFT_CONTINUE;
  }

  private encode(statement: Step | Inline): void {
    if (typeof statement === "function") {
      this.append(OP_STEP, this.numberOf(this.steps, statement));
      return;
    }
    switch (statement.kind) {
      case "verdict":
        this.append(OP_VERDICT, statement.verdict, statement.target);
        return;
      case "compare": {
        const load = this.numberOf(this.loads, statement.from);
        this.append(OP_COMPARE, load, statement.equal ? 1 : 0, statement.word);
        return;
      }
      case "choose": {
        const { from, choices } = statement;
        this.append(OP_CHOOSE, this.numberOf(this.loads, from), choices.length);
        for (const { key, verdict, target } of choices) this.append(key, verdict, target);
        return;
      }
      case "fill":
        this.append(OP_FILL, statement.words.length, ...statement.words);
        this.append(OP_STEP, this.numberOf(this.steps, statement.step));
        return;
      default:
        statement satisfies never;
    }
  }

  private numberOf<T extends Step | Load>(list: T[], item: T): number {
    let number = this.numbers.get(item);
    if (number === undefined) {
      number = list.push(item) - 1;
      this.numbers.set(item, number);
    }
    return number;
  }

  private append(...words: readonly number[]): void {
    const length = this.length + words.length;
    if (length > this.words.length) {
      // A walk that is inside a rule goes on in the old array, which holds the same up to here.
      const larger = new Int32Array(Math.max(length, 2 * this.words.length));
      larger.set(this.words);
      this.words = larger;
    }
    this.words.set(words, this.length);
    this.length = length;
  }
}
