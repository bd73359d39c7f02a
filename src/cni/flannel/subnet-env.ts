import { formatIpNet, type IpNet, parseIpNet } from "../ip.ts";

/** `/run/flannel/subnet.env`: what flanneld tells the CNI plugin about the node. */
export interface SubnetEnv {
  readonly network: IpNet;
  /** The node's subnet, with the address of the node's own bridge: `10.244.1.1/24`. */
  readonly subnet: IpNet;
  readonly mtu: number;
  /** flanneld masquerades itself: the bridge need not. */
  readonly ipMasq: boolean;
}

export const SUBNET_ENV_PATH = "/run/flannel/subnet.env";

export type ReadSubnetEnv =
  | { readonly kind: "ok"; readonly value: SubnetEnv }
  | { readonly kind: "invalid"; readonly missing: readonly string[] };

export function parseSubnetEnv(content: string): ReadSubnetEnv {
  const values = new Map(
    content.split("\n").map((line): [string, string] => {
      const at = line.indexOf("=");
      return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).trim()];
    }),
  );
  const network = parseIpNet(values.get("FLANNEL_NETWORK") ?? "");
  const subnet = parseIpNet(values.get("FLANNEL_SUBNET") ?? "");
  const mtu = values.get("FLANNEL_MTU") ?? "";
  const ipMasq = values.get("FLANNEL_IPMASQ");
  if (network === undefined || subnet === undefined || !/^\d+$/.test(mtu) || ipMasq === undefined) {
    const missing = [
      ...(network === undefined ? ["FLANNEL_NETWORK"] : []),
      ...(subnet === undefined ? ["FLANNEL_SUBNET"] : []),
      ...(/^\d+$/.test(mtu) ? [] : ["FLANNEL_MTU"]),
      ...(ipMasq === undefined ? ["FLANNEL_IPMASQ"] : []),
    ];
    return { kind: "invalid", missing };
  }
  return { kind: "ok", value: { network, subnet, mtu: Number(mtu), ipMasq: ipMasq === "true" } };
}

export function formatSubnetEnv({ network, subnet, mtu, ipMasq }: SubnetEnv): string {
  return [
    `FLANNEL_NETWORK=${formatIpNet(network)}`,
    `FLANNEL_SUBNET=${formatIpNet(subnet)}`,
    `FLANNEL_MTU=${mtu}`,
    `FLANNEL_IPMASQ=${ipMasq}`,
    "",
  ].join("\n");
}
