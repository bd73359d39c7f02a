import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NftRuleset } from "../../../src/kernel/nft/ruleset.ts";
import { loaded } from "./script.ts";

/** A draft takes over what an earlier one knew of the table: what comes of a transaction hangs on the table alone. */

const BASE = loaded(`table ip t {
	set s {
		type ipv4_addr
	}

	chain a {
		accept
	}

	chain b {
		goto a
	}

	chain c {
	}
}
`);

const chain = fc.constantFrom("a", "b", "c", "d");
const address = fc.integer({ min: 1, max: 5 }).map((last) => `10.0.0.${last}`);
const line = fc.oneof(
  chain.map((name) => `add chain ip t ${name}`),
  chain.map((name) => `delete chain ip t ${name}`),
  chain.map((name) => `flush chain ip t ${name}`),
  fc.tuple(chain, chain).map(([from, to]) => `add rule ip t ${from} jump ${to}`),
  fc
    .tuple(chain, address)
    .map(([from, one]) => `insert rule ip t ${from} ip saddr { ${one}, 10.1.0.1 } drop`),
  fc
    .tuple(chain, fc.integer({ min: 4, max: 9 }))
    .map(([of, handle]) => `delete rule ip t ${of} handle ${handle}`),
  fc
    .tuple(chain, fc.integer({ min: 4, max: 9 }))
    .map(([of, handle]) => `replace rule ip t ${of} handle ${handle} drop`),
  address.map((one) => `add element ip t s { ${one} }`),
  address.map((one) => `delete element ip t s { ${one} }`),
  address.map((one) => `destroy element ip t s { ${one}, 10.0.0.9 }`),
  fc.constantFrom(
    "flush set ip t s",
    "flush table ip t",
    "add set ip t z { type mark; }",
    "delete set ip t z",
  ),
);

function resultOf(ruleset: NftRuleset, script: string): NftRuleset | string {
  try {
    return loaded(script, ruleset);
  } catch (error) {
    return (error as Error).message;
  }
}

describe("transactions one after the other", () => {
  it("come to the same on a table that no draft has seen", () => {
    const transaction = fc.tuple(fc.nat(), fc.array(line, { minLength: 1, maxLength: 2 }));
    fc.assert(
      fc.property(fc.array(transaction, { minLength: 10, maxLength: 30 }), (transactions) => {
        const versions: NftRuleset[] = [BASE];
        for (const [which, lines] of transactions) {
          // Mostly the newest, now and then one that others have been made of.
          const known = versions[
            versions.length - 1 - (which % 4 === 0 ? which % versions.length : 0)
          ] as NftRuleset;
          const script = lines.map((text) => `${text}\n`).join("");
          const made = resultOf(known, script);
          expect(made).toEqual(resultOf(structuredClone(known), script));
          if (typeof made !== "string") versions.push(made);
        }
      }),
      { numRuns: 60 },
    );
  });
});
