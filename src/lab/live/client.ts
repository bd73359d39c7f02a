import { formatIpv4, type Ipv4 } from "../../address/ipv4.ts";
import type { Packet } from "../../packet/packet.ts";
import { checksum } from "../../packet/wire/checksum.ts";
import { encodeIp } from "../../packet/wire/frame.ts";
import type { Query } from "../../walk/query.ts";
import {
  AF_INET,
  ERRNO,
  errorName,
  libc,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_STREAM,
} from "./libc.ts";
import { bindToDevice, closeWithReset } from "./listeners.ts";
import {
  type Endpoint,
  endpointOf,
  int32,
  int32Of,
  message,
  SOCKADDR_IN,
  socketAddress,
} from "./socket-address.ts";

/** What a client is told to send. */
export type Sending = { readonly proto: Exclude<Query["proto"], "sctp"> } & Pick<
  Query,
  "dst" | "dport" | "src" | "sport" | "ttl" | "size" | "df" | "mark" | "uid" | "dev"
>;

/** How far a client has come: not yet answered, answered, or failed with an error's number. */
export type Progress =
  | { readonly kind: "waiting" }
  | { readonly kind: "connected" }
  /** `from`: who answered an echo request, as the socket sees it. */
  | { readonly kind: "answered"; readonly text: string; readonly from?: string }
  | { readonly kind: "failed"; readonly errno: number };

const SOL_IP = 0;
const IP_TTL = 2;
const IP_MTU_DISCOVER = 10;
const IP_RECVERR = 11;
const IP_PMTUDISC_DONT = 0;
const IP_PMTUDISC_PROBE = 3;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_BROADCAST = 6;
const SO_MARK = 36;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const TCP_QUICKACK = 12;
const MSG_ERRQUEUE = 0x2000;
const IPPROTO_RAW = 255;
const ICMP_HEADER = 8;
/** Where an IPv4 header has its source: a raw socket hands it over with its header (raw(7)). */
const IP_SOURCE = 12;
const DEFAULT_SIZE = 16;
const ANSWER = new Uint8Array(66_000);

/** A socket that asks one question. It must be made, and asked, inside the sender's namespace; what follows may be outside. */
export class Client {
  readonly #sending: Sending;
  readonly #fd: number;
  #failed = 0;
  #sent = false;
  #connected = false;

  constructor(sending: Sending) {
    this.#sending = sending;
    const { proto, uid } = sending;
    const c = libc();
    c.setfsuid(uid);
    const kinds = { tcp: [SOCK_STREAM, 0], udp: [SOCK_DGRAM, 0], icmp: [SOCK_RAW, IPPROTO_ICMP] } as const;
    const [type, protocol] = kinds[proto];
    // A raw socket is root's; its owner is what the rules see all the same.
    this.#fd = c.socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    c.setfsuid(0);
  }

  /** Sends the first packet. */
  ask(): void {
    const { proto, dst, dport, src, sport, ttl, size, df, mark, dev } = this.#sending;
    const c = libc();
    const set = (level: number, name: number, value: number) =>
      this.#note(c.setsockopt(this.#fd, level, name, int32(value), 4));
    set(SOL_SOCKET, SO_BROADCAST, 1);
    if (ttl !== null) set(SOL_IP, IP_TTL, ttl);
    if (mark !== 0) set(SOL_SOCKET, SO_MARK, mark);
    if (proto !== "tcp") {
      set(SOL_IP, IP_RECVERR, 1);
      set(SOL_IP, IP_MTU_DISCOVER, df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
    } else if (df) set(SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    if (dev !== null) this.#note(bindToDevice(this.#fd, dev));
    if (src !== null || (sport !== null && proto !== "icmp")) {
      const own = { address: src ?? 0, port: proto === "icmp" ? 0 : (sport ?? 0) };
      this.#note(c.bind(this.#fd, socketAddress(own), SOCKADDR_IN));
    }
    if (this.#failed !== 0) return;
    const to = socketAddress({ address: dst, port: proto === "icmp" ? 0 : (dport ?? 0) });
    const length = size ?? DEFAULT_SIZE;
    if (proto === "icmp") {
      // Like ping(8), not connected: whoever answers is heard.
      const request = echoRequest(sport ?? 0, length);
      this.#note(c.sendto(this.#fd, request, request.length, 0, to, SOCKADDR_IN));
      this.#sent = this.#failed === 0;
      return;
    }
    const connected = c.connect(this.#fd, to, SOCKADDR_IN);
    if (connected < 0 && c.errno() !== ERRNO.EINPROGRESS) {
      this.#failed = c.errno();
      return;
    }
    if (proto === "tcp") {
      this.#sent = true;
      return;
    }
    const bytes = new Uint8Array(length).fill(0x70);
    this.#note(c.send(this.#fd, bytes, bytes.length, 0));
    this.#sent = this.#failed === 0;
  }

  /** Did the system take the question? Else it failed before anything could come back. */
  get hasAsked(): boolean {
    return this.#sent;
  }

  #note(result: number): void {
    if (result < 0 && this.#failed === 0) this.#failed = libc().errno();
  }

  /** The client's own address and port; for ICMP the port is 0. */
  own(): Endpoint {
    const bytes = new Uint8Array(SOCKADDR_IN);
    libc().getsockname(this.#fd, bytes, int32(SOCKADDR_IN));
    return endpointOf(bytes);
  }

  progress(): Progress {
    if (this.#failed !== 0) return { kind: "failed", errno: this.#failed };
    const c = libc();
    // First of all: an error that comes with the connection's first acknowledgement is none of `connect`.
    if (this.#sending.proto === "tcp" && !this.#connected) {
      this.#connected = c.getpeername(this.#fd, new Uint8Array(SOCKADDR_IN), int32(SOCKADDR_IN)) === 0;
    }
    const error = int32(0);
    c.getsockopt(this.#fd, SOL_SOCKET, SO_ERROR, error, int32(4));
    // A raw socket is told of all errors about its host's ICMP.
    if (this.#sending.proto === "icmp" && int32Of(error) !== 0 && !this.#isToldOfItsOwn()) return WAITING;
    // What a connection takes for passing (`sk_err_soft`) is no end of it.
    this.#failed = this.#connected && int32Of(error) !== ECONNRESET ? 0 : int32Of(error);
    if (this.#failed !== 0) return { kind: "failed", errno: this.#failed };
    // A recording ends with the last acknowledgement: it must not be put off.
    if (this.#sending.proto === "tcp") c.setsockopt(this.#fd, IPPROTO_TCP, TCP_QUICKACK, int32(1), 4);
    const bytes = ANSWER;
    const length = c.recv(this.#fd, bytes, bytes.length, 0);
    if (length > 0 && this.#isAnswer(bytes.subarray(0, length))) {
      const from = formatIpv4(new DataView(bytes.buffer).getInt32(IP_SOURCE));
      return this.#sending.proto === "icmp"
        ? { kind: "answered", text: "", from }
        : { kind: "answered", text: new TextDecoder().decode(bytes.subarray(0, length)) };
    }
    const errno = c.errno();
    if (length < 0 && errno !== ERRNO.EAGAIN && errno !== ENOTCONN) {
      if (this.#sending.proto === "icmp" && !this.#isToldOfItsOwn()) return WAITING;
      this.#failed = errno;
      return { kind: "failed", errno };
    }
    return this.#connected ? { kind: "connected" } : { kind: "waiting" };
  }

  /** A raw socket hears all of its host's ICMP: only the answer to its own question counts. */
  #isAnswer(bytes: Uint8Array): boolean {
    const { proto, sport } = this.#sending;
    if (proto !== "icmp") return true;
    const header = ((bytes[0] ?? 0) & 15) * 4;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return bytes[header] === 0 && view.getUint16(header + 4) === sport;
  }

  /** Does the queue of errors hold one about this client's question? Like ping(8), which looks at destination and id. */
  #isToldOfItsOwn(): boolean {
    const { dst, sport } = this.#sending;
    for (let isOwn = false; ; ) {
      const about = new Uint8Array(SOCKADDR_IN);
      const length = libc().recvmsg(this.#fd, message(about, ANSWER, new Uint8Array(512)), MSG_ERRQUEUE);
      if (length < 0) return isOwn;
      const id = new DataView(ANSWER.buffer).getUint16(4);
      if (length >= ICMP_HEADER && endpointOf(about).address === dst && id === sport) isOwn = true;
    }
  }

  close(): void {
    if (this.#sending.proto === "tcp") closeWithReset(this.#fd);
    else libc().close(this.#fd);
  }
}

const WAITING: Progress = { kind: "waiting" };

const ENOTCONN = 107;
const ECONNRESET = 104;

/** One packet of any make, through a socket that takes it as it is (raw(7), `IPPROTO_RAW`). */
export function sendRaw(packet: Packet, dst: Ipv4, mark: number, dev: string | null): string | null {
  const c = libc();
  const fd = c.socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (mark !== 0) c.setsockopt(fd, SOL_SOCKET, SO_MARK, int32(mark), 4);
  if (dev !== null) bindToDevice(fd, dev);
  const bytes = encodeIp(packet);
  const sent = c.sendto(fd, bytes, bytes.length, 0, socketAddress({ address: dst, port: 0 }), SOCKADDR_IN);
  const why = sent < 0 ? errorName(c.errno()) : null;
  c.close(fd);
  return why;
}

function echoRequest(id: number, size: number): Uint8Array {
  const bytes = new Uint8Array(ICMP_HEADER + size).fill(0x70, ICMP_HEADER);
  const view = new DataView(bytes.buffer);
  bytes[0] = 8;
  view.setUint16(4, id);
  view.setUint16(6, 1);
  view.setUint16(2, checksum(bytes, 0, bytes.length));
  return bytes;
}
