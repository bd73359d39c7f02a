import type { Comparison } from "../analyze/proxy-modes.ts";

/** The comparison of kube-proxy's modes in its public form: `hopscope.proxy-modes/v1`. */
export function proxyModesJson(comparisons: readonly Comparison[]): Readonly<Record<string, unknown>> {
  return {
    schema: "hopscope.proxy-modes/v1",
    questions: comparisons.map(({ telltale, differs, answers }) => ({
      ...telltale,
      differs,
      answers: Object.fromEntries(
        answers.map(({ mode, trace, ends }) => [
          mode,
          {
            verdict: trace.verdict,
            outcomes: ends.map(({ probability, server, client, icmp }) => ({
              probability,
              ...(server === null ? {} : { server }),
              client,
              ...(icmp === null ? {} : { icmp }),
            })),
          },
        ]),
      ),
    })),
  };
}
