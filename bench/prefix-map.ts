import { Bench } from "tinybench";
import type { PrefixEntry4, PrefixMap4 } from "../src/address/prefix-map.ts";
import { ScanPrefixMap4, TriePrefixMap4 } from "../src/address/prefix-map.ts";
import type { Options } from "./options.ts";
import { Random } from "./random.ts";
import { grouped, nano, print, Table, times } from "./report.ts";
import { WrongAnswer } from "./wrong-answer.ts";

const ASKED = 4096;
const SIZES = [4, 8, 16, 32, 64, 256, 4096];

/**
 * Longest-prefix match by the number of prefixes: where the trie overtakes the scan. Half of the addresses asked for are
 * under one of the prefixes. Both maps are asked for the same addresses and must give the same answers.
 */
export async function prefixMap({ seed }: Options): Promise<void> {
  const random = new Random(seed);
  const anyAddress = () => random.word() | 0;
  print("PREFIX-MAP  longest-prefix match, nanoseconds a look-up");
  const table = new Table("prefixes", "scan", "trie", "scan ÷ trie");
  for (const count of SIZES) {
    const entries = Array.from({ length: count }, (_, value): PrefixEntry4 => {
      return { prefix: { address: anyAddress(), length: 16 + random.below(17) }, value };
    });
    const maps: readonly PrefixMap4[] = [new ScanPrefixMap4(), new TriePrefixMap4()];
    for (const map of maps) for (const { prefix, value } of entries) map.insert(prefix, value);
    const addresses = Int32Array.from({ length: ASKED }, () =>
      random.unit() < 0.5 ? anyAddress() : (entries[random.below(count)] as PrefixEntry4).prefix.address,
    );
    const sums = maps.map((map) => sumOf(map, addresses));
    if (sums[0] !== sums[1]) throw new WrongAnswer(`scan and trie of ${count} prefixes disagree`);
    const bench = new Bench({ time: 200 });
    const sink = { sum: 0 };
    maps.forEach((map, i) => {
      bench.add(String(i), () => {
        sink.sum ^= sumOf(map, addresses);
      });
    });
    await bench.run();
    const [scan, trie] = bench.tasks.map(({ result }) => {
      if (result.state !== "completed") throw new Error("a task did not complete");
      return (result.latency.p50 * 1e6) / ASKED;
    }) as [number, number];
    table.row(grouped(count), nano(scan), nano(trie), times(scan / trie));
  }
  table.print();
}

function sumOf(map: PrefixMap4, addresses: Int32Array): number {
  let sum = 0;
  for (const address of addresses) sum = (sum + map.lookup(address)) | 0;
  return sum;
}
