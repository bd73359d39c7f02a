import { addressOnPath } from "../../address/ip6-handle.ts";
import { IPPROTO_TCP, type Packet } from "../../packet/packet.ts";
import type { FoundSocket } from "../outbox.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { NF_ACCEPT, NF_DROP, type NfVerdict } from "./hook.ts";
import type { TproxyTarget } from "./target/tproxy.ts";
import type { TargetAction } from "./target-action.ts";

const NO_PROXY_SOCKET = reason("no-proxy-socket");

/**
 * `tproxy_tg4`, `tproxy_tg6_v1`: the packet is given to the socket of its connection, or to one that listens where the rule says.
 * Whether it comes there is for routing to say, by the mark. A socket of which nobody has said whether it may speak for others is
 * taken to: a proxy's does. Runs per packet.
 */
export function tproxyAction({ port, address, markValue, markMask }: TproxyTarget): TargetAction {
  const ownAddress = addressOnPath(address);
  return {
    apply: (stack: Stack, packet: Packet): NfVerdict => {
      if (packet.fragOffset !== 0) return NF_DROP;
      const proxy = findProxy(stack, packet, ownAddress, port);
      if (proxy === null || proxy.socket.transparent === false) {
        stack.drop(packet, NO_PROXY_SOCKET);
        return NF_DROP;
      }
      packet.mark = (packet.mark & ~markMask) ^ markValue;
      giveToProxy(packet, proxy);
      return NF_ACCEPT;
    },
  };
}

/** A socket that a packet is given to. */
interface Proxy {
  readonly socket: FoundSocket;
  /** As `Packet` has them. */
  readonly port: number;
  readonly address: number;
}

/**
 * `nf_tproxy_get_sock_v4`, `nf_tproxy_get_sock_v6`: the socket of a packet's connection, or one that listens.
 *
 * @param ownAddress 0: the device's own
 * @param ownPort 0: the one it was sent to
 */
export function findProxy(stack: Stack, packet: Packet, ownAddress: number, ownPort: number): Proxy | null {
  const connected = lookUp(stack, packet, packet.dst, packet.dport);
  if (connected?.kind === "connected") return { socket: connected, port: -1, address: 0 };
  const address = ownAddress === 0 ? deviceAddress(stack, packet) : ownAddress;
  const port = ownPort === 0 ? packet.dport : ownPort;
  const socket = lookUp(stack, packet, address, port);
  return socket === null || socket.kind === "connected" ? null : { socket, port, address };
}

/** `nf_tproxy_assign_sock` */
export function giveToProxy(packet: Packet, { port, address }: Proxy): void {
  packet.proxyPort = port;
  packet.proxyAddress = address;
}

function lookUp(stack: Stack, packet: Packet, local: number, localPort: number): FoundSocket | null {
  return stack.findSocket({
    proto: packet.protocol === IPPROTO_TCP ? "tcp" : "udp",
    family: packet.family,
    local,
    localPort,
    peer: packet.src,
    peerPort: packet.sport,
    dev: stack.inIf,
  });
}

/** `nf_tproxy_laddr4`, `nf_tproxy_laddr6`: the first address of the device, else the one it was sent to. */
function deviceAddress(stack: Stack, { family, dst }: Packet): number {
  const dev = stack.device(stack.inIf);
  const first = family === 6 ? dev?.addresses6[0] : dev?.addresses.find(({ secondary }) => !secondary);
  return first?.address ?? dst;
}
