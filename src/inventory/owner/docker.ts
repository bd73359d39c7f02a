import { formatIpv4 } from "../../address/ipv4.ts";
import { chainAfter, destinationOf, type NameSource } from "./placed-rule.ts";

/**
 * Docker's chains (DOCKER, DOCKER-USER, DOCKER-ISOLATION-STAGE-1 …). A rule about one address is a container's: what is
 * published is translated to it, let through to it, or masqueraded where it asks itself.
 */
export const ofDocker: NameSource = ({ table, chain, rule }) => {
  const isNamed = [chain, chainAfter(rule) ?? ""].some((name) => /^DOCKER(-|$)/.test(name));
  const dnat = isNamed ? destinationOf(rule)?.min : undefined;
  if (dnat !== undefined && dnat !== null) return container(dnat);
  const { src, dst } = rule;
  const only = dst?.value.mask === -1 && !dst.invert ? dst.value.address : null;
  if (isNamed && only !== null) return container(only);
  const isItself = only !== null && src?.value.mask === -1 && src.value.address === only;
  if (table === "nat" && chain === "POSTROUTING" && rule.target?.kind === "MASQUERADE") {
    if (isItself) return container(only);
    // docker0 by default, `br-` and twelve digits for a network made by hand.
    const bridge = rule.outInterface?.value ?? "";
    if (/^(docker0|br-[0-9a-f]{12})$/.test(bridge)) return { kind: "Agent", name: "docker", inferred: true };
  }
  const between = [rule.inInterface?.value, rule.outInterface?.value];
  const isForward =
    chain === "FORWARD" && between.some((name) => /^(docker0|br-[0-9a-f]{12})$/.test(name ?? ""));
  return isNamed || isForward ? { kind: "Agent", name: "docker", inferred: true } : undefined;
};

function container(address: number): ReturnType<NameSource> {
  return { kind: "Container", name: formatIpv4(address), inferred: true };
}
