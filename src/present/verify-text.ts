import type { Checked, Counterexample } from "../analyze/principle.ts";
import type { Verified } from "../analyze/verify.ts";
import { hang } from "./fold.ts";
import type { Paint } from "./paint.ts";
import { traceCommandLine } from "./trace-command-line.ts";

export interface VerifyTextOptions {
  readonly width: number;
  readonly paint: Paint;
  /** The flags that the source was read by, for the commands to type. */
  readonly source: readonly string[];
  readonly assumptions: readonly string[];
  /** What was passed over. */
  readonly leftOut: readonly string[];
}

/** One line a principle; under a broken one its smallest counterexample and the command that shows it. */
export function verifyText(verified: readonly Verified[], options: VerifyTextOptions): string {
  const lines = [
    ...verified.flatMap((one) => principleLines(one, { ...options, both: hasBoth(verified) })),
    "",
    ...summary(verified, options),
  ];
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** Of a cluster of both families the lines say which of them each is of; of one of IPv4 alone nothing. */
export function hasBoth(verified: readonly Verified[]): boolean {
  return new Set(verified.map(({ family }) => family)).size > 1;
}

/** Where the lines under a principle begin. */
const INDENT = " ".repeat(5);

function principleLines(
  { principle, family, finding }: Verified,
  options: VerifyTextOptions & { readonly both: boolean },
): string[] {
  const { paint, width } = options;
  const sentence = family === 4 && !options.both ? principle.sentence : `IPv${family}: ${principle.sentence}`;
  const head = (mark: string, tone: (text: string) => string, behind: string): string[] => {
    const lines = hang(`${mark} ${principle.number}  `, `${sentence}${behind}`, width);
    return lines.map((line, i) => (i === 0 ? tone(mark) + line.slice(mark.length) : line));
  };
  switch (finding.kind) {
    case "passed":
      return [
        ...head("✓", paint.good, checkedText(finding.checked)),
        ...finding.notes.flatMap((note) => labelled("note", note, options)),
      ];
    case "not-checkable":
      return [...head("–", paint.doubtful, ""), ...labelled("not checkable:", finding.why, options)];
    case "broken":
      return [
        ...head("✗", paint.bad, "").map(paint.strong),
        ...counterexampleLines(finding.counterexample, options),
        ...finding.notes.flatMap((note) => labelled("note", note, options)),
      ];
    default:
      return finding satisfies never;
  }
}

function counterexampleLines(counterexample: Counterexample, options: VerifyTextOptions): string[] {
  const { pods, nodes, question, expected, happened } = counterexample;
  const among = [...list("pod", pods), ...list("node", nodes)].join("; ");
  return [
    ...(among === "" ? [] : labelled("among", among, options)),
    ...labelled("expected", expected, options),
    ...labelled("happened", happened, options),
    // A command to copy is never broken.
    `${INDENT}${options.paint.quiet("shown by")}  ${traceCommandLine(question, options.source)}`,
  ];
}

function list(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  return [`${what}${names.length === 1 ? "" : "s"} ${names.join(", ")}`];
}

const LABEL_WIDTH = "expected".length;

function labelled(label: string, text: string, { width, paint }: VerifyTextOptions): string[] {
  const padded = label.padEnd(LABEL_WIDTH);
  const lines = hang(`${INDENT}${padded}  `, text, width);
  return lines.map((line, i) =>
    i === 0 ? INDENT + paint.quiet(padded) + line.slice(INDENT.length + padded.length) : line,
  );
}

/** Said only where something was left out. */
function checkedText({ cases, of, undecided }: Checked): string {
  const parts = [
    ...(cases < of ? [`checked ${grouped(cases)} of ${grouped(of)}; --all for each`] : []),
    ...(undecided > 0 ? [`${grouped(undecided)} of ${grouped(cases)} could not be decided`] : []),
  ];
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

/** `9,900` */
function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

function summary(verified: readonly Verified[], options: VerifyTextOptions): string[] {
  const count = (kind: string) => verified.filter(({ finding }) => finding.kind === kind).length;
  const numbers = new Set(verified.map(({ principle }) => principle.number));
  const families = hasBoth(verified) ? " in IPv4 and in IPv6" : "";
  const parts = [
    `${count("passed")} passed`,
    `${count("broken")} broken`,
    ...(count("not-checkable") === 0 ? [] : [`${count("not-checkable")} not checkable`]),
  ];
  return [
    `${numbers.size} principles${families}: ${parts.join(", ")}`,
    ...options.leftOut.flatMap((text) => hang("left out ", text, options.width)),
    ...options.assumptions.flatMap((assumption) => hang("assumed  ", assumption, options.width)),
  ];
}
