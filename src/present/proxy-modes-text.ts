import type { Comparison, ModeAnswer, ModeEnd } from "../analyze/proxy-modes.ts";
import { hang } from "./fold.ts";
import { oddsText, sumOdds } from "./odds-text.ts";
import type { Paint } from "./paint.ts";

export interface ProxyModesOptions {
  readonly width: number;
  readonly paint: Paint;
}

/** Which questions the modes answer in different ways, and how; then those they answer alike. */
export function proxyModesText(comparisons: readonly Comparison[], options: ProxyModesOptions): string {
  const { width, paint } = options;
  const apart = comparisons.filter(({ differs }) => differs);
  const alike = comparisons.filter(({ differs }) => !differs);
  const head =
    apart.length === 0
      ? "kube-proxy's modes answer all of these alike"
      : `kube-proxy's modes differ in ${apart.length} of ${comparisons.length} questions`;
  const lines = [
    paint.strong(head),
    ...apart.flatMap((one) => [
      "",
      ...hang("  ", titleOf(one), width).map(paint.strong),
      ...one.answers.flatMap((answer) => answerLines(answer, options)),
    ]),
    ...(alike.length === 0 ? [] : ["", paint.quiet("alike in all three")]),
    ...alike.flatMap((one) => {
      const [first] = one.answers as [ModeAnswer];
      return hang("  ", `${titleOf(one)}: ${endsText(first)}`, width, 2);
    }),
  ];
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function titleOf({ telltale: { title, from, to } }: Comparison): string {
  return `${title}: ${from} → ${to}`;
}

const MODE_WIDTH = "iptables".length;

function answerLines(answer: ModeAnswer, { width, paint }: ProxyModesOptions): string[] {
  const { disposition, reason } = answer.trace.verdict;
  const tone = disposition === "DELIVERED" ? paint.good : paint.bad;
  const first = `    ${answer.mode.padEnd(MODE_WIDTH)}  `;
  const lines = hang(first, `${disposition} (${reason}): ${endsText(answer)}`, width);
  return lines.map((line) => line.replace(disposition, tone(disposition)));
}

/** `1/2 web-0 at 10.244.0.6:8080, which sees 10.244.0.5`; outcomes that end alike are one. */
function endsText({ ends }: ModeAnswer): string {
  const byText = new Map<string, ModeEnd[]>();
  for (const end of ends) {
    const text = endText(end);
    byText.set(text, [...(byText.get(text) ?? []), end]);
  }
  const texts = [...byText].map(([text, list]) => {
    if (byText.size === 1) return text;
    const odds = list.flatMap(({ probability }) => probability ?? []);
    return odds.length < list.length ? text : `${oddsText(sumOdds(odds))} ${text}`;
  });
  return texts.join("; ");
}

function endText({ server, client, icmp }: ModeEnd): string {
  const heard = icmp === null ? client : `${client}, by ICMP ${icmp.type}/${icmp.code}`;
  if (server === null) return heard;
  const to = `${server.host} at ${server.address}, which sees ${server.peer}`;
  return client === "connected" || client === "answered" ? to : `${to}; ${heard}`;
}
