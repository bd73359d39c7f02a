import { parseIp } from "../../../src/address/ip.ts";
import { addressOnPath, formatOnPath } from "../../../src/address/ip6-handle.ts";
import { formatMac, internMac, MAC_ZERO } from "../../../src/address/mac.ts";
import type { NetDevice } from "../../../src/kernel/device/net-device.ts";
import { OFPP_LOCAL } from "../../../src/kernel/ovs/open-vswitch.ts";
import { ovsReceive } from "../../../src/kernel/path/ovs.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
  TCP_SYN,
} from "../../../src/packet/packet.ts";
import { sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";
import type { RandomPacket } from "./random-flows.ts";

/** What a bridge puts out for a packet, in one line a copy: the port, then the headers. Sorted. */

const OWN = { kind: "openvswitch" } as const;
const VSCTL = `    Bridge br0
        fail_mode: secure
        Port br0
            Interface br0
                type: internal
        Port p1
            Interface p1
        Port p2
            Interface p2
        Port p3
            Interface p3
        Port p4
            tag: 10
            Interface p4
        Port vx
            Interface vx
                type: vxlan
                options: {key=flow, remote_ip=flow}
`;
const NUMBERS = [
  ["p1", 1],
  ["p2", 2],
  ["p3", 3],
  ["p4", 4],
  ["vx", 5],
  ["br0", "LOCAL"],
] as const;
const SHOW = NUMBERS.map(([name, number]) => ` ${number}(${name}): addr:02:00:00:00:02:02\n`).join("");

/** A host with that bridge. */
export function bridgeOf(flows: readonly string[], groups: readonly string[]): Stack {
  const world = smallWorld(
    {
      n: {
        links: {
          br0: { detail: OWN, mtu: 65_000 },
          p1: "",
          p2: "",
          p3: "",
          p4: "",
          eth0: "192.0.2.1/24",
        },
        ovs: {
          vsctl: VSCTL,
          show: { br0: SHOW },
          flows: { br0: flows.join("\n") },
          groups: { br0: groups.join("\n") },
        },
      },
    },
    [],
  );
  const session = sessionOf(world);
  return session.stack(0);
}

/** The copies that leave for one packet; `unmodelled` is what the run did not know. */
export function outputsOf(stack: Stack, given: RandomPacket): { lines: string[]; unmodelled: string[] } {
  const lines: string[] = [];
  const put = (device: NetDevice, packet: Packet): void => {
    const port = NUMBERS.find(([name]) => name === device.name)?.[1];
    lines.push(`${port} ${headers(packet)}`);
    stack.pool.release(packet);
  };
  const spy = Object.create(stack, {
    path: {
      value: {
        ...stack.path,
        transmit: (_: Stack, device: NetDevice, packet: Packet) => put(device, packet),
        localOut: (_: Stack, outer: Packet) => {
          const { inner } = outer;
          if (inner === null) throw new Error("nothing in the tunnel");
          lines.push(
            `5 tun_id=${outer.vni} tun_dst=${formatOnPath(4, outer.dst)} tun_ttl=${outer.ttl} ${outer.df ? "df " : ""}${headers(inner)}`,
          );
          stack.pool.release(outer);
          return 0;
        },
      },
    },
    outbox: {
      value: { raise: (_: Stack, device: NetDevice, packet: Packet) => put(device, packet) },
    },
  }) as Stack;
  const [bridge] = stack.net.ovsBridges;
  const number = given.in_port === "LOCAL" ? OFPP_LOCAL : given.in_port;
  const port = bridge?.byNumber.get(number);
  if (port === undefined) throw new Error(`no port ${number}`);
  stack.engine.unmodelled.clear();
  ovsReceive(spy, port, packetOf(stack, given));
  return { lines: lines.sort(), unmodelled: [...stack.engine.unmodelled] };
}

function packetOf(stack: Stack, given: RandomPacket): Packet {
  const packet = stack.pool.take();
  packet.number = 1;
  packet.framed = true;
  packet.ethSrc = internMac(given.ethSrc);
  packet.ethDst = internMac(given.ethDst);
  packet.vlan = given.vlan;
  packet.src = onPath(given.src);
  packet.dst = onPath(given.dst);
  packet.length = 60;
  if (given.kind === "arp") {
    packet.ethType = ETH_P_ARP;
    packet.arpOp = given.arpOp;
    packet.arpSha = packet.ethSrc;
    packet.arpTha = MAC_ZERO;
    return packet;
  }
  packet.ttl = given.ttl;
  packet.tos = given.tos;
  packet.ethType = given.kind === "tcp6" ? ETH_P_IPV6 : ETH_P_IP;
  packet.family = given.kind === "tcp6" ? 6 : 4;
  if (given.kind === "icmp") {
    packet.protocol = IPPROTO_ICMP;
    packet.icmpType = 8;
    return packet;
  }
  packet.protocol = given.kind === "udp" ? IPPROTO_UDP : IPPROTO_TCP;
  packet.sport = given.sport;
  packet.dport = given.dport;
  if (given.kind !== "udp") packet.tcpFlags = TCP_SYN;
  return packet;
}

function onPath(text: string): number {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return addressOnPath(address);
}

function headers(p: Packet): string {
  const eth = `${formatMac(p.ethSrc)}>${formatMac(p.ethDst)} vlan=${p.vlan} mark=${p.mark}`;
  const [src, dst] = [formatOnPath(p.family, p.src), formatOnPath(p.family, p.dst)];
  if (p.ethType === ETH_P_ARP)
    return `${eth} arp ${p.arpOp} ${src}/${formatMac(p.arpSha)} ${dst}/${formatMac(p.arpTha)}`;
  const ports = p.protocol === IPPROTO_ICMP ? "" : ` ${p.sport}>${p.dport}`;
  return `${eth} ${src}>${dst} ttl=${p.ttl} tos=${p.tos} proto=${p.protocol}${ports}`;
}
