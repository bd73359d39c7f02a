import fc from "fast-check";
import { expect, it } from "vitest";
import {
  compilePrefixMap4,
  type PrefixEntry4,
  ScanPrefixMap4,
  TriePrefixMap4,
} from "../../src/address/prefix-map.ts";
import { ipv4, prefix4 } from "./arbitraries.ts";
import { entries, prefixMapSuite, probesOf } from "./prefix-map.suite.ts";

prefixMapSuite("the scan", () => new ScanPrefixMap4());
prefixMapSuite("the trie", () => new TriePrefixMap4());

function agree(list: readonly PrefixEntry4[], anywhere: number): void {
  const scan = new ScanPrefixMap4();
  const trie = new TriePrefixMap4();
  for (const { prefix, value } of list) {
    scan.insert(prefix, value);
    trie.insert(prefix, value);
  }
  const compiled = compilePrefixMap4(list);
  expect(trie.size).toBe(scan.size);
  for (const address of probesOf(list, anywhere)) {
    const value = scan.lookup(address);
    expect(trie.lookup(address)).toBe(value);
    expect(compiled.lookup(address)).toBe(value);
  }
}

it("the trie and the scan agree", () => {
  fc.assert(fc.property(entries(), ipv4(), agree), { numRuns: 500 });
});

it("the trie and the scan agree on long tables, where the trie has grown", () => {
  const longTable = fc
    .array(prefix4(), { minLength: 300, maxLength: 600 })
    .map((prefixes) => prefixes.map((prefix, value) => ({ prefix, value })));
  fc.assert(fc.property(longTable, ipv4(), agree), { numRuns: 10 });
});
