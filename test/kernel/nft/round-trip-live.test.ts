import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatNftJson } from "../../../src/kernel/nft/json/format.ts";
import { parseNftJson } from "../../../src/kernel/nft/json/parse.ts";
import { formatNftRuleset } from "../../../src/kernel/nft/text/format.ts";
import { Dice } from "../../live/dice.ts";
import { addRandomNft } from "../../live/random-nft.ts";
import { randomTopology } from "../../live/topology.ts";
import { ownNetns, sweepNetns } from "../../own-netns.ts";
import { inside, read, removeNamespaces, run, whyNot } from "./real-nft.ts";

/**
 * What the machine's own nft lists, of statements of every kind and of random rule sets, is read and printed again byte for byte,
 * as text and as JSON; and what we print of a script nft loads as the same.
 */

const NAMESPACE = ownNetns("listed");
const SEEDS = Array.from({ length: 12 }, (_, i) => 3100 + i);

const FAMILIES = [[4], [6], [4, 6]] as const;

const reason = whyNot();
if (reason !== null) console.warn(`the real nft lists nothing: ${reason}`);

const devices = new Set(["lo"]);

function withDevices(names: readonly string[]): void {
  for (const name of names) {
    if (devices.has(name)) continue;
    devices.add(name);
    inside(NAMESPACE, `ip link add ${name} type veth peer name far${devices.size}`);
  }
}

interface Listing {
  readonly text: string;
  readonly json: { readonly nftables: readonly { readonly metainfo?: unknown }[] };
}

/** Loads a script alone, and lists it. */
function listed(script: string): Listing {
  inside(NAMESPACE, "nft flush ruleset");
  inside(NAMESPACE, "nft -f -", script);
  return {
    text: inside(NAMESPACE, "nft list ruleset"),
    json: JSON.parse(inside(NAMESPACE, "nft -j list ruleset")) as Listing["json"],
  };
}

/** nft 1.0.6 lists one and the same rejection in two ways, by what stands before it; and times run. */
function alike(text: string): string {
  return text
    .replaceAll(/reject with icmp(x|v6)? port-unreachable/g, "reject")
    .replaceAll(/expires \w+/g, "");
}

function compare(script: string): void {
  const { text, json } = listed(script);
  expect(formatNftRuleset(read(text))).toBe(text);
  const parsed = parseNftJson(json, () => 0);
  if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.errors));
  const { metainfo } = json.nftables[0] ?? {};
  expect(formatNftJson(parsed.ruleset, metainfo)).toEqual(json);
  expect(alike(listed(formatNftRuleset(read(script))).text)).toBe(alike(text));
}

describe.skipIf(reason !== null)("what the real nft lists", () => {
  beforeAll(() => {
    sweepNetns();
    run("ip", ["netns", "add", NAMESPACE]);
  });
  afterAll(() => removeNamespaces([NAMESPACE]));

  it.each(["statements", "objects"])("of fixtures/nft/%s.txt", (name) => {
    withDevices(["eth0"]);
    compare(readFileSync(`fixtures/nft/${name}.txt`, "utf8"));
  });

  it.each(SEEDS)("of random rule sets of IPv4, of IPv6 and of both, seed %i", (seed) => {
    const dice = new Dice(seed);
    const grounds = randomTopology(dice, FAMILIES[seed % FAMILIES.length]);
    const [{ draft, devices: byHost, ruled }] = grounds;
    for (const name of new Set(ruled).keys()) {
      const host = draft.hosts.get(name);
      if (host === undefined) continue;
      addRandomNft(dice, grounds, host);
      withDevices(byHost.get(name) ?? []);
      compare(host.nftRuleset);
    }
  });
});
