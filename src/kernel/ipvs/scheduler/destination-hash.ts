import { NO_SERVER } from "../destination-table.ts";
import type { VirtualServiceState } from "../service-state.ts";
import { type Scheduler, TABLED } from "./scheduler.ts";
import { BUCKETS, bucketOf, folded } from "./source-hash.ts";

/** `dh` (ip_vs_dh.c): a hash of the destination address; servers take the buckets in turn, whatever their weight. */
export const destinationHash: Scheduler = {
  name: "dh",
  ...TABLED,
  schedule(service, packet) {
    const { destinations } = service;
    const table = service.table ?? assign(service);
    const dest = table[bucketOf(folded(packet.family, packet.dst))] as number;
    return dest !== NO_SERVER && destinations.isEligible(dest) ? dest : NO_SERVER;
  },
};

/** `ip_vs_dh_reassign`. */
function assign(service: VirtualServiceState): Int32Array {
  const { order } = service;
  const table = new Int32Array(BUCKETS).fill(NO_SERVER);
  if (order.length > 0) {
    for (let bucket = 0; bucket < BUCKETS; bucket++) table[bucket] = order[bucket % order.length] as number;
  }
  service.setTable(table);
  return table;
}
