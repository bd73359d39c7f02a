import { socketAddressText } from "../../address/socket-address.ts";
import type { Frame, PacketView } from "../../walk/trace.ts";
import { type Case, type Diagnosis, familyOf, fault, hostOf, iptablesOf, selector } from "./fault.ts";

/** The answer comes from an address that was not asked: who translated the request does not see it, or not as IP. */
export const answerNotTranslated: Diagnosis = (at) => {
  const { decision, outcome, translation } = at;
  if (decision.reason !== "bad-reply" || translation === undefined) return undefined;
  const node = translation.host;
  const isReply = (frame: Frame): boolean => frame.phase === "reply" && frame.host === node;
  const host = hostOf(at, node);
  const iptables = iptablesOf(familyOf(at));
  if (outcome.frames.some(isReply) && host?.sysctl.get(`net.bridge.bridge-nf-call-${iptables}`) !== "1") {
    return fault(
      `${node} bridges the answer past ${iptables} (bridge-nf-call-${iptables} is 0), so nobody translates its source back`,
      {
        text: `Let bridged frames pass ${iptables} on ${node}, which then translates the answer's address back.`,
        command: `sysctl -w net.bridge.bridge-nf-call-${iptables}=1`,
        host: node,
      },
    );
  }
  const packet = translatedRequest(at);
  return fault(`the answer goes past ${node}, which translated the request but did not masquerade it`, {
    text: `Masquerade these connections on ${node}: the answer then comes back to it${whyNot(at)}.`,
    ...(packet === undefined
      ? {}
      : { command: `${iptables} -t nat -I POSTROUTING 1 ${selector(packet)} -j MASQUERADE` }),
    host: node,
  });
};

/** Somebody reached himself through a translation, and sees his own address as the sender. */
export const ownPacketBack: Diagnosis = (at) => {
  const { decision, translation, host } = at;
  const { packet, reason } = decision;
  const isMartian = reason === "martian-source" || reason === "bad-source";
  if (!isMartian || packet === null || translation === undefined || packet.ip.src !== packet.ip.dst)
    return undefined;
  return fault(
    `${host} gets its own packet back with its own address as the source: ${translation.host} does not masquerade it`,
    {
      text: `Masquerade on ${translation.host} what is translated back to its own sender.`,
      command: `${iptablesOf(familyOf(at))} -t nat -I POSTROUTING 1 ${selector(packet)} -j MASQUERADE`,
      host: translation.host,
    },
  );
};

/** The request as it left the host that translated it. */
function translatedRequest({ outcome, translation }: Case): PacketView | undefined {
  const frame = outcome.frames.find(
    ({ phase, ip, tcp, udp, sctp }) =>
      phase === "request" && socketAddressText(ip.dst, (tcp ?? udp ?? sctp)?.dport ?? 0) === translation?.to,
  );
  return frame;
}

/** Where a Service was asked, kube-proxy should have done it. */
function whyNot({ port, asked, names }: Case): string {
  if (port === undefined || !port.service.clusterIps.has(asked.address) || names.objects === null) return "";
  return " (kube-proxy does for what comes from outside its clusterCIDR, or for all with masqueradeAll)";
}
