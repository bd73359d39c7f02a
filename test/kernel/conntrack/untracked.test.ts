import { describe, expect, it } from "vitest";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

/**
 * What a host says about a packet it does not track has no connection, and is looked at as any other packet: INVALID, whatever
 * NOTRACK says (`nf_conntrack_attach`; Linux 6.18, namespaces v6filter-a and -b).
 */

const STATES = ["NEW", "RELATED", "ESTABLISHED", "INVALID", "UNTRACKED"];

const RULES = [
  "*raw",
  ":PREROUTING ACCEPT",
  ":OUTPUT ACCEPT",
  "-A PREROUTING -p udp --dport 9 -j CT --notrack",
  "-A PREROUTING -p tcp --dport 9 -j CT --notrack",
  "-A OUTPUT -j CT --notrack",
  "COMMIT",
  "*filter",
  ":INPUT ACCEPT",
  ":OUTPUT ACCEPT",
  "-A INPUT -p udp --dport 9 -j REJECT",
  "-A INPUT -p tcp --dport 9 -j REJECT --reject-with tcp-reset",
  ...STATES.map((state) => `-A OUTPUT -m conntrack --ctstate ${state} -j ACCEPT`),
  "COMMIT",
  "",
].join("\n");

const WORLD = smallWorld(
  {
    a: { links: { eth0: "10.0.0.1/24 fd00::1/64" } },
    b: { links: { eth0: "10.0.0.2/24 fd00::2/64" }, iptables: RULES, ip6tables: RULES, listen: [] },
  },
  ["a:eth0 b:eth0"],
);

describe("an error about an untracked packet is INVALID", () => {
  it.each(["udp 10.0.0.2:9", "tcp 10.0.0.2:9", "udp [fd00::2]:9", "tcp [fd00::2]:9"])("%s", (text) => {
    const { hooks } = outcome(sessionOf(WORLD), "a", text);
    const states = hooks.flatMap(({ host, hook, before, steps }) => {
      const isAnswer = before.icmp?.orig !== undefined || before.tcp?.flags.includes("R") === true;
      if (host !== "b" || hook !== "OUTPUT" || !isAnswer) return [];
      return steps.flatMap(({ table, kind, index }) =>
        table === "filter" && kind === "rule" ? [STATES[index - 1]] : [],
      );
    });
    expect(new Set(states)).toEqual(new Set(["INVALID"]));
  });
});
