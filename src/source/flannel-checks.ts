import { coversIp, formatIpPrefix, type IpPrefix, parseIpPrefix } from "../address/ip-prefix.ts";
import type { Lister } from "../object/object-map.ts";
import { type Findings, finding } from "../object/object-report.ts";
import type { Detected } from "./clue.ts";
import { at } from "./clues.ts";
import type { DetectedCluster } from "./detect.ts";

/**
 * What flanneld would not start with (`newKubeSubnetManager`, `AcquireLease`): a podCIDR outside of the network that
 * `net-conf.json` names. Where the Nodes have none yet, they will get theirs of the cluster's range.
 */
export function checkFlannelNetwork(objects: Lister, detected: DetectedCluster, findings: Findings): void {
  const { flannel, where, clusterCidr, six } = detected;
  if (flannel === null) return;
  const place = where.flannel ?? "net-conf.json";
  const isOn = { four: at(flannel, "EnableIPv4") !== false, six: at(flannel, "EnableIPv6") === true };
  check("Network", isOn.four, clusterCidr);
  check("IPv6Network", isOn.six, six?.clusterCidr);

  function check(field: string, isWanted: boolean, whole: Detected<IpPrefix> | undefined): void {
    const text = at(flannel ?? {}, field);
    const network = typeof text === "string" ? parseIpPrefix(text) : undefined;
    if (!isWanted || network === undefined) return;
    // Told once, of the range that both name.
    if (whole?.from !== "assumed" && whole !== undefined && coversIp(network, whole.value)) return;
    let has = false;
    for (const node of objects.list("Node")) {
      const { podCIDR = "", podCIDRs = [] } = node.spec ?? {};
      for (const own of new Set([podCIDR, ...podCIDRs])) {
        const cidr = parseIpPrefix(own);
        if (
          cidr === undefined ||
          (typeof cidr.address === "number") !== (typeof network.address === "number")
        )
          continue;
        has = true;
        if (coversIp(network, cidr)) continue;
        const message = `${own} is outside ${String(text)}, flannel's ${field} (${place}): flanneld does not start there (subnet ${JSON.stringify(text)} specified in the flannel net config doesn't contain ${JSON.stringify(own)} PodCIDR of the ${JSON.stringify(node.metadata.name)} node)`;
        findings.errors.push(finding(node, "spec.podCIDR", message));
      }
    }
    if (has || whole === undefined || whole.from === "assumed" || coversIp(network, whole.value)) return;
    const message = `${String(text)} does not hold ${formatIpPrefix(whole.value)}, the cluster CIDR (${whole.where}) that the nodes get their podCIDRs of: flanneld does not start on them`;
    findings.errors.push({ file: place, line: null, field, message });
  }
}
