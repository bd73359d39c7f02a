import { describe, expect, it } from "vitest";
import type { Extension } from "../../../src/packet/extension.ts";
import { ASK_DEFAULTS, ask } from "../../../src/walk/ask.ts";
import { query, sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

/**
 * What rules read of IPv6's headers before what a packet carries. Rules of these words were counted so by Linux 6.18, of packets with
 * the same headers.
 */

const HOP: Extension = { protocol: 0, bytes: Buffer.from("2b00010400000000", "hex") };
const WAY: Extension = {
  protocol: 43,
  bytes: Buffer.from("3c02000000000000fd990000000000000000000000000007", "hex"),
};
const END: Extension = { protocol: 60, bytes: Buffer.from("1100010400000000", "hex") };

/** Those of some rules that a packet met on its way in. */
function met(rules: readonly string[], extensions: readonly Extension[], asked: string): string[] {
  const nft = `table inet t { chain c { type filter hook input priority 0; policy accept;
icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
${rules.map((rule) => `${rule} counter`).join("\n")}
} }`;
  const world = smallWorld(
    {
      a: { links: { eth0: "fd00::1/64" } },
      b: { links: { eth0: "fd00::2/64" }, nft, listen: ["udp 7777", "tcp 7777"] },
    },
    ["a:eth0 b:eth0"],
  );
  const content = asked.startsWith("ip ") ? { content: Buffer.from("3b00050000001234", "hex") } : {};
  const made = { ...query("a", `${asked} src=fd00::1 raw`), extensions, ...content };
  const [only] = ask(sessionOf(world), made, ASK_DEFAULTS).outcomes;
  const hit =
    only?.rules.filter(({ host, hook, packet }) => host === "b" && hook === "INPUT" && packet === 1) ?? [];
  return rules.filter((_, i) => hit.some(({ index }) => index === i + 2));
}

describe("nftables", () => {
  const udp = "udp [fd00::2]:7777 sport=5 size=16";

  it("takes an authentication header for what is carried (IP6_FH_F_AUTH)", () => {
    const bytes = Buffer.from("110400000000000100000002".padEnd(48, "0"), "hex");
    const rules = ["meta l4proto ah", "meta l4proto udp", "ah spi 1", "udp dport 7777"];
    expect(met(rules, [{ protocol: 51, bytes }], udp)).toEqual(["meta l4proto ah", "ah spi 1"]);
    expect(met(rules, [], udp)).toEqual(["meta l4proto udp", "udp dport 7777"]);
  });

  it("reads each of a packet's headers, and none that it does not have", () => {
    const read = [
      ...[
        "exthdr hbh exists",
        "exthdr rt exists",
        "exthdr dst exists",
        "exthdr frag missing",
        "exthdr mh missing",
      ],
      ...[
        "hbh nexthdr 43",
        "hbh hdrlength 0",
        "rt nexthdr 60",
        "rt hdrlength 2",
        "rt type 0",
        "rt seg-left 0",
      ],
      ...["rt0 addr[1] fd99::7", "dst nexthdr udp", "ip6 nexthdr 0", "@nh,48,8 0", "meta l4proto udp"],
      // Where the header ends nobody asks.
      ...["udp dport 7777", "ip6 length 64", "rt0 addr[2] != fd99::8"],
    ];
    const others = [
      ...[
        "exthdr hbh missing",
        "hbh nexthdr != 43",
        "hbh hdrlength 1",
        "rt type != 0",
        "rt0 addr[1] fd99::8",
      ],
      ...["frag more-fragments 0", "mh type != binding-update", "ip6 nexthdr udp"],
    ];
    expect(met([...read, ...others], [HOP, WAY, END], udp)).toEqual(read);
  });

  it("reads a mobility header, which is what a packet carries", () => {
    const read = [
      "exthdr mh exists",
      "mh type binding-update",
      "mh nexthdr 59",
      "mh hdrlength 0",
      "mh checksum 0",
    ];
    const others = ["mh type home-test", "exthdr dst exists", "mh reserved 1"];
    expect(met([...read, ...others], [], "ip fd00::2 protocol=135")).toEqual(read);
  });

  it("knows where TCP's header ends behind them", () => {
    const read = ["tcp doff 5", "tcp option maxseg missing"];
    expect(met([...read, "tcp doff > 5"], [HOP, END], "tcp [fd00::2]:7777 sport=5 flags=FA")).toEqual(read);
  });
});

it("an echo's answer has none of its headers", () => {
  const world = smallWorld({ a: { links: { eth0: "fd00::1/64" } }, b: { links: { eth0: "fd00::2/64" } } }, [
    "a:eth0 b:eth0",
  ]);
  const asked = query("a", "icmp fd00::2 sport=5 size=16 src=fd00::1 raw");
  const [only] = ask(sessionOf(world), { ...asked, extensions: [HOP, END] }, ASK_DEFAULTS).outcomes;
  const lengths = only?.frames
    .filter(({ host }) => host === "a")
    .map(({ direction, ip }) => [direction, ip.len]);
  expect(lengths).toEqual([
    ["out", 80],
    ["in", 64],
  ]);
});
