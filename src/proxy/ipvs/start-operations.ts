import type { Operation } from "../../kernel/operation.ts";
import type { ProxyConfiguration } from "../configuration.ts";

/** Before it a port that is used again at once kept its old server, which is worse with conntrack (KEP-2086). */
const CONN_REUSE_MENDED = [5, 9] as const;

/** What kube-proxy sets when it starts in IPVS mode; `kernel` as `major.minor`. */
export function startOperations({ ipvs }: ProxyConfiguration, kernel: string): Operation[] {
  const [major = 0, minor = 0] = kernel.split(".").map(Number);
  const isMended =
    major > CONN_REUSE_MENDED[0] || (major === CONN_REUSE_MENDED[0] && minor >= CONN_REUSE_MENDED[1]);
  const settings: [string, string][] = [
    ["net.ipv4.vs.conntrack", "1"],
    ...(isMended ? [] : [["net.ipv4.vs.conn_reuse_mode", "0"] as [string, string]]),
    ["net.ipv4.vs.expire_nodest_conn", "1"],
    ["net.ipv4.vs.expire_quiescent_template", "1"],
    ["net.ipv4.ip_forward", "1"],
  ];
  if (ipvs.strictArp) {
    settings.push(["net.ipv4.conf.all.arp_ignore", "1"], ["net.ipv4.conf.all.arp_announce", "2"]);
  }
  const { tcpS, tcpFinS, udpS } = ipvs.timeouts;
  return [
    ...settings.map(([name, value]): Operation => ({ kind: "sysctl", name, value })),
    ...(tcpS + tcpFinS + udpS === 0 ? [] : [{ kind: "ipvs-timeouts" as const, timeouts: ipvs.timeouts }]),
  ];
}
