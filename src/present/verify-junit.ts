import type { Verified } from "../analyze/verify.ts";
import { traceCommandLine } from "./trace-command-line.ts";
import { hasBoth } from "./verify-text.ts";

/** What verification found as a JUnit report: a test case for each principle, as build servers read it. */
export function verifyJunit(
  verified: readonly Verified[],
  { source }: { readonly source: readonly string[] },
): string {
  const count = (kind: string) => verified.filter(({ finding }) => finding.kind === kind).length;
  const totals = `tests="${verified.length}" failures="${count("broken")}" skipped="${count("not-checkable")}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${totals}>`,
    `  <testsuite name="hopscope verify" ${totals}>`,
    ...verified.flatMap((one) => caseLines(one, source, hasBoth(verified))),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function caseLines(
  { principle, family, finding }: Verified,
  source: readonly string[],
  both: boolean,
): string[] {
  const of = family === 4 && !both ? "" : `IPv${family}: `;
  const name = escaped(`${principle.number} ${of}${principle.sentence}`);
  const head = `    <testcase classname="${escaped(`hopscope.verify.${principle.name}`)}" name="${name}"`;
  switch (finding.kind) {
    case "passed":
      return [`${head}/>`];
    case "not-checkable":
      return [`${head}>`, `      <skipped message="${escaped(finding.why)}"/>`, "    </testcase>"];
    case "broken": {
      const { expected, happened, question } = finding.counterexample;
      const body = `expected: ${expected}\nhappened: ${happened}\nshown by: ${traceCommandLine(question, source)}`;
      return [
        `${head}>`,
        `      <failure message="${escaped(happened)}">${escaped(body)}</failure>`,
        "    </testcase>",
      ];
    }
    default:
      return finding satisfies never;
  }
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}
