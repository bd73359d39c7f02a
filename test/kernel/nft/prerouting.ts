import { type Family, parseIp } from "../../../src/address/ip.ts";
import { addressOnPath } from "../../../src/address/ip6-handle.ts";
import { NF_INET_PRE_ROUTING } from "../../../src/kernel/netfilter/hook.ts";
import { nfHook } from "../../../src/kernel/netfilter/hooks.ts";
import type { NftRuleset } from "../../../src/kernel/nft/ruleset.ts";
import { Tape } from "../../../src/kernel/tape.ts";
import {
  ETH_P_IP,
  ETH_P_IPV6,
  headerLength,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from "../../../src/packet/packet.ts";
import type { SeededChooser } from "../../../src/walk/choosers.ts";
import { Network } from "../../../src/walk/network.ts";
import { Session } from "../../../src/walk/session.ts";
import { makeHost } from "../../walk/small-world.ts";
import type { SentPacket } from "./generated-ruleset.ts";
import { countRules } from "./real-nft.ts";

const PROTOCOLS: Readonly<Record<Family, Readonly<Record<SentPacket["proto"], number>>>> = {
  4: { icmp: IPPROTO_ICMP, tcp: IPPROTO_TCP, udp: IPPROTO_UDP },
  6: { icmp: IPPROTO_ICMPV6, tcp: IPPROTO_TCP, udp: IPPROTO_UDP },
};
const HEADERS = { icmp: 8, tcp: 20, udp: 8 };

function onPath(text: string): number {
  const address = parseIp(text);
  if (address === undefined) throw new Error(text);
  return addressOnPath(address);
}

/** One host with a device that packets come in by, as far as PREROUTING. */
export class Prerouting {
  readonly session: Session;
  /** Rules that matched so far: `family table chain N`, from 1. */
  readonly hits = new Map<string, number>();
  /** Did the packet sent last meet a rule that reads what is not known of it? */
  unsure = false;
  private readonly ruleset: NftRuleset;

  constructor(ruleset: NftRuleset) {
    this.ruleset = ruleset;
    const links = { nlive1: "10.77.0.2/24 10.50.0.1/32 fd77::2/112 fd50::1/128" };
    const routes = ["10.77.1.0/24 via 10.77.0.1 dev nlive1", "fd77::1:0/112 via fd77::1 dev nlive1"];
    const host = { ...makeHost("b", 1, { links, routes }), nft: ruleset };
    this.session = new Session(new Network({ hosts: new Map([["b", host]]), wires: [] } as never));
  }

  /** @returns the verdict */
  send(sent: SentPacket): number {
    const { session } = this;
    const stack = session.stack(0);
    const { notAsked } = session.engine.chooser as SeededChooser;
    notAsked.clear();
    const tape = new Tape();
    session.engine.tape = tape;
    const device = stack.net.deviceNamed("nlive1");
    if (device === null) throw new Error("no device");
    const packet = session.pool.take();
    packet.number = 1;
    packet.framed = true;
    packet.ethDst = device.mac;
    packet.dev = device.ifindex;
    packet.family = sent.family;
    packet.ethType = sent.family === 6 ? ETH_P_IPV6 : ETH_P_IP;
    packet.src = onPath(sent.src);
    packet.dst = onPath(sent.dst);
    packet.protocol = PROTOCOLS[sent.family][sent.proto];
    packet.ttl = sent.ttl;
    packet.tos = sent.tos;
    packet.length = headerLength(packet) + HEADERS[sent.proto] + sent.payload;
    packet.payload = sent.payload;
    packet.payloadKnown = true;
    if (sent.proto === "icmp") {
      packet.icmpType = sent.icmpType;
      packet.icmpId = sent.sport;
      session.engine.givenIcmpId = sent.sport;
    } else {
      packet.sport = sent.sport;
      packet.dport = sent.dport;
    }
    if (sent.proto === "tcp") packet.tcpFlags = sent.flags;
    const verdict = nfHook(stack, NF_INET_PRE_ROUTING, packet, device.ifindex, 0);
    session.pool.release(packet);
    stack.conntrack.sweep();
    countRules(tape, this.ruleset, this.hits);
    this.unsure = notAsked.size > 0;
    return verdict;
  }
}
