import { familyOfAddress, formatIp, type IpAddress, sameIp } from "../../address/ip.ts";
import type { Packet } from "../../packet/packet.ts";
import { checksum } from "../../packet/wire/checksum.ts";
import { encodeIp } from "../../packet/wire/frame.ts";
import type { Query } from "../../walk/query.ts";
import {
  AF_INET,
  AF_INET6,
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
  SOCKADDR,
  socketAddress,
} from "./socket-address.ts";

/** What a client is told to send. */
export type Sending = {
  readonly proto: Exclude<Query["proto"], "sctp" | "ip">;
  readonly dst: IpAddress;
  readonly src: IpAddress | null;
} & Pick<Query, "dport" | "sport" | "ttl" | "size" | "df" | "mark" | "uid" | "dev">;

/** How far a client has come: not yet answered, answered, or failed with an error's number. */
export type Progress =
  | { readonly kind: "waiting" }
  | { readonly kind: "connected" }
  /** `from`: who answered an echo request, as the socket sees it. */
  | { readonly kind: "answered"; readonly text: string; readonly from?: string }
  | { readonly kind: "failed"; readonly errno: number };

/** What differs between the families of a socket: names of options (ip(7), ipv6(7)), and what an echo is made of. */
const FAMILIES = {
  4: {
    number: AF_INET,
    level: 0,
    ttl: 2,
    mtuDiscover: 10,
    recvErr: 11,
    /** Beside `mtuDiscover`: what is too long is refused, not cut. */
    dontFragment: null,
    icmp: 1,
    echo: 8,
    reply: 0,
  },
  6: {
    number: AF_INET6,
    level: 41,
    ttl: 16,
    mtuDiscover: 23,
    recvErr: 25,
    dontFragment: 62,
    icmp: 58,
    echo: 128,
    reply: 129,
  },
} as const;

/** Both families' `IP_PMTUDISC_…`. */
const PMTUDISC_DONT = 0;
const PMTUDISC_PROBE = 3;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_BROADCAST = 6;
const SO_MARK = 36;
const IPPROTO_TCP = 6;
const TCP_QUICKACK = 12;
const MSG_ERRQUEUE = 0x2000;
const IPPROTO_RAW = 255;
const ICMP_HEADER = 8;
const DEFAULT_SIZE = 16;
const ANSWER = new Uint8Array(66_000);

/** A socket that asks one question. It must be made, and asked, inside the sender's namespace; what follows may be outside. */
export class Client {
  readonly #sending: Sending;
  readonly #family: (typeof FAMILIES)[4 | 6];
  readonly #fd: number;
  #failed = 0;
  #sent = false;
  #connected = false;

  constructor(sending: Sending) {
    this.#sending = sending;
    const { proto, uid, dst } = sending;
    const c = libc();
    c.setfsuid(uid);
    this.#family = FAMILIES[familyOfAddress(dst)];
    const { icmp } = this.#family;
    const kinds = { tcp: [SOCK_STREAM, 0], udp: [SOCK_DGRAM, 0], icmp: [SOCK_RAW, icmp] } as const;
    const [type, protocol] = kinds[proto];
    // A raw socket is root's; its owner is what the rules see all the same.
    this.#fd = c.socket(this.#family.number, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    c.setfsuid(0);
  }

  /** Sends the first packet. */
  ask(): void {
    const { proto, dst, dport, src, sport, ttl, size, df, mark, dev } = this.#sending;
    const c = libc();
    const set = (level: number, name: number, value: number) =>
      this.#note(c.setsockopt(this.#fd, level, name, int32(value), 4));
    const { level, mtuDiscover, recvErr, dontFragment } = this.#family;
    set(SOL_SOCKET, SO_BROADCAST, 1);
    // What goes to a group has a number of hops of its own (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS), as the recordings' clients have.
    if (ttl !== null) set(level, this.#family.ttl, ttl);
    if (mark !== 0) set(SOL_SOCKET, SO_MARK, mark);
    if (proto !== "tcp") {
      set(level, recvErr, 1);
      set(level, mtuDiscover, df ? PMTUDISC_PROBE : PMTUDISC_DONT);
      if (df && dontFragment !== null) set(level, dontFragment, 1);
    } else if (df) set(level, mtuDiscover, PMTUDISC_PROBE);
    const scope = dev === null ? 0 : c.if_nametoindex(dev);
    if (dev !== null) this.#note(bindToDevice(this.#fd, dev));
    if (src !== null || (sport !== null && proto !== "icmp")) {
      const any = typeof dst === "number" ? 0 : ANY6;
      const own = socketAddress({ address: src ?? any, port: proto === "icmp" ? 0 : (sport ?? 0), scope });
      this.#note(c.bind(this.#fd, own, own.length));
    }
    if (this.#failed !== 0) return;
    const to = socketAddress({ address: dst, port: proto === "icmp" ? 0 : (dport ?? 0), scope });
    const length = size ?? DEFAULT_SIZE;
    if (proto === "icmp") {
      // Like ping(8), not connected: whoever answers is heard.
      const request = echoRequest(this.#family.echo, sport ?? 0, length);
      this.#note(c.sendto(this.#fd, request, request.length, 0, to, to.length));
      this.#sent = this.#failed === 0;
      return;
    }
    const connected = c.connect(this.#fd, to, to.length);
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
    const bytes = new Uint8Array(SOCKADDR);
    libc().getsockname(this.#fd, bytes, int32(SOCKADDR));
    return endpointOf(bytes);
  }

  progress(): Progress {
    if (this.#failed !== 0) return { kind: "failed", errno: this.#failed };
    const c = libc();
    // First of all: an error that comes with the connection's first acknowledgement is none of `connect`.
    if (this.#sending.proto === "tcp" && !this.#connected) {
      this.#connected = c.getpeername(this.#fd, new Uint8Array(SOCKADDR), int32(SOCKADDR)) === 0;
    }
    const error = int32(0);
    c.getsockopt(this.#fd, SOL_SOCKET, SO_ERROR, error, int32(4));
    // A raw socket is told of all errors about its host's ICMP.
    if (this.#sending.proto === "icmp" && int32Of(error) !== 0 && !this.#isToldOfItsOwn()) return WAITING;
    // Only a connection that was there is reset so (`tcp_reset`), and what one takes for passing (`sk_err_soft`) is no end of it.
    if (this.#sending.proto === "tcp" && int32Of(error) === ECONNRESET) this.#connected = true;
    this.#failed = this.#connected ? 0 : int32Of(error);
    if (this.#failed !== 0) return { kind: "failed", errno: this.#failed };
    // A recording ends with the last acknowledgement: it must not be put off.
    if (this.#sending.proto === "tcp") c.setsockopt(this.#fd, IPPROTO_TCP, TCP_QUICKACK, int32(1), 4);
    const bytes = ANSWER;
    const peer = new Uint8Array(SOCKADDR);
    const length = c.recvfrom(this.#fd, bytes, bytes.length, 0, peer, int32(SOCKADDR));
    if (length > 0 && this.#isAnswer(bytes.subarray(0, length))) {
      return this.#sending.proto === "icmp"
        ? { kind: "answered", text: "", from: formatIp(endpointOf(peer).address) }
        : { kind: "answered", text: new TextDecoder().decode(bytes.subarray(0, length)) };
    }
    const errno = c.errno();
    if (length < 0 && errno !== ERRNO.EAGAIN && errno !== ENOTCONN) {
      if (this.#sending.proto === "icmp" && !this.#isToldOfItsOwn()) return WAITING;
      if (this.#sending.proto === "tcp" && errno === ECONNRESET) return { kind: "connected" };
      this.#failed = errno;
      return { kind: "failed", errno };
    }
    return this.#connected ? { kind: "connected" } : { kind: "waiting" };
  }

  /** A raw socket hears all of its host's ICMP: only the answer to its own question counts. */
  #isAnswer(bytes: Uint8Array): boolean {
    const { proto, sport } = this.#sending;
    if (proto !== "icmp") return true;
    // One of IPv4 hands its packets over with their headers (raw(7)).
    const header = this.#family.number === AF_INET ? ((bytes[0] ?? 0) & 15) * 4 : 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return bytes[header] === this.#family.reply && view.getUint16(header + 4) === sport;
  }

  /** Does the queue of errors hold one about this client's question? Like ping(8), which looks at destination and id. */
  #isToldOfItsOwn(): boolean {
    const { dst, sport } = this.#sending;
    for (let isOwn = false; ; ) {
      const about = new Uint8Array(SOCKADDR);
      const length = libc().recvmsg(this.#fd, message(about, ANSWER, new Uint8Array(512)), MSG_ERRQUEUE);
      if (length < 0) return isOwn;
      const id = new DataView(ANSWER.buffer).getUint16(4);
      if (length >= ICMP_HEADER && sameIp(endpointOf(about).address, dst) && id === sport) isOwn = true;
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

const ANY6 = [0, 0, 0, 0] as const;

/** One packet of any make, through a socket that takes it as it is (raw(7), `IPPROTO_RAW`). */
export function sendRaw(packet: Packet, dst: IpAddress, mark: number, dev: string | null): string | null {
  const c = libc();
  const fd = c.socket(FAMILIES[familyOfAddress(dst)].number, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (mark !== 0) c.setsockopt(fd, SOL_SOCKET, SO_MARK, int32(mark), 4);
  if (dev !== null) bindToDevice(fd, dev);
  const bytes = encodeIp(packet);
  const to = socketAddress({ address: dst, port: 0, scope: dev === null ? 0 : c.if_nametoindex(dev) });
  const sent = c.sendto(fd, bytes, bytes.length, 0, to, to.length);
  const why = sent < 0 ? errorName(c.errno()) : null;
  c.close(fd);
  return why;
}

/** The kernel fills in the checksum of one of IPv6, which is over addresses too. */
function echoRequest(type: number, id: number, size: number): Uint8Array {
  const bytes = new Uint8Array(ICMP_HEADER + size).fill(0x70, ICMP_HEADER);
  const view = new DataView(bytes.buffer);
  bytes[0] = type;
  view.setUint16(4, id);
  view.setUint16(6, 1);
  view.setUint16(2, checksum(bytes, 0, bytes.length));
  return bytes;
}
