import { kubeProxyVersion, type ProxyConfiguration } from "../proxy/configuration.ts";
import { releaseOf } from "../proxy/versions.ts";
import type { Member } from "./member.ts";

/** The release that nftables mode came with. */
const NFTABLES_SINCE = 29;
/** The first release without userspace mode. */
const NO_USERSPACE_SINCE = 26;

/** What is taken for granted of kube-proxy's mode, where the nodes leave a doubt. */
export function proxyAssumptions({ mode }: ProxyConfiguration, members: readonly Member[]): string[] {
  const lines: string[] = [];
  const old = members.filter(
    ({ node }) => (releaseOf(kubeProxyVersion(node)) ?? NFTABLES_SINCE) < NFTABLES_SINCE,
  );
  const [first] = old;
  if (mode === "nftables" && first !== undefined) {
    const others = old.length === 1 ? "" : ` and of ${old.length - 1} more nodes`;
    lines.push(
      `kube-proxy ${kubeProxyVersion(first.node)} of ${first.name}${others} has no nftables mode: it writes what 1.${NFTABLES_SINCE}, the first with one, does`,
    );
  }
  const late = members.find(
    ({ node }) => (releaseOf(kubeProxyVersion(node)) ?? NO_USERSPACE_SINCE) >= NO_USERSPACE_SINCE,
  );
  if (mode === "userspace" && late !== undefined) {
    const version = kubeProxyVersion(late.node);
    lines.push(
      `kube-proxy${version === "" ? "" : ` ${version}`} of ${late.name} has no userspace mode, which 1.${NO_USERSPACE_SINCE} took out: it writes what 1.${NO_USERSPACE_SINCE - 1} did`,
    );
  }
  return lines;
}
