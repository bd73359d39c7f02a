import { inetNtop } from "../../address/ip.ts";
import { plainAddress } from "../../address/ip6-handle.ts";
import { socketAddressText } from "../../address/socket-address.ts";
import { KEY_IPV6 } from "../../packet/packet.ts";
import { CONN_TEMPLATE } from "./connection-flags.ts";
import type { IpvsState } from "./ipvs-state.ts";
import { SCTP_STATE_NAMES } from "./sctp-state.ts";
import { TCP_STATE_NAMES, TEMPLATE_ASSURED } from "./tcp-state.ts";
import { PROTOCOL_NUMBER } from "./virtual-service.ts";

const HEADER = `IPVS connection entries
pro expire state       source             virtual            destination`;

const PROTOCOL_NAMES = new Map(
  Object.entries(PROTOCOL_NUMBER).map(([name, number]) => [number, name.toUpperCase()]),
);

/** What `ipvsadm -Lcn` prints: connections and templates with the time they have left. Oldest first; the kernel's order is that of its hash. */
export function formatConnections(state: IpvsState, now: number): string {
  state.expire(now);
  const { connections } = state;
  const lines: string[] = [];
  connections.forEach((cp) => {
    const proto = PROTOCOL_NAMES.get(protocolOf(state, cp)) ?? "IP";
    const left = secondsLeft(state, cp, now);
    const minutes = String(Math.floor(left / 60)).padStart(2, "0");
    const columns = [
      proto.padEnd(3),
      `${minutes}:${String(left % 60).padStart(2, "0")} `,
      stateName(state, cp).padEnd(11),
      connectionEnd(state, cp, connections.caddr(cp), connections.cport(cp)).padEnd(18),
      connectionEnd(state, cp, connections.vaddr(cp), connections.vport(cp)).padEnd(18),
      connectionEnd(state, cp, connections.daddr(cp), connections.dport(cp)),
    ];
    lines.push(columns.join(" "));
  });
  return `${[HEADER, ...lines].join("\n")}\n`;
}

/** The IP protocol of a connection, 0 for a template of a mark. */
export function protocolOf({ connections }: IpvsState, cp: number): number {
  return connections.proto(cp) & ~KEY_IPV6;
}

export function stateName(state: IpvsState, cp: number): string {
  const { connections } = state;
  if ((connections.flags(cp) & CONN_TEMPLATE) !== 0)
    return connections.state(cp) === TEMPLATE_ASSURED ? "ASSURED" : "NONE";
  const protocol = protocolOf(state, cp);
  if (protocol === PROTOCOL_NUMBER.tcp) return TCP_STATE_NAMES[connections.state(cp)] as string;
  return protocol === PROTOCOL_NUMBER.udp ? "UDP" : (SCTP_STATE_NAMES[connections.state(cp)] as string);
}

/** One of a connection's ends, as ipvsadm prints it. */
export function connectionEnd({ connections }: IpvsState, cp: number, address: number, port: number): string {
  const family = (connections.proto(cp) & KEY_IPV6) === 0 ? 4 : 6;
  return socketAddressText(inetNtop(plainAddress(family, address)), port);
}

/** As the kernel prints them, cut off: a timer just begun is in its last whole second already. */
export function secondsLeft({ connections }: IpvsState, cp: number, now: number): number {
  return Math.max(Math.ceil((connections.expires(cp) - now) / 1000) - 1, 0);
}
