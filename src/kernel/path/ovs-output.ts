import { intern } from "../../address/ip6-handle.ts";
import { ETH_P_ARP, INNER_GENEVE, INNER_VXLAN, type Packet } from "../../packet/packet.ts";
import { CT_NONE } from "../conntrack/status.ts";
import type { CompiledOvsPort, OvsTunnel } from "../ovs/compile-bridge.ts";
import * as F from "../ovs/field.ts";
import { reason } from "../reason.ts";
import { DIR_OUT, OP_ARP, OP_FRAME } from "../tape.ts";
import { classifyFrame, FRAME_TOO_LONG, recordIn } from "./frame.ts";
import type { OvsRun } from "./ovs-run.ts";
import { datagramAround, sendDatagram } from "./udp-tunnel.ts";

/** Ports of Open vSwitch: what a frame meets that leaves by one. Runs per packet. */

const LEFT_MODEL = reason("left-model");
const NO_ROUTE = reason("no-route");

/** `DEFAULT_TTL` of Open vSwitch's tunnels. */
const TUNNEL_TTL = 64;

/** `ovs_vport_send`. Takes the packet over. */
export function putOut(run: OvsRun, port: CompiledOvsPort, packet: Packet, memory: Int32Array): void {
  const { stack } = run;
  const { plain, device, tunnel } = port;
  if (tunnel !== null) {
    encapsulate(run, port, tunnel, packet, memory);
    return;
  }
  if (device === null) {
    stack.kill(packet, LEFT_MODEL);
    return;
  }
  if (packet.length > device.mtu && packet.gsoExcess === 0) {
    stack.kill(packet, FRAME_TOO_LONG);
    return;
  }
  if (plain.type !== "internal") {
    stack.path.transmit(stack, device, packet);
    return;
  }
  // `internal_dev_recv`: it comes in by the device, as from a cable.
  packet.ct = CT_NONE;
  packet.ctInfo = 0;
  packet.dropRoute();
  classifyFrame(device, packet);
  stack.outbox.raise(stack, device, packet);
}

/** A frame as the payload of this host's own UDP packet, to the end and with the key that the port or the flow names. */
function encapsulate(
  run: OvsRun,
  port: CompiledOvsPort,
  tunnel: OvsTunnel,
  packet: Packet,
  memory: Int32Array,
): void {
  const { stack } = run;
  const { device } = tunnel;
  if (device !== null) {
    packet.dev = device.ifindex;
    const op = packet.ethType === ETH_P_ARP ? OP_ARP : OP_FRAME;
    stack.tape?.frame(op, stack.host, device.ifindex, DIR_OUT, packet);
  }
  const outer = datagramAround(stack, packet, tunnel.type === "vxlan" ? INNER_VXLAN : INNER_GENEVE);
  outer.vni = tunnel.key < 0 ? (memory[F.AT_TUN_ID + 1] as number) & 0xff_ffff : tunnel.key;
  const four = memory[F.AT_TUN_DST] as number;
  outer.family = tunnel.remote === -1 ? (four === 0 ? 6 : 4) : tunnel.family;
  outer.dst = tunnel.remote !== -1 ? tunnel.remote : four !== 0 ? four : words6(memory, F.AT_TUN6_DST);
  outer.src =
    tunnel.local !== -1
      ? tunnel.local
      : outer.family === 6
        ? words6(memory, F.AT_TUN6_SRC)
        : (memory[F.AT_TUN_SRC] as number);
  outer.dport = tunnel.port;
  outer.ttl = tunnel.ttl === 0 && outer.family === 4 ? TUNNEL_TTL : tunnel.ttl;
  outer.df = outer.family === 6 || tunnel.df;
  outer.dev = device?.ifindex ?? 0;
  if (outer.dst === 0) stack.kill(outer, NO_ROUTE);
  else sendDatagram(stack, outer, 0, -1, (error) => turn(run, port, tunnel, outer, error));
}

/** What the tunnel tells of a frame that is too long comes in by its port, as from the other end. Takes the error over. */
function turn(run: OvsRun, port: CompiledOvsPort, { device }: OvsTunnel, outer: Packet, error: Packet): void {
  const { stack } = run;
  const memory = new Int32Array(F.MEMORY_WORDS);
  memory[F.AT_TUN_ID + 1] = outer.vni;
  memory[F.AT_TUN_TOS] = outer.tos;
  memory[F.AT_TUN_TTL] = outer.ttl;
  if (outer.family === 4) {
    memory[F.AT_TUN_SRC] = outer.dst;
    memory[F.AT_TUN_DST] = outer.src;
  }
  stack.outbox.after(0, () => {
    if (device !== null) {
      error.dev = device.ifindex;
      recordIn(stack, device, error);
    }
    run.tables.receive(stack, port, error, memory);
  });
}

function words6(memory: Int32Array, at: number): number {
  return intern(
    memory[at] as number,
    memory[at + 1] as number,
    memory[at + 2] as number,
    memory[at + 3] as number,
  );
}
