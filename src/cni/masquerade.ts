import { chainName, goQuote, ownerComment } from "./chain-name.ts";
import { fail } from "./cni-error.ts";
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

/**
 * The same taken back for the addresses that the container's interface had, one by one, as release 1.1 does: iptables-nft
 * refuses to look for a rule whose chain is not there, and that ends it.
 */
export function unmasquerade(
  node: Netns,
  network: string,
  containerId: string,
  addresses: readonly IpNet[],
): void {
  const chain = chainName("CNI-", network, containerId);
  for (const { ip } of addresses) {
    const nat = new IptablesTable(node, "nat", ip.family);
    if (nat.isNft && !nat.hasChain(chain)) {
      const program = ip.family === 6 ? "ip6tables" : "iptables";
      const rule = `-s ${formatIp(ip)} -j ${chain} -m comment --comment ${ownerComment(network, containerId)}`;
      fail(
        `running [/usr/sbin/${program} -t nat -D POSTROUTING ${rule} --wait]: exit status 2: ${program} v1.8.9 (nf_tables): Chain '${chain}' does not exist\nTry \`${program} -h' or '${program} --help' for more information.\n`,
      );
    }
    nat.deleteJumps("POSTROUTING", chain);
    nat.deleteChain(chain);
  }
}
