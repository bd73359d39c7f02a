import type { ClusterMembers, PodMember } from "./cluster-members.ts";
import type { Pairs } from "./pairs.ts";
import type { Answer, Question, Walker } from "./walker.ts";

/** One of the nine principles of the Kubernetes network model: a sentence, and a check of it that walks real packets. */
export interface Principle {
  readonly number: number;
  /** As files and machines call it: `own-address`. */
  readonly name: string;
  readonly sentence: string;
  check(cluster: Inspected): Finding;
}

/** A built cluster under inspection. */
export interface Inspected {
  readonly members: ClusterMembers;
  readonly walker: Walker;
  readonly pairs: Pairs;
  /** Routes from outside to pods and cluster IPs are meant to be there. */
  readonly routed: boolean;
}

export type Finding =
  | { readonly kind: "passed"; readonly checked: Checked; readonly notes: readonly string[] }
  | {
      readonly kind: "broken";
      readonly checked: Checked;
      readonly notes: readonly string[];
      readonly counterexample: Counterexample;
    }
  /** Nothing of it could be asked, or no walk could decide it. */
  | { readonly kind: "not-checkable"; readonly why: string };

/** How much was looked at: of so many cases that there are. A broken one ends the search. */
export interface Checked {
  readonly cases: number;
  readonly of: number;
  /** Walks that could not decide: they left what is modelled, or met a match that is not. */
  readonly undecided: number;
}

/** The smallest way to see that a principle is broken: few pods, few nodes, one question. */
export interface Counterexample {
  readonly pods: readonly string[];
  readonly nodes: readonly string[];
  readonly question: Question;
  readonly expected: string;
  readonly happened: string;
}

/** One thing to look at: a question, who takes part in it, and what its answers mean. */
export interface Case {
  readonly pods: readonly string[];
  readonly nodes: readonly string[];
  readonly question: Question;
  readonly expected: string;
  judge(answers: readonly Answer[]): Judgement;
}

export type Judgement =
  | { readonly kind: "holds" }
  | { readonly kind: "broken"; readonly happened: string }
  | { readonly kind: "undecided" };

export const HOLDS: Judgement = { kind: "holds" };
export const UNDECIDED: Judgement = { kind: "undecided" };

export function broken(happened: string): Judgement {
  return { kind: "broken", happened };
}

/** What a list of cases leaves to say beside their judgements. */
interface Remarks {
  /** So many cases there are where only some are looked at; default: all of them are. */
  readonly of?: number;
  /** Why there is no case at all. */
  readonly none: string;
  /** Asked for at the end: what a reader should know of a principle that passed. */
  notes?(): readonly string[];
}

/** Looks at the smallest cases first, those of fewest nodes and then fewest pods, and ends at the first broken one. */
export function search({ walker }: Inspected, cases: readonly Case[], remarks: Remarks): Finding {
  const { none, of = cases.length, notes = () => [] } = remarks;
  if (cases.length === 0) return { kind: "not-checkable", why: none };
  let seen = 0;
  let undecided = 0;
  let policed = 0;
  for (const one of [...cases].sort(bySize)) {
    const answers = walker.ask(one.question);
    const judgement = one.judge(answers);
    seen++;
    if (judgement.kind === "undecided") {
      if (answers.some(({ isPoliced }) => isPoliced)) policed++;
      else undecided++;
    }
    if (judgement.kind !== "broken") continue;
    const { pods, nodes, question, expected } = one;
    const { happened } = judgement;
    return {
      kind: "broken",
      checked: { cases: seen, of, undecided },
      notes: notes(),
      counterexample: { pods, nodes, question, expected, happened },
    };
  }
  if (policed === seen) {
    return { kind: "not-checkable", why: `network policies stop all of ${seen} walks` };
  }
  if (undecided + policed === seen) {
    return { kind: "not-checkable", why: `none of ${seen} walks came to where it could be decided` };
  }
  const kept = policed === 0 ? [] : [`network policies stop ${policed} of ${seen} walks: those are left out`];
  return { kind: "passed", checked: { cases: seen, of, undecided }, notes: [...notes(), ...kept] };
}

function bySize(a: Case, b: Case): number {
  return a.nodes.length - b.nodes.length || a.pods.length - b.pods.length;
}

/** The nodes of pods, each once. */
export function nodesOf(...pods: readonly PodMember[]): string[] {
  return [...new Set(pods.flatMap(({ node }) => (node === null ? [] : [node.name])))];
}
