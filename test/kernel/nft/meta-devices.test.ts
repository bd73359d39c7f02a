import { expect, it } from "vitest";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { BRIDGE, smallWorld } from "../../walk/small-world.ts";

/** What c is told where s, behind a bridge, lets out of it what one rule accepts. */
function told(rule: string): string {
  const nft = `table bridge f {
  chain out {
    type filter hook output priority 0; policy drop;
    ${rule} accept
  }
}
`;
  const session = sessionOf(
    smallWorld(
      {
        c: { links: { eth0: "10.0.0.2/24" } },
        s: {
          links: {
            br0: {
              addresses: "10.0.0.1/24",
              detail: BRIDGE,
            },
            eth0: { master: "br0" },
          },
          nft,
          listen: ["udp 53"],
        },
      },
      ["c:eth0 s:eth0"],
    ),
  );
  return outcome(session, "c", "udp 10.0.0.1:53").client.result;
}

// `nft_meta_bridge_get_eval`: what begins at the bridge came in by no port, whose bridge has an empty name; the rule goes on.
it.each([
  ['meta ibrname "br0"', "unreachable"],
  ['meta ibrname != "br0"', "answered"],
  ['meta obrname "br0"', "answered"],
  ['meta obrname != "br0"', "unreachable"],
])("%s: %s", (rule, result) => {
  expect(told(rule)).toBe(result);
});
