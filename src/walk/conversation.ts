import { emit } from "../kernel/emit.ts";
import { EADDRNOTAVAIL, ECONNREFUSED } from "../kernel/errno.ts";
import { isTooBig } from "../kernel/icmp/error.ts";
import type { FoundSocket, SegmentFate, SocketQuestion, Upcalls } from "../kernel/outbox.ts";
import { RTN_BROADCAST, RTN_MULTICAST } from "../kernel/route/types.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import type { Stack } from "../kernel/stack.ts";
import {
  ICMP_REDIRECT,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isIcmp,
  type Packet,
  PHASE_REQUEST,
} from "../packet/packet.ts";
import { hasAddress, ofFamily, protocolOf } from "./client-packet.ts";
import { transparencyOf } from "./connection-end.ts";
import { answerDatagram } from "./datagram-answer.ts";
import { DatagramRelay } from "./datagram-relay.ts";
import { ECONNRESET, EPIPE, heardOfError, resultOfErrno } from "./errno.ts";
import { isOfDevice, listenerOf, placeOf } from "./listener.ts";
import type { Query } from "./query.ts";
import { sendMessage, sendRaw } from "./request.ts";
import { SctpEnds } from "./sctp-ends.ts";
import { TcpEnds } from "./tcp-ends.ts";
import type { ClientResult } from "./trace.ts";
import { tunnelSocket } from "./tunnel-socket.ts";

/**
 * The two ends of a query: a client that asks, and the applications behind sockets that answer, playing on the walk's
 * agenda. TCP (`tcp-ends.ts`) is its handshake, one line of data from the server and the acknowledgement, SCTP
 * (`sctp-ends.ts`) likewise; UDP a datagram and a line back.
 */

/** A server that got the request. */
export interface Served {
  readonly host: number;
  readonly proto: number;
  readonly local: number;
  readonly localPort: number;
  readonly peer: number;
  readonly peerPort: number;
}

export class Conversation implements Upcalls {
  readonly query: Query;
  readonly client: Stack;
  private tcpEnds = new TcpEnds(this);
  private sctpEnds = new SctpEnds(this);
  private sport = 0;
  private source = 0;
  /** Whom the client speaks to: the query's destination, which for 0.0.0.0 is the host itself. */
  private destination: number;
  private icmpId = 0;
  /** When the client began to connect. */
  private begunAt = 0;
  /** An error came before the client could hear it: it waits for the one about its next SYN. */
  toldEarly = false;

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
  /** Was a connection asked for with more than one other end? */
  asksMany = false;
  /** Did a relay on the way find somebody to pass on to? */
  isPassedOn = true;
  private readonly datagrams = new DatagramRelay();
  /** The client goes on on a connection it held. */
  private goingOn = false;

  constructor(query: Query, client: Stack) {
    this.query = query;
    this.client = client;
    this.destination = query.dst;
    this.source = query.src ?? 0;
  }

  /** What the client connects with. */
  private get ends(): TcpEnds | SctpEnds {
    return this.query.proto === "sctp" ? this.sctpEnds : this.tcpEnds;
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

  /** ifindex of the device that the client's socket is bound to, 0 none. */
  private get ownDevice(): number {
    const { dev } = this.query;
    return dev === null ? 0 : (this.client.net.deviceNamed(dev)?.ifindex ?? 0);
  }

  get ports(): { readonly sport: number; readonly dport: number; readonly icmpId: number } {
    return { sport: this.sport, dport: this.query.dport ?? 0, icmpId: this.icmpId };
  }

  /** The client does what the query says: the first packet is made and sent. */
  begin(): void {
    const { query, client: stack } = this;
    const ephemeral = stack.state.nextEphemeral();
    const [low, high] = stack.net.portRange;
    this.sport = query.sport ?? low + ((ephemeral * 2 + 1013) % (high - low + 1));
    this.icmpId = query.sport ?? 4096 + ephemeral;
    stack.engine.givenIcmpId = query.sport ?? -1;
    this.begunAt = stack.now;
    if (query.raw || query.tcpFlags !== null || query.proto === "ip") {
      sendRaw(this);
      return;
    }
    if (query.src !== null && !hasAddress(stack, query.family, query.src)) {
      this.fail("no-address", EADDRNOTAVAIL);
      return;
    }
    if (query.proto === "tcp" || query.proto === "sctp") this.ends.connect();
    else sendMessage(this, query.proto);
  }

  make(phase: number, cause: number): Packet {
    const stack = this.client;
    const packet = ofFamily(stack.pool.take(), this.query.family);
    emit(stack, packet, phase, cause);
    packet.ttl = this.query.ttl ?? 0;
    packet.mark = this.query.mark;
    packet.uid = this.query.uid;
    packet.boundDev = this.ownDevice;
    packet.src = this.query.src ?? 0;
    packet.dst = this.query.dst;
    return packet;
  }

  /** The client's source was chosen, and where it really goes. */
  bound(source: number, destination: number): void {
    this.source = source;
    this.destination = destination;
  }

  /** A sender outside the model sends from here. */
  sendsFrom(source: number, port: number, icmpId: number): void {
    this.source = source;
    this.sport = port;
    this.icmpId = icmpId;
    this.client.engine.givenIcmpId = this.query.sport ?? -1;
  }

  /**
   * The conversation as it would go on: on its connection the client is about to say more, and nothing has come of it yet.
   * What this one does the other does not.
   */
  fork(stackNamed: (name: string) => Stack): Conversation {
    const copy = new Conversation(this.query, stackNamed(this.client.net.name));
    copy.tcpEnds = this.tcpEnds.copyFor(copy, stackNamed);
    copy.sctpEnds = this.sctpEnds.copyFor(copy, stackNamed);
    copy.sport = this.sport;
    copy.bound(this.source, this.destination);
    copy.goingOn = true;
    return copy;
  }

  /** Eight more bytes on a held connection. */
  again(): void {
    if (!this.ends.sayMore()) this.fail("error", EPIPE);
  }

  connected(): void {
    this.handshake = true;
    if (!this.saysMuch) this.result = "connected";
    this.ends.stop();
  }

  /** Has the client a text of its own to say once it is connected, whose arrival it waits for? */
  get saysMuch(): boolean {
    const { proto, size, arrives } = this.query;
    return proto === "tcp" && !arrives && !this.goingOn && (size ?? 0) > 0;
  }

  /** All that the client said has arrived. */
  wasHeard(): void {
    if (this.saysMuch && this.handshake) this.result ??= "connected";
  }

  /** The server's end, or a host that knows no such connection, reset the client's. */
  wasReset(from: number): void {
    if (this.result !== null) return;
    this.resetFrom = from;
    if (this.goingOn) this.fail("reset", ECONNRESET);
    else this.fail("refused", ECONNREFUSED);
  }

  /** A relay that took the client's connection had nobody to pass it on to. */
  notPassedOn(): void {
    this.isPassedOn = false;
    this.result = "reset";
  }

  /** Data came from the server. */
  tookData(): void {
    this.dataSeen = true;
    if (this.goingOn) this.result ??= "answered";
    if (this.answeredBy < 0) this.answeredBy = this.lastServer();
  }

  /** Is a packet for the client's own port? */
  isClients(stack: Stack, proto: Socket["proto"], packet: Packet): boolean {
    return stack === this.client && packet.dport === this.sport && proto === this.query.proto;
  }

  close(how: "reset" | "fin"): void {
    this.ends.close(how);
  }

  // upcalls: what sockets hear

  tcp(stack: Stack, packet: Packet): SegmentFate {
    return this.tcpEnds.receive(stack, packet);
  }

  sctp(stack: Stack, packet: Packet): boolean {
    return this.sctpEnds.receive(stack, packet);
  }

  opensSctp(stack: Stack): boolean {
    return stack === this.client && this.query.proto === "sctp" && !this.query.raw && !this.query.arrives;
  }

  findSocket(stack: Stack, question: SocketQuestion): FoundSocket | null {
    const { proto, family, local, localPort, peer, peerPort, dev } = question;
    const { query } = this;
    const isClients = stack === this.client && localPort === this.sport && proto === query.proto;
    const isByDevice = this.ownDevice === 0 || this.ownDevice === dev;
    if (proto === "tcp") {
      const connected = this.tcpEnds.find(stack, question);
      if (connected !== null) return connected;
    } else if (
      isClients &&
      isByDevice &&
      peer === this.destination &&
      peerPort === query.dport &&
      this.result !== "sent"
    ) {
      return { kind: "connected", wildcard: false, transparent: false, mark: query.mark };
    }
    const listener = listenerOf(
      stack,
      proto,
      { family, dst: local, dport: localPort, dev, l3Slave: 0 },
      isClients,
    );
    if (listener === undefined) return proto === "udp" ? tunnelSocket(stack, localPort) : null;
    const wildcard = listener?.address === null || listener === null;
    return { kind: "listener", wildcard, transparent: transparencyOf(listener), mark: 0 };
  }

  private lastServer(): number {
    return this.served[this.served.length - 1]?.host ?? -1;
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
      packet.sport === query.dport &&
      isOfDevice(stack, "udp", packet, this.ownDevice)
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
    if (this.datagrams.answer(stack, packet)) return true;
    const socket = listenerOf(stack, "udp", placeOf(packet), this.isClients(stack, "udp", packet));
    if (socket === undefined) return false;
    this.serve(stack, IPPROTO_UDP, packet);
    if (socket !== null && socket.app.kind === "relay") {
      const { relay } = socket.app;
      if (relay.targets === null) stack.engine.unmodelled.add(`whom ${relay.name} passes datagrams on to`);
      else if (!this.datagrams.request(stack, packet, relay)) this.isPassedOn = false;
      return true;
    }
    if (socket !== null && socket.app.kind === "silent") return true;
    stack.outbox.byApplication(packet, (asked) => answerDatagram(stack, asked, query.family, socket));
    return true;
  }

  /** Whose answer a reply is: the server that saw the packet that caused it. */
  private replier(reply: Packet): number {
    return this.repliers.get(reply.cause) ?? this.lastServer();
  }

  private readonly repliers = new Map<number, number>();

  echoReply(stack: Stack, packet: Packet): void {
    const { proto, src } = this.query;
    if (proto !== "icmp" || stack !== this.client || packet.icmpId !== this.icmpId) return;
    // A socket bound to an address hears what is for that alone (`raw_v4_match`, `raw_v6_match`).
    if (src !== null && packet.dst !== src) return;
    if (packet.family === 6 && !this.hearsBy(stack, packet)) return;
    this.echoAnswered(packet.src);
  }

  echoAnswered(from: number): void {
    if (this.result !== null) return;
    this.result = "answered";
    this.answeredByAddress = from;
  }

  icmpError(stack: Stack, packet: Packet): void {
    const inner = packet.inner;
    if (inner !== null && inner.protocol === IPPROTO_TCP && !isRedirect(packet))
      this.tcpEnds.errorOf(stack, inner, packet.number);
    if (inner === null || stack !== this.client || isRedirect(packet)) return;
    // The first error that reaches the sender's host is told of, whichever of its packets it is about.
    this.noteError(packet);
    if (this.hearsBy(stack, packet)) this.takeError(packet, inner);
  }

  /**
   * Is an error, or the answer to an echo of IPv6, for the client's socket, where that is bound to a device? What comes by the loopback comes by that
   * (`tcp_v4_err`, `__udp4_lib_err`, `tcp_v6_err`), but with UDP and echoes of IPv6 by the device that has the address (`inet6_iif`).
   */
  private hearsBy(stack: Stack, packet: Packet): boolean {
    const bound = this.ownDevice;
    const { family, proto } = this.query;
    if (bound === 0) return true;
    if (family === 6 && proto !== "tcp") return isOfDevice(stack, "udp", packet, bound);
    return bound === packet.dev || bound === packet.l3Slave;
  }

  private noteError(packet: Packet): void {
    this.icmp ??= { type: packet.icmpType, code: packet.icmpCode, from: packet.src, mtu: packet.icmpInfo };
  }

  takeError(packet: Packet, inner: Packet): void {
    const { query } = this;
    // What a later piece bears is no header: nobody's ports or id are read there (`icmpv6_notify`; of IPv4 none is told of).
    if (inner.fragOffset !== 0) return;
    // Who sends echoes is not connected: errors are its own from whatever address they tell of, unless it is bound to one.
    const source = query.proto === "icmp" ? (query.src ?? 0) : this.source;
    if (
      inner.protocol !== protocolOf(query) ||
      inner.dst !== this.destination ||
      (source !== 0 && inner.src !== source)
    )
      return;
    if (
      isIcmp(inner) ? inner.icmpId !== this.icmpId : inner.sport !== this.sport || inner.dport !== query.dport
    ) {
      return;
    }
    if (isRedirect(packet)) return;
    this.noteError(packet);
    if (query.proto === "tcp" && isTooBig(packet.family, packet.icmpType, packet.icmpCode))
      this.tcpEnds.mtuReduced();
    if (this.result !== null) return;
    // `tcp_v6_err`: an error that comes while connect() still holds the socket, as over veth at once, is only remembered.
    const isHeld = query.proto === "tcp" && this.client.now === this.begunAt;
    if (query.family === 6 && isHeld && !query.polls) {
      this.toldEarly = true;
      return;
    }
    // An established connection takes errors for passing (RFC 1122 4.2.3.9).
    if (this.goingOn || (this.saysMuch && this.handshake)) return;
    const heard = heardOfError(query, packet.icmpType, packet.icmpCode);
    if (heard !== null) this.fail(heard.result, heard.errno);
  }

  sendFailed(_stack: Stack, _packet: Packet, errno: number): void {
    if (this.result === null) this.failErrno(errno);
  }

  serve(stack: Stack, proto: number, packet: Packet): void {
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

  failErrno(errno: number): void {
    const result = resultOfErrno(this.query.proto, errno);
    if (result !== null) this.fail(result, errno);
  }

  fail(result: ClientResult, errno: number): void {
    if (this.result !== null) return;
    this.result = result;
    this.errno = errno;
    this.ends.stop();
  }

  /** Did the client get what it asked for? */
  get answered(): boolean {
    if (this.result === "connected" || this.result === "answered") return true;
    return this.handshake && this.isPassedOn && !this.saysMuch;
  }
}

/** Of IPv6 neighbour discovery has redirects, which sockets do not hear of. */
function isRedirect({ family, icmpType }: Packet): boolean {
  return family === 4 && icmpType === ICMP_REDIRECT;
}
