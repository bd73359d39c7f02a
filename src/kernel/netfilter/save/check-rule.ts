import { IPPROTO_TCP } from "../../../packet/packet.ts";
import { asksTcp } from "../match/ecn.ts";
import { type LimitMatch, overflows } from "../match/limit.ts";
import { MATCH_PROTOCOLS } from "../match/registry.ts";
import type { Negatable, Rule, Ruleset } from "../rule.ts";
import type { DnatTarget } from "../target/dnat.ts";
import type { EcnTarget } from "../target/ecn.ts";
import { NAT_PORT_PROTOCOLS, TARGET_PROTOCOLS } from "../target/registry.ts";
import type { RejectTarget } from "../target/reject.ts";
import type { ArgumentReader } from "./arguments.ts";
import { formatProtocol } from "./protocol.ts";

const TCP_ALONE = [IPPROTO_TCP];

/** Fails for what the kernel would refuse of a whole rule (`checkentry`), most of it for want of the right `-p`. Runs for each rule of a dump. */
export function checkRule(rule: Rule, backend: Ruleset["backend"] | null, reader: ArgumentReader): void {
  const { protocol, matches, target } = rule;
  for (const match of matches) {
    const { kind } = match;
    const allowed = MATCH_PROTOCOLS.get(kind);
    if (!stands(protocol, allowed)) failProtocol(reader, `match ${kind}`, allowed);
    if (kind === "limit" && backend === "legacy" && overflows(match as LimitMatch))
      reader.fail("match limit: more credit than the kernel can count: write a smaller --limit-burst");
    if (kind === "ecn" && asksTcp(match) && !stands(protocol, TCP_ALONE))
      failProtocol(reader, "match ecn with flags of TCP", TCP_ALONE);
  }
  if (target === null || target.kind === "jump" || target.kind === "goto") return;
  const { kind } = target;
  const allowed = TARGET_PROTOCOLS.get(kind);
  if (!stands(protocol, allowed)) failProtocol(reader, `target ${kind}`, allowed);
  const { ece = null, cwr = null } = target as Partial<EcnTarget>;
  if ((ece !== null || cwr !== null) && !stands(protocol, TCP_ALONE))
    failProtocol(reader, "target ECN with flags of TCP", TCP_ALONE);
  if ((target as Partial<RejectTarget>).rejectWith === "tcp-reset" && !stands(protocol, TCP_ALONE))
    failProtocol(reader, "tcp-reset", TCP_ALONE);
  const ports = (target as Partial<DnatTarget>).range?.portMin ?? null;
  if (ports !== null && !stands(protocol, NAT_PORT_PROTOCOLS))
    failProtocol(reader, `target ${kind} with a port`, NAT_PORT_PROTOCOLS);
}

/** Is a rule's protocol one of those? undefined: any will do. */
function stands(protocol: Negatable<number> | null, allowed: readonly number[] | undefined): boolean {
  if (allowed === undefined) return true;
  return protocol !== null && !protocol.invert && allowed.includes(protocol.value);
}

function failProtocol(reader: ArgumentReader, who: string, allowed: readonly number[] = []): void {
  const names = allowed.map((number) => `-p ${formatProtocol(number)}`).join(" or ");
  reader.fail(`${who} stands only with ${names}`);
}
