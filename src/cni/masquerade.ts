import { chainName, goQuote, ownerComment } from "./chain-name.ts";
import { CniFailure, fail } from "./cni-error.ts";
import { bitsOf, formatIp, formatIpNet, type IpNet, networkOf } from "./ip.ts";
import { IptablesTable } from "./iptables.ts";
import type { Netns } from "./netns.ts";
import type { PluginCall } from "./plugin/plugin.ts";

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
 * refuses to look for a rule whose chain is not there, and to delete a chain that another interface of the container uses.
 *
 * @param goesOn whether what fails for one address counts only if it is the last, as with `ptp`
 */
export function unmasquerade(
  call: Pick<PluginCall, "machine" | "network" | "containerId">,
  addresses: readonly IpNet[],
  goesOn: boolean,
): void {
  for (const [i, address] of addresses.entries()) {
    try {
      unmasqueradeOne(call, address);
    } catch (error) {
      if (!(error instanceof CniFailure) || !goesOn || i === addresses.length - 1) throw error;
    }
  }
}

function unmasqueradeOne(
  { machine, network, containerId }: Pick<PluginCall, "machine" | "network" | "containerId">,
  { ip }: IpNet,
): void {
  const chain = chainName("CNI-", network, containerId);
  const nat = new IptablesTable(machine.node, "nat", ip.family);
  const program = ip.family === 6 ? "ip6tables" : "iptables";
  const told = ownerComment(network, containerId);
  const comment = `-m comment --comment ${goQuote(told)}`;
  if (nat.isNft && !nat.hasChain(chain)) {
    const rule = `-s ${formatIp(ip)} -j ${chain} -m comment --comment ${told}`;
    fail(
      `running [/usr/sbin/${program} -t nat -D POSTROUTING ${rule} --wait]: exit status 2: ${program} v1.8.9 (nf_tables): Chain '${chain}' does not exist\nTry \`${program} -h' or '${program} --help' for more information.\n`,
    );
  }
  nat.delete("POSTROUTING", `-s ${formatIp(ip)}/${bitsOf(ip.family)} ${comment} -j ${chain}`);
  if (nat.isNft && nat.hasJump("POSTROUTING", chain)) {
    nat.setChain(chain, []);
    fail(
      `running [/usr/sbin/${program} -t nat -X ${chain} --wait]: exit status 4: ${program} v1.8.9 (nf_tables):  CHAIN_DEL failed (Device or resource busy): chain ${chain}\n`,
    );
  }
  nat.deleteJumps("POSTROUTING", chain);
  nat.deleteChain(chain);
}
