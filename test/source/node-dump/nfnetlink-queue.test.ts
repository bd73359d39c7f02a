import { describe, expect, it } from "vitest";
import { readNodeDump } from "../../../src/source/node-dump/node-dump.ts";
import { takeApart } from "../../../src/source/node-dump/take-apart.ts";
import { outcome, sessionOf } from "../../walk/asking.ts";

/** A node's folder as `collect` gathers it: whether NFQUEUE's queue is heard is in a file of its own, empty where none is. */

const RULES = `$ iptables-save
*filter
:INPUT ACCEPT [0:0]
-A INPUT -p udp -m udp --dport 53 -j NFQUEUE --queue-num 3
COMMIT
`;
const ADDRESSES = `$ ip addr
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
`;
const SOCKETS = "$ ss -Htuln\nudp UNCONN 0 0 0.0.0.0:53 0.0.0.0:*\n";
const COMMAND = "$ cat /proc/net/netfilter/nfnetlink_queue\n";

function ended(queues: string | null): string[] {
  const files = {
    "iptables-save.txt": RULES,
    "ip-addr.txt": ADDRESSES,
    "ss.txt": SOCKETS,
    ...(queues === null ? {} : { "nfnetlink-queue.txt": COMMAND + queues }),
  };
  const { world, errors } = readNodeDump(
    Object.entries(files).map(([name, text]) => ({ name, folder: "n", taken: takeApart(text) })),
  );
  expect(errors).toEqual([]);
  const { verdict } = outcome(sessionOf(world), "n", "udp 127.0.0.1:53");
  return [verdict.reason, verdict.certainty];
}

describe("who listens on the queues of a real node", () => {
  it.each([
    ["nobody", "", ["no-queue-listener", "assumed"]],
    [
      "another queue's program",
      "    4   4120     0 2 65531     0     0        0  1\n",
      ["no-queue-listener", "assumed"],
    ],
    [
      "its program, whose answer nobody knows",
      "    3   4120     0 2 65531     0     0        0  1\n",
      ["answered", "unknown-match"],
    ],
    ["no file says", null, ["answered", "unknown-match"]],
  ])("%s", (_, queues, end) => {
    expect(ended(queues)).toEqual(end);
  });
});
