import type { Owner } from "../../world/world.ts";
import { commentsOf, type PlacedRule } from "./placed-rule.ts";

/** A port of a Service as kube-proxy's comments name it. */
export interface NamedPort {
  readonly namespace: string;
  readonly service: string;
  /** Empty for the one port of a Service that has no name. */
  readonly port: string;
}

const LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?";
/** `ns/svc:port` between the words that kube-proxy has put around it since 1.2. */
const PORT_IN_COMMENT = new RegExp(
  `^(?:(?:masquerade|pod|masquerade LOCAL|route LOCAL|other) traffic (?:for|to) |Redirect pods trying to reach external loadbalancer VIP to clusterIP |)(${LABEL})/(${LABEL})(?::(${LABEL}))?(?= |$)`,
);

/** The Service's port that a comment of a KUBE chain names. */
export function portInComment(placed: PlacedRule): NamedPort | undefined {
  if (!placed.chain.startsWith("KUBE-")) return undefined;
  for (const comment of commentsOf(placed.rule)) {
    const [, namespace, service, port = ""] = PORT_IN_COMMENT.exec(comment) ?? [];
    if (namespace !== undefined && service !== undefined) return { namespace, service, port };
  }
  return undefined;
}

/** Only a Service of a single port may leave it without a name, so the first is meant. */
export function ownerOfPort({ namespace, service, port }: NamedPort): Owner {
  const field = port === "" ? "spec.ports[0]" : `spec.ports[name=${port}]`;
  return { kind: "Service", namespace, name: service, field, inferred: true };
}
