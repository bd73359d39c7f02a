import { describe, expect, it } from "vitest";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { BRIDGE, smallWorld } from "../../walk/small-world.ts";

/**
 * Policy rules, every selector and action. a is behind r, which has b1 and b2 behind two cards; both have 10.9.0.1, which
 * table main gives to b1. The expectations are the kernel's (Linux 6.18): each world was built in namespaces by the lab, and
 * every frame of these exchanges compared.
 */

const LISTEN = ["tcp 80", "udp 53", "udp 54"];

function world(rule: string) {
  const end = (gateway: string, own: string, addresses: string) => ({
    links: { eth0: own, br9: { addresses, detail: BRIDGE } },
    routes: [`default via ${gateway}`],
    listen: LISTEN,
  });
  return smallWorld(
    {
      a: { links: { eth0: "10.1.0.2/24" }, routes: ["default via 10.1.0.1"], listen: LISTEN },
      r: {
        links: { e0: "10.1.0.1/24", e1: "10.2.0.1/24", e2: "10.3.0.1/24" },
        forward: true,
        listen: LISTEN,
        routes: [
          "10.9.0.1 via 10.2.0.2",
          "10.9.0.1 via 10.3.0.2 table 100",
          "10.9.0.2 via 10.3.0.2 table 100",
          "blackhole 10.9.0.3 table 100",
          "throw 10.9.0.1 table 101",
          "default via 10.3.0.2 table 102",
        ],
        rules: [rule],
      },
      b1: end("10.2.0.1", "10.2.0.2/24", "10.9.0.1/32"),
      b2: end("10.3.0.1", "10.3.0.2/24", "10.9.0.1/32 10.9.0.2/32 10.9.0.3/32"),
    },
    ["a:eth0 r:e0", "r:e1 b1:eth0", "r:e2 b2:eth0"],
  );
}

const ASKED = [
  ["a", "udp 10.9.0.1:53"],
  ["a", "tcp 10.9.0.1:80"],
  ["a", "udp 10.9.0.1:54 sport=5000"],
  ["a", "udp 10.9.0.2:53"],
  ["a", "udp 10.9.0.3:53"],
  ["r", "udp 10.9.0.1:53"],
  ["r", "udp 10.9.0.1:53 mark=7"],
  ["r", "udp 10.9.0.1:53 uid=1000"],
  ["r", "udp 10.9.0.3:53"],
  ["r", "udp 10.9.0.1:53 src=10.1.0.1"],
] as const;

describe("who answers, or what the sender is told, under the rule", () => {
  it.each([
    ["from 10.1.0.0/24 priority 50 lookup 100", "b2 b2 b2 b2 timeout b1 b1 b1 ENETUNREACH b2"],
    ["to 10.9.0.1 priority 50 lookup 100", "b2 b2 b2 ENETUNREACH ENETUNREACH b2 b2 b2 ENETUNREACH b2"],
    ["iif e0 priority 50 lookup 100", "b2 b2 b2 b2 timeout b1 b1 b1 ENETUNREACH b1"],
    ["iif lo priority 50 lookup 100", "b1 b1 b1 ENETUNREACH ENETUNREACH b2 b2 b2 EINVAL b2"],
    ["oif e2 priority 50 lookup 100", "b1 b1 b1 ENETUNREACH ENETUNREACH b1 b1 b1 ENETUNREACH b1"],
    ["fwmark 0x7 priority 50 lookup 100", "b1 b1 b1 ENETUNREACH ENETUNREACH b1 b2 b1 ENETUNREACH b1"],
    ["ipproto udp priority 50 lookup 100", "b2 b1 b2 b2 timeout b2 b2 b2 EINVAL b2"],
    [
      "ipproto tcp dport 80 priority 50 lookup 100",
      "b1 b2 b1 ENETUNREACH ENETUNREACH b1 b1 b1 ENETUNREACH b1",
    ],
    ["dport 54-60 priority 50 lookup 100", "b1 b1 b2 ENETUNREACH ENETUNREACH b1 b1 b1 ENETUNREACH b1"],
    ["sport 5000 priority 50 lookup 100", "b1 b1 b2 ENETUNREACH ENETUNREACH b1 b1 b1 ENETUNREACH b1"],
    ["uidrange 1000-1001 priority 50 lookup 100", "b1 b1 b1 ENETUNREACH ENETUNREACH b1 b1 b2 ENETUNREACH b1"],
    ["not from 10.1.0.0/24 priority 50 lookup 100", "b1 b1 b1 ENETUNREACH ENETUNREACH b2 b2 b2 EINVAL b1"],
    ["from all priority 50 lookup 101", "b1 b1 b1 ENETUNREACH ENETUNREACH b1 b1 b1 ENETUNREACH b1"],
    [
      "from all priority 50 blackhole",
      "timeout timeout timeout timeout timeout EINVAL EINVAL EINVAL EINVAL EINVAL",
    ],
    [
      "from all priority 50 unreachable",
      "timeout timeout timeout timeout timeout ENETUNREACH ENETUNREACH ENETUNREACH ENETUNREACH ENETUNREACH",
    ],
    [
      "from all priority 50 prohibit",
      "timeout timeout timeout timeout timeout EACCES EACCES EACCES EACCES EACCES",
    ],
    [
      "from all priority 50 goto 32767",
      "timeout timeout timeout timeout timeout ENETUNREACH ENETUNREACH ENETUNREACH ENETUNREACH ENETUNREACH",
    ],
    [
      "from all priority 50 lookup 102 suppress_prefixlength 0",
      "b1 b1 b1 ENETUNREACH ENETUNREACH b1 b1 b1 ENETUNREACH b1",
    ],
  ])("%s", (rule, expected) => {
    const answers = ASKED.map(([host, asked]) => {
      const { client } = outcome(sessionOf(world(rule)), host, asked);
      return client.answeredBy ?? client.errno ?? client.result;
    });
    expect(answers.join(" ")).toBe(expected);
  });
});
