import { NO_SERVER } from "../destination-table.ts";
import type { VirtualServiceState } from "../service-state.ts";
import { hsiphash } from "./hsiphash.ts";
import { type Scheduler, TABLED } from "./scheduler.ts";
import { clientWord, folded } from "./source-hash.ts";
import { greatestCommonDivisor } from "./weights.ts";

/** The prime of CONFIG_IP_VS_MH_TAB_INDEX 12, and half that index (`IP_VS_MH_TAB_SIZE`, `IP_VS_MH_TAB_BITS`). */
const ENTRIES = 4093;
const BITS = 6;
/** `s->hash1`, `s->hash2`. */
const KEY1 = 2654435761;
const KEY2 = 2654446892;

/** `mh` (ip_vs_mh.c): Maglev's table; each server fills it from a place and by a stride of its own, in turns by weight. */
export const maglevHash: Scheduler = {
  name: "mh",
  ...TABLED,
  schedule(service, packet) {
    const { destinations, config } = service;
    if (config === null) return NO_SERVER;
    const table = service.table ?? assign(service);
    const value = clientWord(packet, config);
    const first = hsiphash(value, KEY1) % ENTRIES;
    const own = table[first] as number;
    if (own === NO_SERVER || destinations.isEligible(own)) return own;
    if (!config.fallback) return NO_SERVER;
    for (let offset = 0; offset < ENTRIES; offset++) {
      const place = (offset + first) % ENTRIES;
      const dest = table[hsiphash((place + value) | 0, KEY1) % ENTRIES] as number;
      if (destinations.isEligible(dest)) return dest;
    }
    return NO_SERVER;
  },
};

/** `ip_vs_mh_permutate` and `ip_vs_mh_populate`. A drained server's last weight counts. */
function assign(service: VirtualServiceState): Int32Array {
  const { order, destinations } = service;
  let divisor = 0;
  let heaviest = 0;
  for (const dest of order) {
    divisor = greatestCommonDivisor(destinations.lastWeight(dest), divisor);
    heaviest = Math.max(heaviest, destinations.lastWeight(dest));
  }
  const table = new Int32Array(ENTRIES).fill(NO_SERVER);
  service.setTable(table);
  if (divisor === 0) return table;
  // fls(heaviest / divisor) − BITS
  const shift = Math.max(32 - Math.clz32(heaviest / divisor) - BITS, 0);
  const turns = Int32Array.from(order, (dest) => {
    const weight = destinations.lastWeight(dest);
    return (weight / divisor) >> shift || (weight === 0 ? 0 : 1);
  });
  const family = service.config?.plain.selector.family ?? 4;
  const hash = (dest: number, key: number): number =>
    hsiphash((destinations.port(dest) + folded(family, destinations.address(dest))) | 0, key);
  const place = Int32Array.from(order, (dest) => hash(dest, KEY1) % ENTRIES);
  const stride = Int32Array.from(order, (dest) => (hash(dest, KEY2) % (ENTRIES - 1)) + 1);
  for (let filled = 0; ; ) {
    for (let i = 0; i < order.length; i++) {
      for (let turn = 0; turn < (turns[i] as number); turn++) {
        let at = place[i] as number;
        while (table[at] !== NO_SERVER) at = (at + (stride[i] as number)) % ENTRIES;
        place[i] = at;
        table[at] = order[i] as number;
        if (++filled === ENTRIES) return table;
      }
    }
  }
}
