import { chainName, goQuote, ownerComment } from "./chain-name.ts";
import { bitsOf, formatIp, formatIpNet, type IpNet, networkOf } from "./ip.ts";
import { IptablesTable } from "./iptables.ts";
import type { Netns } from "./netns.ts";

/** Source translation of one container's packets (`ipMasq`): a chain of its own, named by network and container. */

const GROUPS = { 4: "224.0.0.0/4", 6: "ff00::/8" } as const;

/** Everything but its own network and multicast leaves under the node's address. */
export function masquerade(node: Netns, network: string, containerId: string, address: IpNet): void {
  const { family } = address.ip;
  const nat = new IptablesTable(node, "nat", family);
  const chain = chainName("CNI-", network, containerId);
  const comment = `-m comment --comment ${goQuote(ownerComment(network, containerId))}`;
  nat.ensureChain(chain);
  nat.appendUnique(chain, `-d ${formatIpNet(networkOf(address))} ${comment} -j ACCEPT`);
  nat.appendUnique(chain, `! -d ${GROUPS[family]} ${comment} -j MASQUERADE`);
  nat.appendUnique("POSTROUTING", `-s ${formatIp(address.ip)}/${bitsOf(family)} ${comment} -j ${chain}`);
}

export function unmasquerade(node: Netns, network: string, containerId: string): void {
  const chain = chainName("CNI-", network, containerId);
  for (const family of [4, 6] as const) {
    const nat = new IptablesTable(node, "nat", family);
    nat.deleteJumps("POSTROUTING", chain);
    nat.deleteChain(chain);
  }
}
