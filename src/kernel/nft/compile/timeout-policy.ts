import { IPS_CONFIRMED, IPS_TIMEOUT_POLICY } from "../../conntrack/status.ts";
import { TCP_CONNTRACK_NAMES } from "../../conntrack/tcp.ts";
import { type ConntrackTimeouts, policyNumber } from "../../conntrack/timeouts.ts";
import type { Step } from "./step.ts";
import { NFT_CONTINUE } from "./verdict.ts";

/**
 * `ct timeout set "…"`, of the lines nft prints the object in: a connection that is about to be made keeps to the object's times
 * (`nft_ct_timeout_obj_eval`), and where that says nothing to the host's.
 */
export function compileTimeoutPolicy(lines: readonly string[]): Step {
  const said = new Map(
    [...lines.join(" ").matchAll(/([\w-]+) : (\d+)/g)].map(([, state = "", seconds]) => [
      state,
      Number(seconds) * 1000,
    ]),
  );
  const isUdp = lines.some((line) => line === "protocol udp");
  const policies = new WeakMap<ConntrackTimeouts, ConntrackTimeouts>();
  const policyOver = (usual: ConntrackTimeouts): ConntrackTimeouts => {
    let policy = policies.get(usual);
    if (policy === undefined) {
      policy = isUdp ? udpPolicy(usual, said) : tcpPolicy(usual, said);
      policies.set(usual, policy);
    }
    return policy;
  };
  return ({ packet, stack }) => {
    const { ct } = packet;
    const { conntrack, net } = stack;
    if (ct < 0 || (conntrack.status(ct) & IPS_CONFIRMED) !== 0) return NFT_CONTINUE;
    const policy = policyOver(net.conntrackTimeouts);
    conntrack.extensions.setPolicy(ct, policyNumber(policy));
    conntrack.setStatus(ct, IPS_TIMEOUT_POLICY);
    conntrack.refresh(
      ct,
      isUdp ? policy.udp : (policy.tcp[TCP_CONNTRACK_NAMES.indexOf("SYN_SENT")] as number),
    );
    return NFT_CONTINUE;
  };
}

function udpPolicy(usual: ConntrackTimeouts, said: ReadonlyMap<string, number>): ConntrackTimeouts {
  return {
    ...usual,
    udp: said.get("unreplied") ?? usual.udp,
    udpStream: said.get("replied") ?? usual.udpStream,
  };
}

function tcpPolicy(usual: ConntrackTimeouts, said: ReadonlyMap<string, number>): ConntrackTimeouts {
  const tcp = usual.tcp.map((ms, state) => said.get(TCP_CONNTRACK_NAMES[state]?.toLowerCase() ?? "") ?? ms);
  return { ...usual, tcp, tcpUnacknowledged: said.get("unack") ?? usual.tcpUnacknowledged };
}
