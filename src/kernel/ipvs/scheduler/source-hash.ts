import { word6 } from "../../../address/ip6-handle.ts";
import type { Packet } from "../../../packet/packet.ts";
import { hasPorts } from "../../../packet/ports.ts";
import type { CompiledVirtualService } from "../compiled-service.ts";
import { NO_SERVER } from "../destination-table.ts";
import type { VirtualServiceState } from "../service-state.ts";
import { type Scheduler, TABLED } from "./scheduler.ts";

/** `IP_VS_SH_TAB_SIZE`, `IP_VS_DH_TAB_SIZE`. */
export const BUCKETS = 256;
/** `GOLDEN_RATIO_32` of include/linux/hash.h. */
const GOLDEN_RATIO = 0x61c88647;

/** `hash_32(value, 8)`. */
export function bucketOf(value: number): number {
  return Math.imul(value, GOLDEN_RATIO) >>> 24;
}

/** `addr_fold`: an address as one word, of IPv6 its four as one. */
export function folded(family: number, address: number): number {
  return family === 6
    ? word6(address, 0) ^ word6(address, 1) ^ word6(address, 2) ^ word6(address, 3)
    : address;
}

/** What is hashed of a client (`ip_vs_sh_hashkey`, `ip_vs_mh_hashkey`): its address, with its port where the service is told so. */
export function clientWord(packet: Packet, { hashPort }: CompiledVirtualService): number {
  const port = hashPort && hasPorts(packet.protocol) ? packet.sport : 0;
  return (port + folded(packet.family, packet.src)) | 0;
}

/** `sh` (ip_vs_sh.c): a hash of the client's address, and port if told so; a server has as many buckets in a row as weight. */
export const sourceHash: Scheduler = {
  name: "sh",
  ...TABLED,
  schedule(service, packet) {
    const { destinations, config } = service;
    if (config === null) return NO_SERVER;
    const table = service.table ?? assign(service);
    const first = bucketOf(clientWord(packet, config));
    const own = table[first] as number;
    if (own === NO_SERVER || destinations.isEligible(own)) return own;
    if (!config.fallback) return NO_SERVER;
    for (let offset = 0; offset < BUCKETS; offset++) {
      const dest = table[(((offset + first) & (BUCKETS - 1)) + first) & (BUCKETS - 1)] as number;
      if (destinations.isEligible(dest)) return dest;
    }
    return NO_SERVER;
  },
};

/** `ip_vs_sh_reassign`. */
function assign(service: VirtualServiceState): Int32Array {
  const { order, destinations } = service;
  const table = new Int32Array(BUCKETS).fill(NO_SERVER);
  if (order.length > 0) {
    let at = 0;
    let filled = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const dest = order[at] as number;
      table[bucket] = dest;
      if (++filled >= destinations.weight(dest)) {
        at = (at + 1) % order.length;
        filled = 0;
      }
    }
  }
  service.setTable(table);
  return table;
}
