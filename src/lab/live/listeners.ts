import type { Host } from "../../kernel/host.ts";
import type { Socket } from "../../kernel/socket/socket.ts";
import { LINE_BYTES } from "../../walk/packet-size.ts";
import { AF_INET, errorName, libc, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from "./libc.ts";
import type { RealNetns } from "./real-netns.ts";
import {
  type Endpoint,
  endpointOf,
  endpointText,
  int32,
  message,
  SOCKADDR_IN,
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
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_LINGER = 13;
const SO_BINDTODEVICE = 25;
const BACKLOG = 64;
const DATAGRAM = new Uint8Array(66_000);
const POLLIN = 1;
const POLLFD = 8;
/** `struct cmsghdr` and `struct in_pktinfo` behind it (ip(7)). */
const CMSG_HEADER = 16;
const PKTINFO = 12;

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
        .filter(({ proto }) => proto !== "sctp")
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
      const peer = new Uint8Array(SOCKADDR_IN);
      const connection = c.accept4(fd, peer, int32(SOCKADDR_IN), SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection < 0) return served;
      this.#accepted.push(connection);
      const local = new Uint8Array(SOCKADDR_IN);
      c.getsockname(connection, local, int32(SOCKADDR_IN));
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
    for (;;) {
      const peer = new Uint8Array(SOCKADDR_IN);
      const control = new Uint8Array(64);
      if (c.recvmsg(fd, message(peer, DATAGRAM, control), 0) < 0) return served;
      const address = new DataView(control.buffer).getInt32(CMSG_HEADER + 8);
      if (app.kind === "line") c.sendmsg(fd, message(peer, this.#line(), fromAddress(address)), 0);
      served.push(this.#served("udp", { address, port }, endpointOf(peer)));
    }
  }

  #line(): Uint8Array {
    return new TextEncoder().encode(`${this.#host.padEnd(LINE_BYTES - 1)}\n`);
  }

  #served(proto: "tcp" | "udp", local: Endpoint, peer: Endpoint): Served {
    return { host: this.#host, proto, local: endpointText(local), peer: endpointText(peer) };
  }

  /** Ends what is open with a reset, which leaves nothing behind. */
  hangUp(): void {
    for (const fd of this.#accepted.splice(0)) closeWithReset(fd);
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

function openListener(host: string, { proto, address: bound, port, dev }: Socket): number {
  const address = typeof bound === "number" ? bound : 0;
  const c = libc();
  const type = proto === "tcp" ? SOCK_STREAM : SOCK_DGRAM;
  const fd = c.socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  c.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, int32(1), 4);
  if (proto === "udp") c.setsockopt(fd, SOL_IP, IP_PKTINFO, int32(1), 4);
  if (dev !== null) bindToDevice(fd, dev);
  const failed = c.bind(fd, socketAddress({ address, port }), SOCKADDR_IN);
  if (failed !== 0 || (proto === "tcp" && c.listen(fd, BACKLOG) !== 0)) {
    const where = endpointText({ address, port });
    throw new Error(`${host}: cannot listen on ${where}/${proto} (${errorName(c.errno())})`);
  }
  return fd;
}

export function bindToDevice(fd: number, device: string): number {
  const name = new TextEncoder().encode(`${device}\0`);
  return libc().setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length);
}

/** `IP_PKTINFO` with the source that an answer shall have. */
function fromAddress(address: number): Uint8Array {
  const bytes = new Uint8Array(CMSG_HEADER + PKTINFO + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(CMSG_HEADER + PKTINFO), true);
  view.setInt32(8, SOL_IP, true);
  view.setInt32(12, IP_PKTINFO, true);
  view.setInt32(CMSG_HEADER + 4, address);
  return bytes;
}
