import type { Operation } from "../../kernel/operation.ts";
import type { ProxyConfiguration } from "../configuration.ts";

/** What kube-proxy sets once, when it starts in nftables mode. Node ports on 127.0.0.1 are not served: nothing for them. */
export function startOperations({ conntrackTcpLiberal }: ProxyConfiguration): Operation[] {
  return conntrackTcpLiberal
    ? [{ kind: "sysctl", name: "net.netfilter.nf_conntrack_tcp_be_liberal", value: "1" }]
    : [];
}
