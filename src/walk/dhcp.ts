import type { Ipv4 } from "../address/ipv4.ts";
import { formatMac, MAC_BROADCAST, MAC_ZERO, type Mac } from "../address/mac.ts";
import type { NetDevice } from "../kernel/device/net-device.ts";
import { emit } from "../kernel/emit.ts";
import type { Host } from "../kernel/host.ts";
import type { Json } from "../kernel/json-fields.ts";
import type { Stack } from "../kernel/stack.ts";
import { DIR_IN, OP_ARP, OP_FRAME, Tape } from "../kernel/tape.ts";
import { ARPOP_REQUEST, ETH_P_ARP, PHASE_REPLY, PHASE_REQUEST } from "../packet/packet.ts";
import { type DhcpServer, dhcpOf } from "../world/dhcp/configuration.ts";
import type { DhcpNetwork, GivenLease, HeldLease, LeaseRequest } from "../world/dhcp/exchange.ts";
import { addressFor, identifierOf, mayRenew, withLease, withLeases } from "../world/dhcp/lease-server.ts";
import type { WireEnd, World } from "../world/world.ts";
import { fillMessage, ofFamily } from "./client-packet.ts";
import { Network } from "./network.ts";
import { SILENT } from "./outbox.ts";
import { drain } from "./run.ts";
import { Session } from "./session.ts";

/**
 * DHCP's messages walked: a client's go out by its device to all of the link, and reach a server where a broadcast does and its
 * host lets a datagram to port 67 in; the server's go back to the client's link address, and are heard at the device itself, as
 * a packet socket hears them, whatever the client's rules say.
 */
export const WALKED_DHCP: DhcpNetwork = { acquire, renew, release };

const CLIENT_PORT = 68;
const SERVER_PORT = 67;
const ALL_HOSTS: Ipv4 = -1;
/** BOOTP's fixed part with the options that these messages have (RFC 2131 pads to 300 bytes). */
const MESSAGE_BYTES = 300;
const ARP_BYTES = 28;
/** How long a client listens (RFC 2131, 4.1: the first time about four seconds). */
const PATIENCE_MS = 4000;

function acquire(world: World, request: LeaseRequest): GivenLease | null {
  const link = new Link(world);
  const mac = link.macOf(request.client);
  if (mac === null) return null;
  for (const { host, device } of link.heardByAll(request.client)) {
    const server = serverOn(host, device);
    if (server === undefined) continue;
    const client = { id: request.id, mac, wanted: null };
    const at = { host: host.name, device };
    const inUse = (address: Ipv4) => link.isTaken(at, address);
    const address = addressFor(host, server, client, request.now, inUse);
    if (address === null) continue;
    const given = answered(link, { host, device, server, address }, request, mac);
    if (given !== null) return given;
  }
  return null;
}

function renew(world: World, held: HeldLease): GivenLease | null {
  const link = new Link(world);
  const mac = link.macOf(held.client);
  if (mac === null) return null;
  for (const { host, device } of link.heardByAll(held.client)) {
    const server = serverOn(host, device);
    if (server === undefined || identifierOf(host, server) !== held.identifier) continue;
    const client = { id: held.id, mac, wanted: held.address };
    if (!mayRenew(server, client, held.address, held.now)) return null;
    return answered(link, { host, device, server, address: held.address }, { ...held, now: held.last }, mac);
  }
  return null;
}

function release(world: World, held: HeldLease): { readonly at: WireEnd; readonly memory: Json } | null {
  const link = new Link(world);
  for (const { host, device } of link.heardByAll(held.client)) {
    const server = serverOn(host, device);
    if (server === undefined || identifierOf(host, server) !== held.identifier) continue;
    const { id: client, address, now: expires } = held;
    // Nobody gives back what has become another's since.
    const isHis = server.leases.some((lease) => lease.client === client && lease.address === address);
    if (!isHis) return null;
    const memory = withLeases(host, server, withLease(server, { client, address, expires }));
    return { at: { host: host.name, device }, memory };
  }
  return null;
}

/** The client identifier where a client says none: its link address, as `dnsmasq.leases` writes it. */
export function macAsId(mac: Mac): string {
  return formatMac(mac);
}

interface Offer {
  readonly host: Host;
  readonly device: string;
  readonly server: DhcpServer;
  readonly address: Ipv4;
}

/** The answer reaches the client, or nothing was given. */
function answered(
  link: Link,
  { host, device, server, address }: Offer,
  { client, id, now }: LeaseRequest,
  mac: Mac,
): GivenLease | null {
  const identifier = identifierOf(host, server);
  const at = { host: host.name, device };
  if (identifier === null || !link.reaches(at, client, { mac, identifier, address })) return null;
  const lease = { client: id, address, expires: now + server.leaseTime };
  return { address, server, at, identifier, memory: withLeases(host, server, withLease(server, lease)) };
}

function serverOn(host: Host, device: string): DhcpServer | undefined {
  return dhcpOf(host).servers.find((server) => server.device === device && !server.stopped);
}

/** The network, and what is heard on it. */
export class Link {
  readonly #session: Session;

  constructor(world: World) {
    this.#session = new Session(new Network(world));
  }

  macOf(end: WireEnd): Mac | null {
    return this.#at(end)?.device.mac ?? null;
  }

  /** Where a datagram to all, from a client without an address, comes to port 67: hosts with the device it came by. */
  heardByAll(from: WireEnd): readonly { readonly host: Host; readonly device: string }[] {
    const place = this.#at(from);
    if (place === null) return [];
    const heard: { host: Host; device: string }[] = [];
    const outbox = this.#session.outbox;
    outbox.upcalls = {
      ...SILENT,
      udp: (stack, packet) => {
        const device = stack.device(packet.dev);
        if (packet.dport === SERVER_PORT && device !== null) {
          heard.push({ host: stack.net.host, device: device.name });
        }
        return true;
      },
    };
    const ports = { sport: CLIENT_PORT, dport: SERVER_PORT };
    this.#say(place, { dst: ALL_HOSTS, src: 0, ethDst: MAC_BROADCAST, phase: PHASE_REQUEST, ...ports });
    return heard;
  }

  /** Does a frame for the client's link address come in by its device? */
  reaches(
    from: WireEnd,
    to: WireEnd,
    { mac, identifier, address }: { readonly mac: Mac; readonly identifier: Ipv4; readonly address: Ipv4 },
  ): boolean {
    const place = this.#at(from);
    const end = this.#at(to);
    if (place === null || end === null) return false;
    this.#session.outbox.upcalls = SILENT;
    const ports = { sport: SERVER_PORT, dport: CLIENT_PORT };
    const tape = this.#say(place, {
      ...{ dst: address, src: identifier, ethDst: mac, phase: PHASE_REPLY, ...ports },
    });
    return cameIn(tape, OP_FRAME, end);
  }

  /** Does somebody answer for an address on a device's link (the ARP probe of RFC 5227, from no address)? */
  isTaken(from: WireEnd, address: Ipv4): boolean {
    const place = this.#at(from);
    if (place === null) return false;
    const { stack, device } = place;
    const tape = this.#walked(() => {
      const question = this.#session.pool.take();
      question.ethType = ETH_P_ARP;
      question.framed = true;
      question.ethSrc = device.mac;
      question.ethDst = MAC_BROADCAST;
      question.arpOp = ARPOP_REQUEST;
      question.arpSha = device.mac;
      question.arpTha = MAC_ZERO;
      question.src = 0;
      question.dst = address;
      question.length = ARP_BYTES;
      stack.path.transmit(stack, device, question);
    });
    return cameIn(tape, OP_ARP, place);
  }

  #at({ host, device }: WireEnd): Place | null {
    const number = this.#session.network.hostNumber(host);
    if (number < 0) return null;
    const stack = this.#session.stack(number);
    const found = stack.net.deviceNamed(device);
    return found === null ? null : { stack, device: found };
  }

  /** A datagram made by hand goes out by a device, and all that comes of it happens. */
  #say({ stack, device }: Place, message: Message): Tape {
    const { src, dst, ethDst, sport, dport, phase } = message;
    return this.#walked(() => {
      const packet = ofFamily(this.#session.pool.take(), 4);
      emit(stack, packet, phase, 0);
      packet.src = src;
      packet.dst = dst;
      packet.ttl = 64;
      fillMessage(packet, "udp", { sport, dport, icmpId: 0 }, MESSAGE_BYTES);
      packet.framed = true;
      packet.ethSrc = device.mac;
      packet.ethDst = ethDst;
      stack.path.transmit(stack, device, packet);
    });
  }

  #walked(send: (tape: Tape) => void): Tape {
    const { engine, agenda, clock } = this.#session;
    const tape = new Tape();
    engine.tape = tape;
    this.#session.begin();
    send(tape);
    const end = clock.now + PATIENCE_MS;
    while (drain(this.#session)) {
      const timer = agenda.timers.peek();
      if (timer === undefined || timer.at > end) break;
      this.#session.advanceTo(timer.at);
      agenda.timers.pop()?.fire();
    }
    engine.tape = null;
    this.#session.settle();
    return tape;
  }
}

/** A device at work. */
interface Place {
  readonly stack: Stack;
  readonly device: NetDevice;
}

interface Message {
  readonly src: Ipv4;
  readonly dst: Ipv4;
  readonly ethDst: Mac;
  readonly sport: number;
  readonly dport: number;
  readonly phase: number;
}

/** Did a frame for the device itself come in by it? */
function cameIn({ data, length }: Tape, op: number, { stack, device }: Place): boolean {
  for (let at = 0; at < length; at += data[at + 1] as number) {
    if (data[at] !== op || data[at + 4] !== DIR_IN) continue;
    if (data[at + 2] === stack.host && data[at + 3] === device.ifindex) return true;
  }
  return false;
}
