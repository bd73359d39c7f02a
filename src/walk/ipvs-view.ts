import { connectionEnd, protocolOf, secondsLeft, stateName } from "../kernel/ipvs/connection-list.ts";
import type { Stack } from "../kernel/stack.ts";
import type { IpvsConnectionView } from "./trace.ts";

const PROTOCOLS: Readonly<Record<number, string>> = { 0: "ip", 6: "tcp", 17: "udp", 132: "sctp" };

/** The IPVS connections that a walk began on a host, as `ipvsadm -Lcn` prints them. */
export function ipvsView(stack: Stack): IpvsConnectionView[] {
  const state = stack.ipvs;
  const { connections } = state;
  const views: IpvsConnectionView[] = [];
  connections.forEach((cp) => {
    if (!state.isOfWalk(cp)) return;
    views.push({
      host: stack.net.name,
      proto: PROTOCOLS[protocolOf(state, cp)] ?? "unknown",
      client: connectionEnd(state, cp, connections.caddr(cp), connections.cport(cp)),
      virtual: connectionEnd(state, cp, connections.vaddr(cp), connections.vport(cp)),
      server: connectionEnd(state, cp, connections.daddr(cp), connections.dport(cp)),
      state: stateName(state, cp),
      expires: secondsLeft(state, cp, stack.now),
    });
  });
  return views;
}
