import { formatIpv4 } from "../address/ipv4.ts";
import { secondsLeft, stateName } from "../kernel/ipvs/connection-list.ts";
import type { Stack } from "../kernel/stack.ts";
import type { IpvsConnectionView } from "./trace.ts";

const PROTOCOLS: Readonly<Record<number, string>> = { 0: "ip", 6: "tcp", 17: "udp", 132: "sctp" };

/** The IPVS connections that a walk began on a host, as `ipvsadm -Lcn` prints them. */
export function ipvsView(stack: Stack): IpvsConnectionView[] {
  const { connections } = stack.ipvs;
  const views: IpvsConnectionView[] = [];
  const end = (address: number, port: number): string => `${formatIpv4(address)}:${port}`;
  connections.forEach((cp) => {
    if (!stack.ipvs.isOfWalk(cp)) return;
    views.push({
      host: stack.net.name,
      proto: PROTOCOLS[connections.proto(cp)] ?? "unknown",
      client: end(connections.caddr(cp), connections.cport(cp)),
      virtual: end(connections.vaddr(cp), connections.vport(cp)),
      server: end(connections.daddr(cp), connections.dport(cp)),
      state: stateName(stack.ipvs, cp),
      expires: secondsLeft(stack.ipvs, cp, stack.now),
    });
  });
  return views;
}
