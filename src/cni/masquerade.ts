import { chainName, goQuote, ownerComment } from "./chain-name.ts";
import { formatIp, formatIpNet, type IpNet, networkOf } from "./ip.ts";
import { IptablesTable } from "./iptables.ts";
import type { Netns } from "./netns.ts";

/** Source translation of one container's packets (`ipMasq`): a chain of its own, named by network and container. */

/** Everything but its own network and multicast leaves under the node's address. IPv4 only: ip6tables is not modelled. */
export function masquerade(node: Netns, network: string, containerId: string, address: IpNet): void {
  if (address.ip.family === 6) return;
  const nat = new IptablesTable(node, "nat");
  const chain = chainName("CNI-", network, containerId);
  const comment = `-m comment --comment ${goQuote(ownerComment(network, containerId))}`;
  nat.ensureChain(chain);
  nat.appendUnique(chain, `-d ${formatIpNet(networkOf(address))} ${comment} -j ACCEPT`);
  nat.appendUnique(chain, `! -d 224.0.0.0/4 ${comment} -j MASQUERADE`);
  nat.appendUnique("POSTROUTING", `-s ${formatIp(address.ip)}/32 ${comment} -j ${chain}`);
}

export function unmasquerade(node: Netns, network: string, containerId: string): void {
  const nat = new IptablesTable(node, "nat");
  const chain = chainName("CNI-", network, containerId);
  nat.deleteJumps("POSTROUTING", chain);
  nat.deleteChain(chain);
}
