import { describe, expect, it } from "vitest";
import { formatNftRuleset } from "../../../src/kernel/nft/text/format.ts";
import type { IpFamily } from "../../../src/proxy/canonical-address.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { freshNodeTable } from "../../../src/proxy/nftables/operations.ts";
import { NftablesProxier } from "../../../src/proxy/nftables/proxier.ts";
import { played, realOutputs } from "../real.ts";

/** Sets, maps and chains by their heads. Neither the kernel nor kube-proxy promises an order of these or of elements. */
function blocks(text: string): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [, head = "", body = ""] of text.matchAll(
    /^\t((?:set|map|chain) \S+) \{\n([\s\S]*?)^\t\}\n/gm,
  )) {
    const sorted = body
      .replace(/elements = \{([\s\S]*?)\}/, (_, all: string) => `elements = { ${sortedList(all)} }`)
      .replace(/ip6? saddr != \{ (.*?) \}/, (_, all: string) => `saddr != { ${intervals(all)} }`);
    found[head] = sorted.trim().split("\n");
  }
  return found;
}

function sortedList(text: string): string {
  return text
    .split(",")
    .map((one) => one.trim().replace(/\s+/g, " "))
    .sort()
    .join(", ");
}

/** nft sorts what it knows as intervals, and makes one of two that touch. */
function intervals(text: string): string {
  return sortedList(text.replace(/([\w.:]+)-([\w.:]+)/g, "$1, $2"));
}

const PLAYED: readonly (readonly [string, IpFamily])[] = [
  ["1.34", "IPv4"],
  ["1.34", "IPv6"],
  ["1.32", "IPv4"],
];

describe.each(PLAYED)("the table of kube-proxy %s, %s", (version, family) => {
  const outputs = Object.entries(realOutputs<string>("nftables", version, family));

  it("was played with as many cases as there are", () => {
    expect(outputs.length).toBeGreaterThanOrEqual(58);
  });

  it.each(outputs)("%s", (name, listed) => {
    const { services, slices, configuration, node } = played(name, family, version);
    // It was told the networks of cluster IPs, which 1.32 is only with this gate.
    const featureGates = { ...configuration.featureGates, MultiCIDRServiceAllocator: true };
    const proxier = new NftablesProxier(proxyModel(services, slices, family), {
      ...configuration,
      featureGates,
    });
    const table = freshNodeTable(proxier.rulesFor(node));
    expect(table).toMatchObject({
      family: family === "IPv4" ? "ip" : "ip6",
      name: "kube-proxy",
      comment: "rules for kube-proxy",
    });
    expect(blocks(formatNftRuleset({ tables: [table] }))).toEqual(blocks(listed));
  });
});
