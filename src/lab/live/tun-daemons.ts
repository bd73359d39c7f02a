import { formatIpv4 } from "../../address/ipv4.ts";
import type { Host } from "../../kernel/host.ts";
import type { App, Socket } from "../../kernel/socket/socket.ts";
import { checksum } from "../../packet/wire/checksum.ts";
import { sleep } from "./carrier.ts";
import {
  AF_INET,
  errorName,
  libc,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
} from "./libc.ts";
import type { RealNetns } from "./real-netns.ts";
import { SOCKADDR, socketAddress } from "./socket-address.ts";

/**
 * The daemons behind a host's TUNs for real, as flannel's are (backend/udp/proxy_amd64.c): each packet of a TUN in a datagram
 * to the one that has its destination, and the reverse.
 */
export class TunDaemons {
  readonly #daemons: readonly Daemon[];

  /** @throws Error where a TUN or a port cannot be had */
  constructor(within: RealNetns, host: Host, sockets: readonly Socket[]) {
    this.#daemons = within.inside(() =>
      sockets.flatMap((socket) => (socket.app.kind === "tun" ? [openDaemon(host, socket, socket.app)] : [])),
    );
    // The kernel gives a TUN its queue a moment after a program has opened it.
    if (this.#daemons.length > 0) sleep(SETTLE_MS);
  }

  /** Passes on whatever waits. */
  serve(): void {
    for (const daemon of this.#daemons) pass(daemon);
  }

  close(): void {
    for (const { tun, socket } of this.#daemons) for (const fd of [tun, socket]) libc().close(fd);
  }
}

interface Daemon {
  readonly tun: number;
  readonly socket: number;
  readonly app: Extract<App, { kind: "tun" }>;
  /** The TUN's address, null where it has none. */
  readonly own: number | null;
}

const SETTLE_MS = 50;

/** linux/if_tun.h */
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFNAMSIZ = 16;
const IFREQ_SIZE = 40;

function openDaemon({ name: host, addresses }: Host, { address, port }: Socket, app: Daemon["app"]): Daemon {
  const c = libc();
  const tun = c.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const request = new Uint8Array(IFREQ_SIZE);
  request.set(new TextEncoder().encode(app.device).subarray(0, IFNAMSIZ - 1));
  new DataView(request.buffer).setInt16(IFNAMSIZ, IFF_TUN | IFF_NO_PI, true);
  if (tun < 0 || c.ioctl(tun, TUNSETIFF, request) !== 0)
    throw new Error(`${host}: the TUN ${app.device} cannot be opened (${errorName(c.errno())})`);
  const socket = c.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const own = socketAddress({ address: typeof address === "number" ? address : 0, port });
  if (c.bind(socket, own, own.length) !== 0) {
    const where = typeof address === "number" ? formatIpv4(address) : "*";
    throw new Error(`${host}: cannot listen on ${where}:${port}/udp (${errorName(c.errno())})`);
  }
  return { tun, socket, app, own: addresses.find(({ dev }) => dev === app.device)?.address ?? null };
}

const BUFFER = new Uint8Array(66_000);
const TTL = 8;
const CHECKSUM = 10;
const DESTINATION = 16;

function pass({ tun, socket, app, own }: Daemon): void {
  const c = libc();
  for (;;) {
    const length = Number(c.read(tun, BUFFER, BUFFER.length));
    if (length <= 0) break;
    const packet = BUFFER.subarray(0, length);
    const to = new DataView(packet.buffer, packet.byteOffset).getInt32(DESTINATION);
    const peer = app.peers.find(
      ({ subnet }) => subnet.length === 0 || ((subnet.address ^ to) & (-1 << (32 - subnet.length))) === 0,
    );
    if ((packet[0] ?? 0) >>> 4 !== 4) continue;
    if (peer === undefined) {
      const error = netUnreachable(packet, own);
      if (error !== null) c.write(tun, error, error.length);
      continue;
    }
    if (!decrementTtl(packet)) continue;
    const address = socketAddress(peer);
    c.sendto(socket, packet, length, 0, address, address.length);
  }
  for (;;) {
    const from = new Uint8Array(SOCKADDR);
    const length = Number(
      c.recvfrom(socket, BUFFER, BUFFER.length, 0, from, new Uint8Array([SOCKADDR, 0, 0, 0])),
    );
    if (length <= 0) return;
    const packet = BUFFER.subarray(0, length);
    if (decrementTtl(packet)) c.write(tun, packet, length);
  }
}

const HEADER = 20;
const SOURCE = 12;
const QUOTED = HEADER + 8;
/** What flannel gives it. */
const ERROR_TTL = 8;

/** `send_net_unreachable`: an ICMP error from the TUN's own address, which quotes the header and eight bytes. */
function netUnreachable(packet: Uint8Array, own: number | null): Uint8Array | null {
  if (own === null) return null;
  const error = new Uint8Array(HEADER + 8 + QUOTED);
  const view = new DataView(error.buffer);
  error.set(packet.subarray(0, QUOTED), HEADER + 8);
  error.set([0x45, 0], 0);
  view.setUint16(2, error.length);
  error.set([ERROR_TTL, 1], TTL);
  view.setInt32(SOURCE, own);
  error.set(packet.subarray(SOURCE, SOURCE + 4), DESTINATION);
  view.setUint16(CHECKSUM, checksum(error, 0, HEADER));
  error[HEADER] = 3;
  view.setUint16(HEADER + 2, checksum(error, HEADER, error.length));
  return error;
}

/** `decrement_ttl`: false where nothing is left of it. */
function decrementTtl(packet: Uint8Array): boolean {
  const ttl = (packet[TTL] ?? 0) - 1;
  if (ttl <= 0) return false;
  packet[TTL] = ttl;
  const header = ((packet[0] ?? 0) & 15) * 4;
  const view = new DataView(packet.buffer, packet.byteOffset);
  view.setUint16(CHECKSUM, 0);
  view.setUint16(CHECKSUM, checksum(packet, 0, header));
  return true;
}
