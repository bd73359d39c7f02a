import { describe, expect, it } from "vitest";
import { formatConntrackList } from "../../../src/kernel/conntrack/conntrack-list.ts";
import { entriesOf } from "../../../src/kernel/conntrack/entry.ts";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

const FILTER =
  "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -i e0 -j ACCEPT\nCOMMIT\n";
const TRANSLATING = "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n";

/**
 * A router that forwards what is ESTABLISHED, and what comes from the client's side. What the client is told, and the router's
 * list, are those of real namespaces (Linux 6.18) with the same rules.
 */
function asked(
  rules: readonly string[],
  nft?: string,
  port = 53,
  others = FILTER,
): { result: string; list: string[] } {
  const raw = rules.map((rule) => `-A PREROUTING ${rule}\n`).join("");
  const world = smallWorld(
    {
      a: { links: { e0: "10.0.1.2/24" }, routes: ["default via 10.0.1.1"], listen: [] },
      r: {
        links: { e0: "10.0.1.1/24", e1: "10.0.2.1/24" },
        forward: true,
        listen: [],
        iptables: `*raw\n:PREROUTING ACCEPT [0:0]\n${raw}COMMIT\n${others}`,
        ...(nft === undefined ? {} : { nft }),
      },
      b: { links: { e0: "10.0.2.2/24" }, routes: ["default via 10.0.2.1"], listen: ["udp 53"] },
    },
    ["a:e0 r:e0", "r:e1 b:e0"],
  );
  const session = sessionOf(world);
  const { client } = outcome(session, "a", `udp 10.0.2.2:${port} sport=40000`);
  const router = [...session.touched()].find(({ net }) => net.name === "r");
  const list =
    router === undefined ? [] : formatConntrackList(entriesOf(router.conntrack)).trim().split("\n");
  return { result: client.result, list: list.map((line) => line.replace(/^udp +17 \d+ /, "")) };
}

const ORIG = "src=10.0.1.2 dst=10.0.2.2 sport=40000 dport=53";
const REPLY = "src=10.0.2.2 dst=10.0.1.2 sport=53 dport=40000";

describe("zones of connection tracking", () => {
  it.each([
    [
      "an answer in another zone is of no connection",
      ["-i e0 -j CT --zone 3"],
      "timeout",
      `${ORIG} [UNREPLIED] ${REPLY} mark=0 zone=3 use=1`,
    ],
    [
      "a zone of the mark that the packet has when conntrack looks, set behind the rule (`nf_ct_zone_tmpl`)",
      ["-i e0 -j CT --zone mark", "-i e0 -j MARK --set-xmark 0x5/0xffffffff"],
      "timeout",
      `${ORIG} [UNREPLIED] ${REPLY} mark=0 zone=5 use=1`,
    ],
    [
      "both ways in one zone",
      ["-i e0 -j CT --zone 3", "-i e1 -j CT --zone 3"],
      "answered",
      `${ORIG} ${REPLY} mark=0 zone=3 use=1`,
    ],
    [
      "a zone of the original direction alone",
      ["-i e0 -j CT --zone-orig 5"],
      "answered",
      `${ORIG} zone-orig=5 ${REPLY} mark=0 use=1`,
    ],
    [
      "one of the answers' alone keeps them apart",
      ["-i e0 -j CT --zone-orig 5", "-i e1 -j CT --zone-reply 6"],
      "timeout",
      `${ORIG} zone-orig=5 [UNREPLIED] ${REPLY} mark=0 use=1`,
    ],
    [
      "the first that says so",
      ["-j CT --zone 9", "-j CT --zone 10"],
      "answered",
      `${ORIG} ${REPLY} mark=0 zone=9 use=1`,
    ],
    [
      "who is to be tracked in a zone is new already, and tracked whatever follows",
      [
        "-i e0 -m state --state NEW -j DROP",
        "-i e0 -j CT --zone 3",
        "-i e0 -m state --state INVALID -j DROP",
        "-j NOTRACK",
      ],
      "timeout",
      `${ORIG} [UNREPLIED] ${REPLY} mark=0 zone=3 use=1`,
    ],
    ["what is not tracked stays so", ["-i e0 -j CT --notrack", "-j CT --zone 9"], "timeout", ""],
  ])("%s", (_, rules, result, line) => {
    expect(asked(rules)).toEqual({ result, list: [line] });
  });

  it("where nothing is translated, a zone of the answers keeps their port though the request's tuple is the same", () => {
    expect(asked(["-i e1 -j CT --zone-reply 6"], undefined, 53, TRANSLATING)).toEqual({
      result: "answered",
      list: [
        `${ORIG} [UNREPLIED] ${REPLY} mark=0 use=1`,
        `${REPLY} [UNREPLIED] ${ORIG} zone-reply=6 mark=0 use=1`,
      ],
    });
  });

  it("set by nft", () => {
    const nft = (rule: string) =>
      `table ip z {\n chain p {\n  type filter hook prerouting priority raw;\n  ${rule}\n }\n}\n`;
    expect(asked([], nft("ct zone set 7"))).toEqual({
      result: "answered",
      list: [`${ORIG} ${REPLY} mark=0 zone=7 use=1`],
    });
    expect(asked([], nft('iifname "e0" ct original zone set 7'))).toEqual({
      result: "answered",
      list: [`${ORIG} zone-orig=7 ${REPLY} mark=0 use=1`],
    });
  });
});
