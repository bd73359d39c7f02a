import { emit } from "../kernel/emit.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import type { Stack } from "../kernel/stack.ts";
import type { Packet } from "../packet/packet.ts";
import { ofFamily } from "./client-packet.ts";
import { boundDeviceOf } from "./listener.ts";
import type { Query } from "./query.ts";

/** One end of a connection or association. */
export interface ConnectionEnd {
  stack: Stack;
  readonly local: number;
  readonly localPort: number;
  readonly peer: number;
  readonly peerPort: number;
  readonly client: boolean;
  /** ifindex of the device it is bound to, 0 none. */
  readonly boundDev: number;
  readonly socket: Socket | null;
  /** It may speak for an address that its host does not have: a transparent socket, or one that TPROXY found where nobody said. */
  readonly forAnother: boolean;
  /** What its packets are marked with (`SO_MARK`); a client's is the query's. */
  readonly mark: number;
}

/** The end that a listening socket makes for a packet which opens a connection. */
export function acceptingEnd(
  stack: Stack,
  proto: "tcp" | "sctp",
  packet: Packet,
  socket: Socket | null,
): ConnectionEnd {
  return {
    stack,
    local: packet.dst,
    localPort: packet.dport,
    peer: packet.src,
    peerPort: packet.sport,
    client: false,
    boundDev: boundDeviceOf(stack, proto, packet, socket),
    socket,
    forAnother: transparencyOf(socket) ?? packet.proxyPort > 0,
    // `inet_request_mark`
    mark: proto === "tcp" && stack.net.tcpFwmarkAccept ? packet.mark : 0,
  };
}

export function keyOf({ stack, local, localPort, peer, peerPort }: ConnectionEnd): string {
  return `${stack.host} ${local} ${localPort} ${peer} ${peerPort}`;
}

/** Key of the end that a packet coming in at a host is for. */
export function keyOfReceiver(stack: Stack, { dst, dport, src, sport }: Packet): string {
  return `${stack.host} ${dst} ${dport} ${src} ${sport}`;
}

/** Does a line of text come from this end, when it has taken a connection? */
export function speaks({ socket }: ConnectionEnd): boolean {
  return socket === null || socket.app.kind === "line";
}

/** May a server's socket speak for other addresses? null: nobody has said. */
export function transparencyOf(socket: Socket | null): boolean | null {
  return socket?.transparent ?? null;
}

/** The next packet that an end sends, without its transport's header; the tape is told of it. */
export function packetFrom(end: ConnectionEnd, query: Query, phase: number, cause: number): Packet {
  const { stack } = end;
  const packet = ofFamily(stack.pool.take(), query.family);
  emit(stack, packet, phase, cause);
  packet.src = end.local;
  packet.dst = end.peer;
  packet.sport = end.localPort;
  packet.dport = end.peerPort;
  packet.ttl = end.client ? (query.ttl ?? 0) : 0;
  if (end.client) {
    packet.mark = query.mark;
    packet.uid = query.uid;
  } else {
    packet.mark = end.mark;
    packet.uid = 0;
  }
  packet.boundDev = end.boundDev;
  return packet;
}
