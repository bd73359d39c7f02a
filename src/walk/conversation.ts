import type { NetDevice } from "../kernel/device/net-device.ts";
import type { Upcalls } from "../kernel/outbox.ts";
import { outputMtu } from "../kernel/path/ip-output.ts";
import { localOut } from "../kernel/path/local-out.ts";
import {
  EACCES,
  ECONNREFUSED,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  EPERM,
} from "../kernel/route/fib.ts";
import { isMulticast, routeOutput } from "../kernel/route/output-route.ts";
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from "../kernel/route/types.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import type { Stack } from "../kernel/stack.ts";
import { OP_EMIT } from "../kernel/tape.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
  PHASE_DATA,
  PHASE_REPEAT,
  PHASE_REPLY,
  PHASE_REQUEST,
  TCP_ACK,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
} from "../packet/packet.ts";
import type { Query } from "./query.ts";
import type { ClientResult } from "./trace.ts";

/**
 * The two ends of a query: a client that asks, and the applications behind sockets that answer, playing on the walk's
 * agenda. TCP is its handshake, one line of data from the server and the acknowledgement; UDP a datagram and a line back.
 */

/** Bytes a line server says; the kernel's path depends on a packet's size only near the MTU. */
const LINE_BYTES = 90;
/** IP and TCP headers with the options a Linux SYN, and a later segment, carries. */
const SYN_BYTES = 60;
const SEGMENT_BYTES = 52;
const DEFAULT_PAYLOAD = 16;
/** A hand-made echo request carries eight bytes, a hand-made datagram none. */
const RAW_ECHO_PAYLOAD = 8;
/** A SYN is repeated after one second, up to four times linearly (`tcp_syn_linear_timeouts`). */
const SYN_REPEAT_MS = 1000;

export const EADDRNOTAVAIL = 99;
/** What a protocol unreachable becomes. */
const ENOPROTOOPT = 92;

export const ERRNO_NAMES: Readonly<Record<number, string>> = {
  [EPERM]: "EPERM",
  [EACCES]: "EACCES",
  [EINVAL]: "EINVAL",
  [EMSGSIZE]: "EMSGSIZE",
  [EADDRNOTAVAIL]: "EADDRNOTAVAIL",
  [ENETUNREACH]: "ENETUNREACH",
  [ENOPROTOOPT]: "ENOPROTOOPT",
  [ECONNREFUSED]: "ECONNREFUSED",
  [EHOSTUNREACH]: "EHOSTUNREACH",
};

/** A server that got the request. */
export interface Served {
  readonly host: number;
  readonly proto: number;
  readonly local: number;
  readonly localPort: number;
  readonly peer: number;
  readonly peerPort: number;
}

interface Connection {
  readonly stack: Stack;
  readonly local: number;
  readonly localPort: number;
  readonly peer: number;
  readonly peerPort: number;
  readonly client: boolean;
  readonly socket: Socket | null;
  state: "syn-sent" | "syn-received" | "established" | "closed";
  seq: number;
  ack: number;
}

export class Conversation implements Upcalls {
  readonly query: Query;
  private readonly client: Stack;
  private readonly connections = new Map<string, Connection>();
  private own: Connection | null = null;
  private sport = 0;
  private source = 0;
  /** Whom the client speaks to: the query's destination, which for 0.0.0.0 is the host itself. */
  private destination: number;
  private icmpId = 0;

  // what came of it
  result: ClientResult | null = null;
  errno = 0;
  readonly served: Served[] = [];
  /** Host that answered, -1 none; for icmp the address. */
  answeredBy = -1;
  answeredByAddress: number | null = null;
  ownPacket = false;
  icmp: { type: number; code: number; from: number; mtu: number } | null = null;
  resetFrom: number | null = null;
  /** A server's data came (tcp). */
  dataSeen = false;
  private handshake = false;
  private stopRepeating: () => void = () => {};

  constructor(query: Query, client: Stack) {
    this.query = query;
    this.client = client;
    this.destination = query.dst;
    this.source = query.src ?? 0;
  }

  get clientAddress(): number {
    return this.source;
  }
  get clientPort(): number {
    return this.sport;
  }
  get clientIcmpId(): number {
    return this.icmpId;
  }

  /** The client does what the query says: the first packet is made and sent. */
  begin(): void {
    const { query, client: stack } = this;
    const ephemeral = stack.state.nextEphemeral();
    const [low, high] = stack.net.portRange;
    this.sport = query.sport ?? low + ((ephemeral * 2 + 1013) % (high - low + 1));
    this.icmpId = query.sport ?? 4096 + ephemeral;
    if (query.raw || query.tcpFlags !== null) {
      this.sendRaw();
      return;
    }
    if (query.src !== null && !stack.isLocal(query.src)) {
      this.fail("no-address", EADDRNOTAVAIL);
      return;
    }
    if (query.proto === "tcp") this.connect();
    else if (query.proto === "udp") this.sendDatagram();
    else this.sendEcho();
  }

  private make(phase: number, cause: number): Packet {
    const stack = this.client;
    const packet = stack.pool.take();
    packet.number = stack.outbox.nextNumber();
    packet.phase = phase;
    packet.cause = cause;
    packet.ttl = this.query.ttl ?? stack.net.defaultTtl;
    packet.mark = this.query.mark;
    packet.uid = this.query.uid;
    packet.boundDev = this.query.dev === null ? 0 : (stack.net.deviceNamed(this.query.dev)?.ifindex ?? 0);
    packet.src = this.query.src ?? 0;
    packet.dst = this.query.dst;
    stack.tape?.words4(OP_EMIT, stack.host, packet.number, cause, phase);
    return packet;
  }

  private connect(): void {
    const stack = this.client;
    const syn = this.make(PHASE_REQUEST, 0);
    this.fillSyn(syn);
    const error = routeOutput(stack, syn, syn.boundDev, false);
    if (error === 0 && (syn.rtType === RTN_BROADCAST || syn.rtType === RTN_MULTICAST)) {
      stack.pool.release(syn);
      this.fail("unreachable", ENETUNREACH);
      return;
    }
    if (error !== 0) {
      stack.pool.release(syn);
      this.failErrno(error);
      return;
    }
    this.source = syn.src;
    this.destination = syn.dst;
    this.own = {
      stack,
      local: syn.src,
      localPort: this.sport,
      peer: syn.dst,
      peerPort: this.query.dport ?? 0,
      client: true,
      socket: null,
      state: "syn-sent",
      seq: 1,
      ack: 0,
    };
    this.connections.set(keyOf(this.own), this.own);
    this.repeatSyn(1);
    localOut(stack, syn);
  }

  private fillSyn(syn: Packet): void {
    syn.protocol = IPPROTO_TCP;
    syn.sport = this.sport;
    syn.dport = this.query.dport ?? 0;
    syn.tcpFlags = TCP_SYN;
    syn.df = true;
    syn.length = SYN_BYTES;
    syn.id = this.client.state.nextIpId();
    syn.seq = 0;
  }

  private repeatSyn(times: number): void {
    if (times > 4) return;
    this.stopRepeating = this.client.outbox.after(SYN_REPEAT_MS, () => {
      const own = this.own;
      if (this.result !== null || own === null || own.state !== "syn-sent") return;
      const syn = this.make(PHASE_REPEAT, 1);
      this.fillSyn(syn);
      syn.src = own.local;
      this.repeatSyn(times + 1);
      if (routeOutput(this.client, syn, syn.boundDev, false) !== 0) this.client.pool.release(syn);
      else localOut(this.client, syn);
    });
  }

  private sendDatagram(): void {
    const packet = this.make(PHASE_REQUEST, 0);
    packet.protocol = IPPROTO_UDP;
    packet.sport = this.sport;
    packet.dport = this.query.dport ?? 0;
    packet.payload = this.query.size ?? DEFAULT_PAYLOAD;
    packet.length = 28 + packet.payload;
    this.sendMessage(packet);
  }

  private sendEcho(): void {
    const packet = this.make(PHASE_REQUEST, 0);
    packet.protocol = IPPROTO_ICMP;
    packet.icmpType = ICMP_ECHO;
    packet.icmpId = this.icmpId;
    packet.icmpSeq = 1;
    packet.payload = this.query.size ?? DEFAULT_PAYLOAD;
    packet.length = 28 + packet.payload;
    this.sendMessage(packet);
  }

  /** `sendto` on a datagram or ping socket: errors come back at once. */
  private sendMessage(packet: Packet): void {
    const stack = this.client;
    packet.df = this.query.df;
    packet.id = stack.state.nextIpId();
    // IP_MULTICAST_TTL, which IP_TTL does not set
    if (isMulticast(packet.dst)) packet.ttl = 1;
    const error = routeOutput(stack, packet, packet.boundDev, false);
    if (error !== 0) {
      stack.pool.release(packet);
      this.failErrno(error);
      return;
    }
    this.source = packet.src;
    this.destination = packet.dst;
    const out = stack.net.devices[packet.rtDev] as NetDevice;
    // IP_PMTUDISC_PROBE looks at the device, not at the route nor at what path MTU discovery learned.
    if (this.query.df) packet.rtMtu = 0;
    if (this.query.df && packet.length > outputMtu(packet, out)) {
      stack.pool.release(packet);
      this.fail("too-big", EMSGSIZE);
      return;
    }
    const failed = localOut(stack, packet);
    if (failed !== 0 && this.result === null) this.failErrno(failed);
  }

  /** One hand-made packet through a raw socket: sent as it is. */
  private sendRaw(): void {
    const { query, client: stack } = this;
    const packet = this.make(PHASE_REQUEST, 0);
    packet.df = query.df;
    packet.id = stack.state.nextIpId();
    const headerSource = packet.src;
    if (query.proto === "icmp") {
      packet.protocol = IPPROTO_ICMP;
      packet.icmpType = ICMP_ECHO;
      packet.icmpId = this.icmpId;
      packet.icmpSeq = 1;
      packet.payload = query.size ?? RAW_ECHO_PAYLOAD;
      packet.length = 28 + packet.payload;
    } else {
      packet.protocol = query.proto === "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
      packet.sport = this.sport;
      packet.dport = query.dport ?? 0;
      if (query.proto === "tcp") {
        packet.tcpFlags = query.tcpFlags ?? TCP_SYN;
        packet.length = 40;
      } else {
        packet.payload = query.size ?? 0;
        packet.length = 28 + packet.payload;
      }
    }
    // raw_sendmsg routes by the socket's own address, not by the header it is handed.
    packet.src = 0;
    const error = routeOutput(stack, packet, packet.boundDev, true);
    if (headerSource !== 0) packet.src = headerSource;
    this.source = packet.src;
    if (error !== 0) {
      stack.pool.release(packet);
      this.failErrno(error);
      return;
    }
    this.result = "sent";
    localOut(stack, packet);
  }

  /** A packet whose sender is outside the model arrives; the sender's end is played without a host. */
  fillArrival(packet: Packet): void {
    const { query } = this;
    packet.ttl = query.ttl ?? 64;
    packet.mark = 0;
    packet.src = query.src ?? 0;
    packet.dst = query.dst;
    this.source = packet.src;
    this.sport = query.sport ?? 40000;
    this.icmpId = query.sport ?? 4096;
    packet.df = query.df;
    switch (query.proto) {
      case "tcp":
        packet.protocol = IPPROTO_TCP;
        packet.sport = this.sport;
        packet.dport = query.dport ?? 0;
        packet.tcpFlags = query.tcpFlags ?? TCP_SYN;
        packet.df = true;
        packet.length = SYN_BYTES;
        break;
      case "udp":
        packet.protocol = IPPROTO_UDP;
        packet.sport = this.sport;
        packet.dport = query.dport ?? 0;
        packet.payload = query.size ?? DEFAULT_PAYLOAD;
        packet.length = 28 + packet.payload;
        break;
      case "icmp":
        packet.protocol = IPPROTO_ICMP;
        packet.icmpType = ICMP_ECHO;
        packet.icmpId = this.icmpId;
        packet.icmpSeq = 1;
        packet.payload = query.size ?? DEFAULT_PAYLOAD;
        packet.length = 28 + packet.payload;
        break;
    }
  }

  /**
   * What the sender outside the model makes of a frame that came back to it.
   *
   * @returns the segment it answers with, to be filled by the caller's frame, or null
   */
  outsideReceived(packet: Packet): { flags: number; seq: number; ack: number } | null {
    if (packet.protocol === IPPROTO_ICMP) {
      if (packet.inner !== null) this.takeError(packet, packet.inner);
      else if (this.result === null) {
        this.result = "answered";
        this.answeredByAddress = packet.src;
      }
      return null;
    }
    if (packet.src !== this.query.dst || packet.sport !== this.query.dport) return null;
    if (packet.protocol === IPPROTO_UDP) {
      this.result ??= "answered";
      return null;
    }
    if ((packet.tcpFlags & TCP_RST) !== 0) {
      this.resetFrom = packet.src;
      this.fail("refused", ECONNREFUSED);
      return null;
    }
    if ((packet.tcpFlags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK)) {
      this.result = "connected";
      return { flags: TCP_ACK, seq: 1, ack: packet.seq + 1 };
    }
    if (packet.payload > 0) {
      this.dataSeen = true;
      return { flags: TCP_ACK, seq: 1, ack: packet.seq + packet.payload };
    }
    return null;
  }

  // upcalls: what sockets hear

  tcp(stack: Stack, packet: Packet): boolean {
    const key = `${stack.host} ${packet.dst} ${packet.dport} ${packet.src} ${packet.sport}`;
    const known = this.connections.get(key);
    if (known !== undefined && known.state !== "closed") {
      this.segment(known, packet);
      return true;
    }
    const flags = packet.tcpFlags;
    if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) !== TCP_SYN) return false;
    if (packet.rtType !== RTN_LOCAL) return false;
    const socket = this.listener(stack, "tcp", packet);
    if (socket === undefined) return false;
    const connection: Connection = {
      stack,
      local: packet.dst,
      localPort: packet.dport,
      peer: packet.src,
      peerPort: packet.sport,
      client: false,
      socket,
      state: "syn-received",
      seq: 1,
      ack: packet.seq + 1,
    };
    this.connections.set(key, connection);
    this.sendSegment(connection, TCP_SYN | TCP_ACK, 0, PHASE_REPLY, packet.number, SYN_BYTES, 0);
    return true;
  }

  private segment(connection: Connection, packet: Packet): void {
    const flags = packet.tcpFlags;
    if ((flags & TCP_RST) !== 0) {
      connection.state = "closed";
      if (connection.client && this.result === null) {
        this.resetFrom = packet.src;
        this.fail("refused", ECONNREFUSED);
      }
      return;
    }
    switch (connection.state) {
      case "syn-sent":
        if ((flags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK)) {
          connection.state = "established";
          connection.ack = packet.seq + 1;
          this.handshake = true;
          this.result = "connected";
          this.stopRepeating();
          this.sendSegment(connection, TCP_ACK, connection.seq, PHASE_DATA, packet.number, SEGMENT_BYTES, 0);
        } else if ((flags & TCP_SYN) !== 0) {
          // A connection to its own socket: simultaneous open (RFC 9293 3.5).
          connection.state = "syn-received";
          connection.ack = packet.seq + 1;
          this.sendSegment(connection, TCP_SYN | TCP_ACK, 0, PHASE_REPLY, packet.number, SYN_BYTES, 0);
        }
        return;
      case "syn-received":
        if ((flags & TCP_SYN) !== 0 && (flags & TCP_ACK) === 0) {
          // A repeated SYN is answered again.
          if (!connection.client)
            this.sendSegment(connection, TCP_SYN | TCP_ACK, 0, PHASE_REPEAT, packet.number, SYN_BYTES, 0);
          return;
        }
        if ((flags & TCP_ACK) !== 0) {
          connection.state = "established";
          if (connection.client) {
            this.handshake = true;
            this.result = "connected";
            this.stopRepeating();
            if ((flags & TCP_SYN) !== 0) {
              this.sendSegment(
                connection,
                TCP_ACK,
                connection.seq,
                PHASE_DATA,
                packet.number,
                SEGMENT_BYTES,
                0,
              );
            }
            return;
          }
          this.serve(connection.stack, IPPROTO_TCP, packet);
          if (connection.socket === null || connection.socket.app.kind === "line") {
            this.sendSegment(
              connection,
              TCP_PSH | TCP_ACK,
              connection.seq,
              PHASE_DATA,
              packet.number,
              SEGMENT_BYTES + LINE_BYTES,
              LINE_BYTES,
            );
            connection.seq += LINE_BYTES;
          }
        }
        return;
      case "established":
        if ((flags & TCP_FIN) !== 0) {
          connection.ack = packet.seq + packet.payload + 1;
          this.sendSegment(
            connection,
            TCP_FIN | TCP_ACK,
            connection.seq,
            PHASE_DATA,
            packet.number,
            SEGMENT_BYTES,
            0,
          );
          connection.state = "closed";
          return;
        }
        if (packet.payload > 0) {
          if (connection.client) {
            this.dataSeen = true;
            if (this.answeredBy < 0) this.answeredBy = this.lastServer();
          }
          connection.ack = packet.seq + packet.payload;
          this.sendSegment(connection, TCP_ACK, connection.seq, PHASE_DATA, packet.number, SEGMENT_BYTES, 0);
        }
        return;
    }
  }

  private lastServer(): number {
    return this.served[this.served.length - 1]?.host ?? -1;
  }

  private sendSegment(
    connection: Connection,
    flags: number,
    seq: number,
    phase: number,
    cause: number,
    length: number,
    payload: number,
  ): void {
    const { stack } = connection;
    const segment = stack.pool.take();
    segment.number = stack.outbox.nextNumber();
    segment.phase = phase;
    segment.cause = cause;
    stack.tape?.words4(OP_EMIT, stack.host, segment.number, cause, phase);
    segment.protocol = IPPROTO_TCP;
    segment.src = connection.local;
    segment.dst = connection.peer;
    segment.sport = connection.localPort;
    segment.dport = connection.peerPort;
    segment.tcpFlags = flags;
    segment.seq = seq;
    segment.ack = connection.ack;
    segment.df = true;
    segment.length = length;
    segment.payload = payload;
    segment.ttl = connection.client ? (this.query.ttl ?? stack.net.defaultTtl) : stack.net.defaultTtl;
    if (connection.client) {
      segment.mark = this.query.mark;
      segment.uid = this.query.uid;
    } else segment.uid = 0;
    segment.id = (flags & TCP_SYN) !== 0 ? 0 : stack.state.nextIpId();
    if (routeOutput(stack, segment, connection.client ? segment.boundDev : 0, false) !== 0) {
      stack.pool.release(segment);
      return;
    }
    localOut(stack, segment);
  }

  udp(stack: Stack, packet: Packet): boolean {
    const { query } = this;
    const toAll = packet.rtType === RTN_BROADCAST || packet.rtType === RTN_MULTICAST;
    // The client's own connected socket; who makes packets by hand has none.
    if (
      !toAll &&
      query.proto === "udp" &&
      this.result !== "sent" &&
      stack === this.client &&
      packet.dst === this.source &&
      packet.dport === this.sport &&
      packet.src === this.destination &&
      packet.sport === query.dport
    ) {
      if (packet.phase === PHASE_REQUEST) {
        this.ownPacket = true;
        this.result ??= "answered";
      } else if (this.result === null) {
        this.result = "answered";
        this.answeredBy = this.replier(packet);
      }
      return true;
    }
    const socket = this.listener(stack, "udp", packet);
    if (socket === undefined) return false;
    this.serve(stack, IPPROTO_UDP, packet);
    if (socket !== null && socket.app.kind === "silent") return true;
    const reply = stack.pool.take();
    reply.protocol = IPPROTO_UDP;
    reply.src = packet.dst;
    reply.dst = packet.src;
    reply.sport = packet.dport;
    reply.dport = packet.sport;
    reply.df = true;
    reply.payload = LINE_BYTES;
    reply.length = 28 + LINE_BYTES;
    reply.ttl = stack.net.defaultTtl;
    reply.uid = 0;
    reply.id = stack.state.nextIpId();
    // From a broadcast address nobody can answer, and to one only a socket that asked for it (SO_BROADCAST).
    if (
      !stack.isLocal(reply.src) ||
      routeOutput(stack, reply, 0, false) !== 0 ||
      reply.rtType === RTN_BROADCAST
    ) {
      stack.pool.release(reply);
      return true;
    }
    reply.number = stack.outbox.nextNumber();
    reply.phase = PHASE_REPLY;
    reply.cause = packet.number;
    stack.tape?.words4(OP_EMIT, stack.host, reply.number, packet.number, PHASE_REPLY);
    localOut(stack, reply);
    return true;
  }

  /** Whose answer a reply is: the server that saw the packet that caused it. */
  private replier(reply: Packet): number {
    return this.repliers.get(reply.cause) ?? this.lastServer();
  }

  private readonly repliers = new Map<number, number>();

  echoReply(stack: Stack, packet: Packet): void {
    if (this.query.proto !== "icmp" || stack !== this.client || packet.icmpId !== this.icmpId) return;
    if (this.result !== null) return;
    this.result = "answered";
    this.answeredByAddress = packet.src;
  }

  icmpError(stack: Stack, packet: Packet): void {
    const inner = packet.inner;
    if (inner === null || stack !== this.client || packet.icmpType === ICMP_REDIRECT) return;
    // The first error that reaches the sender's host is told of, whichever of its packets it is about.
    this.noteError(packet);
    this.takeError(packet, inner);
  }

  private noteError(packet: Packet): void {
    this.icmp ??= { type: packet.icmpType, code: packet.icmpCode, from: packet.src, mtu: packet.icmpInfo };
  }

  private takeError(packet: Packet, inner: Packet): void {
    const { query } = this;
    const proto = query.proto === "tcp" ? IPPROTO_TCP : query.proto === "udp" ? IPPROTO_UDP : IPPROTO_ICMP;
    if (
      inner.protocol !== proto ||
      inner.dst !== this.destination ||
      (this.source !== 0 && inner.src !== this.source)
    )
      return;
    if (
      proto === IPPROTO_ICMP
        ? inner.icmpId !== this.icmpId
        : inner.sport !== this.sport || inner.dport !== query.dport
    ) {
      return;
    }
    if (packet.icmpType === ICMP_REDIRECT) return;
    this.noteError(packet);
    if (this.result !== null) return;
    const { icmpType: type, icmpCode: code } = packet;
    if (type === 11) {
      // icmp_err_convert knows one errno for it; an echo's sender hears of the error alone.
      this.fail("ttl-exceeded", proto === IPPROTO_ICMP ? 0 : EHOSTUNREACH);
    } else if (type === ICMP_DEST_UNREACH) {
      if (code === ICMP_FRAG_NEEDED) {
        if (proto === IPPROTO_TCP) return;
        if (proto === IPPROTO_UDP) this.fail("too-big", EMSGSIZE);
        else this.fail("unreachable", 0);
      } else if (code === 3 || code === 2) {
        if (proto === IPPROTO_ICMP) this.fail("unreachable", 0);
        else this.fail(code === 3 ? "refused" : "unreachable", code === 3 ? ECONNREFUSED : ENOPROTOOPT);
      } else this.fail("unreachable", proto === IPPROTO_ICMP ? 0 : unreachableErrno(code));
    }
  }

  sendFailed(_stack: Stack, _packet: Packet, errno: number): void {
    if (this.result === null) this.failErrno(errno);
  }

  /** The listening socket for a packet: undefined none, null one that is merely assumed. */
  private listener(stack: Stack, proto: "tcp" | "udp", packet: Packet): Socket | null | undefined {
    const sockets = stack.net.sockets;
    if (sockets === null) {
      // Without a list of sockets every port listens, but not the client's own.
      return stack === this.client && packet.dport === this.sport && proto === this.query.proto
        ? undefined
        : null;
    }
    let found: Socket | undefined;
    for (const socket of sockets) {
      if (socket.proto !== proto || socket.port !== packet.dport) continue;
      if (socket.address !== null && socket.address !== packet.dst) continue;
      if (socket.dev !== null && stack.net.deviceNamed(socket.dev)?.ifindex !== packet.dev) continue;
      // The more particular socket hears it.
      if (found === undefined || (found.address === null && socket.address !== null)) found = socket;
    }
    return found;
  }

  private serve(stack: Stack, proto: number, packet: Packet): void {
    this.repliers.set(packet.number, stack.host);
    this.served.push({
      host: stack.host,
      proto,
      local: packet.dst,
      localPort: packet.dport,
      peer: packet.src,
      peerPort: packet.sport,
    });
  }

  private failErrno(errno: number): void {
    switch (errno) {
      case EPERM:
        // TCP keeps trying; the others are told.
        if (this.query.proto !== "tcp") this.fail("blocked", errno);
        return;
      case EINVAL:
        this.fail("invalid", errno);
        return;
      case EMSGSIZE:
        this.fail("too-big", errno);
        return;
      default:
        this.fail("unreachable", errno);
    }
  }

  private fail(result: ClientResult, errno: number): void {
    if (this.result !== null) return;
    this.result = result;
    this.errno = errno;
    this.stopRepeating();
  }

  /** Did the client get what it asked for? */
  get answered(): boolean {
    return this.result === "connected" || this.result === "answered" || this.handshake;
  }

  /** End the connection: a reset from both ends, as the recorder does, or FIN from the client, answered by the server. */
  close(how: "reset" | "fin"): void {
    for (const connection of this.connections.values()) {
      // A socket that is still connecting closes without a word.
      if (connection.state === "closed" || connection.state === "syn-sent") continue;
      if (how === "reset") {
        connection.state = "closed";
        this.sendSegment(connection, TCP_RST | TCP_ACK, connection.seq, PHASE_DATA, 0, 40, 0);
      } else if (connection.client && connection.state === "established") {
        this.sendSegment(connection, TCP_FIN | TCP_ACK, connection.seq, PHASE_DATA, 0, SEGMENT_BYTES, 0);
        connection.seq++;
      }
    }
  }
}

function keyOf(connection: Connection): string {
  return `${connection.stack.host} ${connection.local} ${connection.localPort} ${connection.peer} ${connection.peerPort}`;
}

/** `icmp_err_convert` (net/ipv4/icmp.c). */
function unreachableErrno(code: number): number {
  switch (code) {
    case 0:
    case 6:
    case 9:
    case 11:
      return ENETUNREACH;
    default:
      return EHOSTUNREACH;
  }
}
