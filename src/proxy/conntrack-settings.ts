import type { Operation } from "../kernel/operation.ts";
import type { ProxyConfiguration } from "./configuration.ts";

/**
 * The settings in the order that they are written (`ProxyServer.setupConntrack`).
 *
 * @param cores of the node; null where nobody says how many: then the least that it may be
 */
export function conntrackOperations(
  { conntrack, conntrackTcpLiberal }: Pick<ProxyConfiguration, "conntrack" | "conntrackTcpLiberal">,
  cores: number | null,
): Operation[] {
  const { maxPerCore, min, tcpEstablishedS, tcpCloseWaitS, udpS, udpStreamS } = conntrack;
  const max = maxPerCore === 0 ? 0 : Math.max(min, maxPerCore * (cores ?? 1));
  const values: readonly (readonly [string, number])[] = [
    ["max", max],
    ["tcp_timeout_established", tcpEstablishedS],
    ["tcp_timeout_close_wait", tcpCloseWaitS],
    ["tcp_be_liberal", conntrackTcpLiberal ? 1 : 0],
    ["udp_timeout", udpS],
    ["udp_timeout_stream", udpStreamS],
  ];
  return values
    .filter(([, value]) => value > 0)
    .map(([name, value]) => ({
      kind: "sysctl",
      name: `net.netfilter.nf_conntrack_${name}`,
      value: String(value),
    }));
}
