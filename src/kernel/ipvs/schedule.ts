import { intern, network6 } from "../../address/ip6-handle.ts";
import { IPPROTO_UDP, KEY_IPV6, type Packet, protocolKey } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import { type CompiledVirtualService, FTP_DATA_PORT, FTP_PORT } from "./compiled-service.ts";
import { CONN_ONE_PACKET, CONN_TEMPLATE } from "./connection-flags.ts";
import { NO_CONNECTION } from "./connection-table.ts";
import { NO_SERVER } from "./destination-table.ts";
import type { VirtualServiceState } from "./service-state.ts";

/** What scheduling came to beside a connection: nothing of IPVS's, nobody who takes it, not to go on at all. */
export const NOT_OURS = -1;
export const NOBODY = -2;

/**
 * `ip_vs_schedule`: pick a real server for a new connection and make its entry.
 *
 * @returns the connection, `NOT_OURS` or `NOBODY`
 */
export function schedule(stack: Stack, compiled: CompiledVirtualService, packet: Packet): number {
  // Data connections of active FTP come from the server; its client's side is in the table already.
  if (packet.sport === FTP_DATA_PORT) return NOT_OURS;
  const state = stack.ipvs;
  const { connections, destinations } = state;
  const { src, sport, dst, dport } = packet;
  const protocol = protocolKey(packet);
  // "Do not schedule replies from local real server."
  const fromHere = packet.dev === 0 || stack.isLoopback(packet.dev);
  if (fromHere && connections.findIn(protocol, dst, dport, src, sport, false) !== NO_CONNECTION)
    return NOT_OURS;
  const service = state.service(compiled);
  if (compiled.persistent) return schedulePersistent(stack, service, compiled, packet);
  if (compiled.mark === 0 && dport !== compiled.port) return NOBODY;
  const dest = pick(stack, service, compiled, packet);
  if (dest === NO_SERVER) return NOBODY;
  const own = destinations.port(dest);
  return state.connect(
    protocol,
    src,
    sport,
    dst,
    dport,
    own === 0 ? dport : own,
    onePacketFlag(compiled, packet),
    dest,
    stack.ipvsSettings.conntrack,
  );
}

function onePacketFlag(compiled: CompiledVirtualService, packet: Packet): number {
  return compiled.onePacket && packet.protocol === IPPROTO_UDP ? CONN_ONE_PACKET : 0;
}

/** `ip_vs_sched_persist`: a client's template says where it goes; the first connection makes one. */
function schedulePersistent(
  stack: Stack,
  service: VirtualServiceState,
  compiled: CompiledVirtualService,
  packet: Packet,
): number {
  const state = stack.ipvs;
  const { connections, destinations } = state;
  const { src, sport, dst, dport } = packet;
  const protocol = protocolKey(packet);
  const family = protocol & KEY_IPV6;
  const settings = stack.ipvsSettings;
  const atItsPort = dport === compiled.port;
  const client = family === 0 ? src & compiled.netmask : network6(src, compiled.prefixLength);
  const ofMark = !atItsPort && compiled.mark !== 0;
  const proto = ofMark ? family : protocol;
  const vaddr = ofMark ? addressOfMark(compiled.mark, family) : dst;
  const vport = atItsPort && compiled.port !== FTP_PORT ? dport : 0;
  let template = connections.findIn(proto, client, 0, vaddr, vport, true);
  if (template !== NO_CONNECTION && !state.templateHolds(template)) {
    connections.invalidate(template);
    template = NO_CONNECTION;
  }
  if (template === NO_CONNECTION) {
    const dest = pick(stack, service, compiled, packet);
    if (dest === NO_SERVER) return NOBODY;
    const templatePort = atItsPort && compiled.port !== FTP_PORT ? destinations.port(dest) : 0;
    template = state.connect(
      proto,
      client,
      0,
      vaddr,
      vport,
      templatePort,
      CONN_TEMPLATE,
      dest,
      settings.conntrack,
    );
    connections.setTimeout(template, compiled.timeoutMs);
  }
  const dest = connections.dest(template);
  const own = destinations.port(dest);
  const cp = state.connect(
    protocol,
    src,
    sport,
    dst,
    dport,
    atItsPort && own !== 0 ? own : dport,
    onePacketFlag(compiled, packet),
    dest,
    settings.conntrack,
  );
  state.follow(cp, template);
  state.put(template, stack.now);
  return cp;
}

/** A template of a mark has it for its virtual address: `union nf_inet_addr fwmark = { .ip = htonl(svc->fwmark) }`. */
function addressOfMark(mark: number, family: number): number {
  return family === 0 ? mark | 0 : intern(mark | 0, 0, 0, 0);
}

/** Ask the scheduler. One that is not modelled, or a persistence engine, is said; the first server that can takes it. */
function pick(
  stack: Stack,
  service: VirtualServiceState,
  compiled: CompiledVirtualService,
  packet: Packet,
): number {
  const { scheduler, order, destinations } = service;
  if (compiled.plain.engine !== null)
    stack.engine.unmodelled.add(`IPVS persistence engine ${compiled.plain.engine}`);
  if (scheduler !== null) return scheduler.schedule(service, packet, stack);
  stack.engine.unmodelled.add(`IPVS scheduler ${compiled.plain.scheduler}`);
  for (let i = 0; i < order.length; i++) {
    if (destinations.isEligible(order[i] as number)) return order[i] as number;
  }
  return NO_SERVER;
}
