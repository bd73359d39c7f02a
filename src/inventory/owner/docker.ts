import { formatIp, type IpAddress } from "../../address/ip.ts";
import { singleAddress } from "../../address/masked.ts";
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
  const only = dst === null || dst.invert ? null : singleAddress(dst.value);
  if (isNamed && only !== null) return container(only);
  const source = src === null ? null : singleAddress(src.value);
  const isItself = only !== null && source !== null && formatIp(source) === formatIp(only);
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

function container(address: IpAddress): ReturnType<NameSource> {
  return { kind: "Container", name: formatIp(address), inferred: true };
}
