import { socketAddressText, splitSocketAddress } from "../address/socket-address.ts";
import { broken, HOLDS, type Judgement, UNDECIDED } from "./principle.ts";
import type { Answer } from "./walker.ts";

/**
 * Judges every answer of a question by one rule, which says what is wrong with it or null. What left the model, what a network
 * policy stopped, and what hangs on a match that is not modelled, decides nothing.
 */
export function judgeEach(answers: readonly Answer[], wrong: (answer: Answer) => string | null): Judgement {
  let decided = false;
  for (const answer of answers) {
    if (answer.leftModel || answer.isPoliced) continue;
    const what = wrong(answer);
    if (what === null) decided = true;
    else if (answer.verdict.certainty !== "unknown-match") return broken(what);
  }
  return decided ? HOLDS : UNDECIDED;
}

/** Did the request get to the host, whether or not something listens there? */
export function reached({ verdict, servers }: Answer, host: string): boolean {
  if (verdict.disposition === "DELIVERED") return servers.at(-1)?.host === host;
  return verdict.disposition === "REFUSED" && verdict.host === host;
}

/** `DROPPED (rule-drop) at node1`, `answered by web-1 as 10.244.0.3:80`. */
export function happenedText({ verdict, servers, rewrites }: Answer): string {
  const server = servers.at(-1);
  const { disposition, reason, host } = verdict;
  const end =
    disposition === "DELIVERED" && server !== undefined
      ? `answered by ${server.host} as ${socketText(server)}`
      : `${disposition} (${reason})${host === undefined ? "" : ` at ${host}`}`;
  const [rewrite] = rewrites;
  return rewrite === undefined ? end : `${end}, after ${rewriteText(rewrite)}`;
}

export function rewriteText({ host, field, from, to }: Answer["rewrites"][number]): string {
  return `${host} made ${field} ${from} into ${to}`;
}

export function socketText({ address, port }: { readonly address: string; readonly port?: number }): string {
  return port === undefined ? address : socketAddressText(address, port);
}

/** `10.0.0.1` of `10.0.0.1:80`, `fd00::1` of `[fd00::1]:80`; an address alone is itself. */
export function hostPart(text: string): string {
  return splitSocketAddress(text).address;
}

/** What is wrong with an answer that should come from a host to a client whose packets nobody translates. */
export function wrongWithoutNat(answer: Answer, host: string, client: string): string | null {
  if (!reached(answer, host)) return happenedText(answer);
  const [rewrite] = answer.rewrites;
  if (rewrite !== undefined) return rewriteText(rewrite);
  const seen = answer.servers.at(-1)?.peer.address;
  if (seen === undefined || seen === client) return null;
  return `${host} saw the client as ${seen}`;
}
