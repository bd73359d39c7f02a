import { splitSocketAddress } from "../../address/socket-address.ts";
import type { Names } from "../../inventory/names.ts";
import type { Outcome, Trace } from "../../walk/trace.ts";
import { decisionOf } from "./decision.ts";
import type { Asked, Case } from "./fault.ts";

/** An outcome as a case to be diagnosed. */
export function caseOf(outcome: Outcome, trace: Trace, names: Names): Case {
  const decision = decisionOf(outcome);
  const { query, outcomes } = trace;
  const sender = (query.at ?? query.from).replace(/^host\//, "").replace(/:.*$/, "");
  const asked = askedOf(query.to);
  const translation = outcome.rewrites.find(({ phase, field }) => phase === "request" && field === "dst");
  return {
    outcome,
    decision,
    outcomes,
    names,
    host: decision.host ?? outcome.frames[0]?.host ?? sender,
    sender,
    asked,
    translation,
    port: asked.port === null ? undefined : names.services.portAt(asked.address, asked.port, asked.proto),
  };
}

/** `10.96.0.10:53/udp`, `[fd00::10]:53/udp` */
function askedOf(to: string): Asked {
  const [, end = "", proto = ""] = /^([^/]+)\/(\w+)$/.exec(to) ?? [];
  return { ...splitSocketAddress(end), proto };
}
