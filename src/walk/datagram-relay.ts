import { emit } from "../kernel/emit.ts";
import { localOut } from "../kernel/path/local-out.ts";
import { routeOutput } from "../kernel/route/output-route.ts";
import type { Relay } from "../kernel/socket/relay.ts";
import type { Stack } from "../kernel/stack.ts";
import { headerLength, IPPROTO_UDP, type Packet, PHASE_REPLY, PHASE_REQUEST } from "../packet/packet.ts";
import { fillHopLimit, ofFamily } from "./client-packet.ts";
import { dontFragment } from "./dont-fragment.ts";
import { MESSAGE_BYTES } from "./packet-size.ts";
import { nextTarget } from "./relay-targets.ts";

/** A client of a relay, and the socket opened for it: connected to a target, its answers go back by the relay's own. */
interface Client {
  readonly address: number;
  readonly port: number;
  /** The relay's listening port. */
  readonly listening: number;
  readonly target: number;
  readonly targetPort: number;
  /** Port of the socket opened for it. */
  readonly own: number;
}

/** UDP through relays: a socket for each client, as kube-proxy's userspace mode had (`udpProxySocket`, pkg/proxy/userspace). */
export class DatagramRelay {
  readonly #clients: (Client & { readonly host: number })[] = [];

  /** A client's datagram goes on to its target. false: there is none. */
  request(stack: Stack, packet: Packet, relay: Relay): boolean {
    const known = this.#clients.find(
      ({ host, address, port, listening }) =>
        host === stack.host && address === packet.src && port === packet.sport && listening === packet.dport,
    );
    const client = known ?? this.#open(stack, packet, relay);
    if (client === null) return false;
    const { own, target, targetPort } = client;
    this.#send(stack, packet, { sport: own, dst: target, dport: targetPort }, PHASE_REQUEST);
    return true;
  }

  #open(stack: Stack, packet: Packet, relay: Relay): Client | null {
    const next = nextTarget(stack, relay, packet.src, false);
    if (next === null) return null;
    const client = {
      host: stack.host,
      address: packet.src,
      port: packet.sport,
      listening: packet.dport,
      target: next.address,
      targetPort: next.port,
      own: ephemeralPort(stack),
    };
    this.#clients.push(client);
    return client;
  }

  /** A target's answer goes back to the client. false: it is none. */
  answer(stack: Stack, packet: Packet): boolean {
    const client = this.#clients.find(
      ({ host, own, target, targetPort }) =>
        host === stack.host && own === packet.dport && target === packet.src && targetPort === packet.sport,
    );
    if (client === undefined) return false;
    const { address, port, listening } = client;
    this.#send(stack, packet, { sport: listening, dst: address, dport: port }, PHASE_REPLY);
    return true;
  }

  /** As much as came goes on, from the address that the way chooses: neither socket has one of its own. */
  #send(
    stack: Stack,
    from: Packet,
    to: { readonly sport: number; readonly dst: number; readonly dport: number },
    phase: number,
  ): void {
    const packet = ofFamily(stack.pool.take(), from.family === 6 ? 6 : 4);
    packet.protocol = IPPROTO_UDP;
    packet.dst = to.dst;
    packet.sport = to.sport;
    packet.dport = to.dport;
    packet.df = true;
    packet.payload = from.payload;
    packet.length = headerLength(packet) + MESSAGE_BYTES + from.payload;
    packet.ttl = 0;
    packet.uid = 0;
    packet.id = stack.state.nextIpId();
    if (routeOutput(stack, packet, 0, false) !== 0) {
      stack.pool.release(packet);
      return;
    }
    packet.df = dontFragment(stack, packet);
    fillHopLimit(stack, packet);
    emit(stack, packet, phase, from.number);
    localOut(stack, packet);
  }
}

/** A port for a socket that names none: which is taken is free choice. */
export function ephemeralPort(stack: Stack): number {
  const [low, high] = stack.net.portRange;
  return low + ((stack.state.nextEphemeral() * 2 + 1013) % (high - low + 1));
}
