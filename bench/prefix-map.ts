import { Bench } from "tinybench";
import type { PrefixEntry4, PrefixMap4 } from "../src/address/prefix-map.ts";
import { ScanPrefixMap4, TriePrefixMap4 } from "../src/address/prefix-map.ts";

/**
 * Longest-prefix match by the number of prefixes: where the trie overtakes the scan. Half of the addresses asked for are
 * under one of the prefixes. Both maps are asked for the same addresses and must give the same answers.
 *
 *     npx tsx bench/prefix-map.ts [seed]
 */

const ASKED = 4096;

let state = Number(process.argv[2] ?? 1) >>> 0;

/** mulberry32 */
function random(): number {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const anyAddress = () => Math.floor(random() * 2 ** 32) | 0;

function entriesOf(count: number): PrefixEntry4[] {
  return Array.from({ length: count }, (_, value) => ({
    prefix: { address: anyAddress(), length: 16 + Math.floor(random() * 17) },
    value,
  }));
}

function sumOf(map: PrefixMap4, addresses: Int32Array): number {
  let sum = 0;
  for (const address of addresses) sum = (sum + map.lookup(address)) | 0;
  return sum;
}

for (const count of [4, 8, 16, 32, 64, 256, 4096]) {
  const entries = entriesOf(count);
  const scan = new ScanPrefixMap4();
  const trie = new TriePrefixMap4();
  for (const { prefix, value } of entries) {
    scan.insert(prefix, value);
    trie.insert(prefix, value);
  }
  const addresses = Int32Array.from({ length: ASKED }, () =>
    random() < 0.5 ? anyAddress() : (entries[Math.floor(random() * count)] as PrefixEntry4).prefix.address,
  );
  if (sumOf(scan, addresses) !== sumOf(trie, addresses)) throw new Error("scan and trie disagree");
  let sink = 0;
  const bench = new Bench({ time: 200 });
  bench.add("scan", () => {
    sink ^= sumOf(scan, addresses);
  });
  bench.add("trie", () => {
    sink ^= sumOf(trie, addresses);
  });
  await bench.run();
  const times = bench.tasks.map(({ name, result }) => {
    if (result.state !== "completed") throw new Error(`${name} did not complete`);
    return `${name} ${((result.latency.p50 * 1e6) / ASKED).toFixed(1).padStart(8)} ns`;
  });
  console.log(`${String(count).padStart(5)} prefixes  ${times.join("  ")}  (${sink})`);
}
