import { canonicalPrefix, isLoopback, prefixHolds } from "../canonical-address.ts";
import {
  addressesOf,
  masqueradeMark,
  type NodeFacts,
  nodePortPrefixes,
  type ProxyConfiguration,
} from "../configuration.ts";
import type { ProxyFeatures } from "../versions.ts";

/** The chains and rules that a node has whatever its Services are. */

export function filterChains(configuration: ProxyConfiguration, features: ProxyFeatures): string[] {
  return [
    ...["KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD", "KUBE-NODEPORTS"],
    ...(features.filterDrops ? ["KUBE-PROXY-FIREWALL"] : []),
    ...(guardsLocalhost(configuration, features) ? [FIREWALL_CHAIN] : []),
  ];
}

/** What marks packets to be dropped. It is the kubelet's, but rules of kube-proxy go there. */
export const MARK_DROP_CHAIN = "KUBE-MARK-DROP";

export function natChains(features: ProxyFeatures): string[] {
  return [
    ...["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"],
    ...(features.filterDrops ? [] : [MARK_DROP_CHAIN]),
  ];
}

/** Shared with the kubelet. kube-proxy needs it where `route_localnet` lets packets for 127.0.0.1 in. */
export const FIREWALL_CHAIN = "KUBE-FIREWALL";

export const LOCALNET_RULE =
  `-A ${FIREWALL_CHAIN} -m comment --comment "block incoming localnet connections" ` +
  "-d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP";

/** `--iptables-drop-bit` of the kubelet, 15 unless somebody sets it. */
const DROP_MARK = "0x8000";

export const MARK_DROP_RULE = `-A ${MARK_DROP_CHAIN} -j MARK --or-mark ${DROP_MARK}`;

/** The kubelet's of before 1.27, and the first of its chain. */
export const DROP_MARKED_RULE =
  `-A ${FIREWALL_CHAIN} -m comment --comment "kubernetes firewall for dropping marked packets" ` +
  `-m mark --mark ${DROP_MARK}/${DROP_MARK} -j DROP`;

/** Are node ports served on 127.0.0.1, and so its addresses to be guarded? Not where they are bound to other addresses. */
export function servesLocalhost(configuration: ProxyConfiguration): boolean {
  const { family, localhostNodePorts, nodePortAddresses } = configuration;
  if (family !== "IPv4" || !localhostNodePorts) return false;
  const prefixes = nodePortAddresses.flatMap((text) => canonicalPrefix(text, family) ?? []);
  const isBound = nodePortAddresses[0] === "primary" || prefixes.length > 0;
  return !isBound || prefixes.some((prefix) => prefix.startsWith("127.") || prefixHolds(prefix, "127.0.0.0"));
}

function guardsLocalhost(configuration: ProxyConfiguration, { ownFirewall }: ProxyFeatures): boolean {
  return ownFirewall && servesLocalhost(configuration);
}

/** What filter begins with. */
export function firewallRules(configuration: ProxyConfiguration, features: ProxyFeatures): string[] {
  return guardsLocalhost(configuration, features) ? [LOCALNET_RULE] : [];
}

/** What filter ends with. Unmarked new packets are left to the rules behind. */
export function forwardRules(configuration: ProxyConfiguration, features: ProxyFeatures): string[] {
  const counted = configuration.nfacct ? " -m nfacct --nfacct-name ct_state_invalid_dropped_pkts" : "";
  return [
    ...(configuration.conntrackTcpLiberal
      ? []
      : [`-A KUBE-FORWARD -m conntrack --ctstate INVALID${counted} -j DROP`]),
    ...trafficRules(configuration, features),
  ];
}

/** What of forwarded packets is accepted, in IPVS mode too: those of Services, and of connections that were. */
export function trafficRules(configuration: ProxyConfiguration, features: ProxyFeatures): string[] {
  const mark = masqueradeMark(configuration);
  return [
    `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark ${mark}/${mark} -j ACCEPT`,
    // Both directions had a rule while they asked for the pods' CIDR, and for some releases longer.
    ...(features.oneConntrackRule ? ["rule"] : ["pod source rule", "pod destination rule"]).map(
      (what) =>
        `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack ${what}" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ),
  ];
}

/** What nat begins with. */
export function masqueradeRules(configuration: ProxyConfiguration, features: ProxyFeatures): string[] {
  const mark = masqueradeMark(configuration);
  const fully = configuration.randomFully ? " --random-fully" : "";
  return [
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark}/${mark} -j RETURN`,
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${mark}`,
    `-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE${fully}`,
    `-A KUBE-MARK-MASQ -j MARK --or-mark ${mark}`,
    ...(features.filterDrops ? [] : [MARK_DROP_RULE]),
  ];
}

/** What nat ends with: whatever no Service took and is for the node itself may be for a node port. */
export function nodePortRules(configuration: ProxyConfiguration, node: NodeFacts): string[] {
  const { family } = configuration;
  const localhost = servesLocalhost(configuration);
  const jump = (match: string): string =>
    '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" ' +
    `${match} -j KUBE-NODEPORTS`;
  const prefixes = nodePortPrefixes(configuration, node);
  if (prefixes === null) {
    const except = family === "IPv6" ? " ! -d ::1/128" : localhost ? "" : " ! -d 127.0.0.0/8";
    return [jump(`-m addrtype --dst-type LOCAL${except}`)];
  }
  return addressesOf(node, family)
    .filter((address) => prefixes.some((prefix) => prefixHolds(prefix, address)))
    .filter((address) => localhost || !isLoopback(address, family))
    .map((address) => jump(`-d ${address}`));
}
