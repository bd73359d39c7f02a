import type { Host } from "../../kernel/host.ts";
import type { Socket } from "../../kernel/socket/socket.ts";
import { LINE_BYTES } from "../../walk/packet-size.ts";
import {
  AF_INET,
  AF_INET6,
  errorName,
  libc,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "./libc.ts";
import type { RealNetns } from "./real-netns.ts";
import {
  bytesOfIp6,
  type Endpoint,
  endpointOf,
  endpointText,
  int32,
  ipOf,
  lengthOf,
  message,
  SOCKADDR,
  socketAddress,
} from "./socket-address.ts";

/** A request that reached a server. */
export interface Served {
  readonly host: string;
  readonly proto: "tcp" | "udp";
  /** The address and port it was reached at, and the source it saw. */
  readonly local: string;
  readonly peer: string;
}

const SOL_IP = 0;
const IP_PKTINFO = 8;
const IP_TRANSPARENT = 19;
const SOL_IPV6 = 41;
const IPV6_TRANSPARENT = 75;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_LINGER = 13;
const SO_BINDTODEVICE = 25;
const BACKLOG = 64;
/** Datagrams a server answers before others have their turn: what it says may come back to it without end. */
const ANSWERS_A_TURN = 32;
const DATAGRAM = new Uint8Array(66_000);
const POLLIN = 1;
const POLLFD = 8;
/** `struct cmsghdr`, and `struct in_pktinfo` or `struct in6_pktinfo` behind it (ip(7), ipv6(7)). */
const CMSG_HEADER = 16;
const PKTINFO = 12;
const PKTINFO6 = 20;
/** Where the latter has its ifindex. */
const IFINDEX6 = 16;

/** Everything that listens on a host, answering as the model's line servers do. */
export class Listeners {
  readonly #host: string;
  readonly #listening: readonly { readonly fd: number; readonly socket: Socket }[];
  readonly #accepted: number[] = [];
  /** `struct pollfd` of each that listens (poll(2)). */
  readonly #asked: Uint8Array;

  /** @throws Error where an address or port cannot be had */
  constructor(within: RealNetns, host: Host, sockets: readonly Socket[]) {
    this.#host = host.name;
    this.#listening = within.inside(() =>
      sockets
        .filter(({ proto, app }) => proto !== "sctp" && app.kind !== "tun")
        .map((socket) => ({ fd: openListener(host.name, socket), socket })),
    );
    this.#asked = new Uint8Array(POLLFD * this.#listening.length);
    const view = new DataView(this.#asked.buffer);
    for (const [i, { fd }] of this.#listening.entries()) {
      view.setInt32(POLLFD * i, fd, true);
      view.setInt16(POLLFD * i + 4, POLLIN, true);
    }
  }

  /** Answers whatever waits, and says who asked. */
  serve(): Served[] {
    const { length } = this.#listening;
    if (length === 0 || libc().poll(this.#asked, length, 0) <= 0) return [];
    return this.#listening.flatMap(({ fd, socket }) =>
      socket.proto === "tcp" ? this.#accept(fd, socket) : this.#answer(fd, socket),
    );
  }

  #accept(fd: number, { app }: Socket): Served[] {
    const c = libc();
    const served: Served[] = [];
    for (;;) {
      const peer = new Uint8Array(SOCKADDR);
      const connection = c.accept4(fd, peer, int32(SOCKADDR), SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection < 0) return served;
      this.#accepted.push(connection);
      const local = new Uint8Array(SOCKADDR);
      c.getsockname(connection, local, int32(SOCKADDR));
      if (app.kind === "line") {
        const line = this.#line();
        c.send(connection, line, line.length, 0);
      }
      served.push(this.#served("tcp", endpointOf(local), endpointOf(peer)));
    }
  }

  #answer(fd: number, { app, port }: Socket): Served[] {
    const c = libc();
    const served: Served[] = [];
    while (served.length < ANSWERS_A_TURN) {
      const peer = new Uint8Array(SOCKADDR);
      const control = new Uint8Array(64);
      if (c.recvmsg(fd, message(peer, DATAGRAM, control), 0) < 0) return served;
      const asked = askedAddress(control);
      if (app.kind === "line") {
        c.sendmsg(fd, message(peer.subarray(0, lengthOf(peer)), this.#line(), fromAddress(asked)), 0);
      }
      served.push(this.#served("udp", { ...asked, port }, endpointOf(peer)));
    }
    return served;
  }

  #line(): Uint8Array {
    return new TextEncoder().encode(`${this.#host.padEnd(LINE_BYTES - 1)}\n`);
  }

  #served(proto: "tcp" | "udp", local: Endpoint, peer: Endpoint): Served {
    return { host: this.#host, proto, local: endpointText(local), peer: endpointText(peer) };
  }

  /** Ends what is open with a reset, which leaves nothing behind; datagrams that wait have no answer any more. */
  hangUp(): void {
    const c = libc();
    for (const fd of this.#accepted.splice(0)) closeWithReset(fd);
    if (c.poll(this.#asked, this.#listening.length, 0) <= 0) return;
    for (const { fd, socket } of this.#listening) {
      if (socket.proto !== "udp") continue;
      while (c.recvmsg(fd, message(new Uint8Array(SOCKADDR), DATAGRAM, new Uint8Array(64)), 0) >= 0);
    }
  }

  close(): void {
    this.hangUp();
    for (const { fd } of this.#listening) libc().close(fd);
  }
}

export function closeWithReset(fd: number): void {
  const c = libc();
  const linger = new Uint8Array(8);
  linger.set(int32(1));
  c.setsockopt(fd, SOL_SOCKET, SO_LINGER, linger, linger.length);
  c.close(fd);
}

function openListener(host: string, socket: Socket): number {
  const { proto, address: bound, port, dev, families, transparent } = socket;
  const isOf6 = families.includes(6);
  const address = bound ?? (isOf6 ? ANY6 : 0);
  const c = libc();
  const type = proto === "tcp" ? SOCK_STREAM : SOCK_DGRAM;
  const fd = c.socket(isOf6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const set = (level: number, name: number, value: number) => c.setsockopt(fd, level, name, int32(value), 4);
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  if (isOf6) set(SOL_IPV6, IPV6_V6ONLY, families.includes(4) ? 0 : 1);
  if (proto === "udp") set(isOf6 ? SOL_IPV6 : SOL_IP, isOf6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
  if (transparent === true) {
    if (families.includes(4)) set(SOL_IP, IP_TRANSPARENT, 1);
    if (isOf6) set(SOL_IPV6, IPV6_TRANSPARENT, 1);
  }
  if (dev !== null) bindToDevice(fd, dev);
  const own = socketAddress({ address, port, scope: dev === null ? 0 : c.if_nametoindex(dev) });
  const failed = c.bind(fd, own, own.length);
  if (failed !== 0 || (proto === "tcp" && c.listen(fd, BACKLOG) !== 0)) {
    const where = endpointText({ address, port });
    throw new Error(`${host}: cannot listen on ${where}/${proto} (${errorName(c.errno())})`);
  }
  return fd;
}

const ANY6 = [0, 0, 0, 0] as const;

export function bindToDevice(fd: number, device: string): number {
  const name = new TextEncoder().encode(`${device}\0`);
  return libc().setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length);
}

/** What a datagram was sent to, by the control message beside it: of a link, with the link. */
function askedAddress(control: Uint8Array): Omit<Endpoint, "port"> {
  const view = new DataView(control.buffer);
  if (view.getInt32(8, true) === SOL_IP) return { address: view.getInt32(CMSG_HEADER + 8) };
  return {
    address: ipOf(control.subarray(CMSG_HEADER)),
    scope: view.getUint32(CMSG_HEADER + IFINDEX6, true),
  };
}

/** `IP_PKTINFO` or `IPV6_PKTINFO` with the source that an answer shall have; of a link's address the link too. */
function fromAddress({ address, scope = 0 }: Omit<Endpoint, "port">): Uint8Array {
  const isOf4 = typeof address === "number";
  const length = CMSG_HEADER + (isOf4 ? PKTINFO : PKTINFO6);
  const bytes = new Uint8Array(length + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(length), true);
  view.setInt32(8, isOf4 ? SOL_IP : SOL_IPV6, true);
  view.setInt32(12, isOf4 ? IP_PKTINFO : IPV6_PKTINFO, true);
  if (isOf4) view.setInt32(CMSG_HEADER + 4, address);
  else {
    bytes.set(bytesOfIp6(address), CMSG_HEADER);
    if (address[0] >>> 22 === LINK_LOCAL) view.setUint32(CMSG_HEADER + IFINDEX6, scope, true);
  }
  return bytes;
}

/** The first ten bits of fe80::/10. */
const LINK_LOCAL = 0xfe80 >> 6;
