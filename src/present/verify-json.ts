import type { Finding } from "../analyze/principle.ts";
import type { Verified } from "../analyze/verify.ts";
import { destinationText, traceCommandLine } from "./trace-command-line.ts";
import type { VerifyTextOptions } from "./verify-text.ts";

/** What verification found, in its public form: `hopscope.verify/v1`. */
export function verifyJson(
  verified: readonly Verified[],
  { source, assumptions, leftOut }: Omit<VerifyTextOptions, "width" | "paint">,
): Readonly<Record<string, unknown>> {
  return {
    schema: "hopscope.verify/v1",
    principles: verified.map(({ principle: { number, name, sentence }, family, finding }) => ({
      number,
      name,
      sentence,
      family,
      ...findingJson(finding, source),
    })),
    leftOut,
    assumptions,
  };
}

function findingJson(finding: Finding, source: readonly string[]): Readonly<Record<string, unknown>> {
  if (finding.kind === "not-checkable") return { result: finding.kind, why: finding.why };
  const { kind: result, checked, notes } = finding;
  if (finding.kind === "passed") return { result, checked, notes };
  const { pods, nodes, question, expected, happened } = finding.counterexample;
  const [from, to] = [question.from.ref, destinationText(question.to)];
  const trace = traceCommandLine(question, source);
  return { result, checked, notes, counterexample: { pods, nodes, from, to, expected, happened, trace } };
}
