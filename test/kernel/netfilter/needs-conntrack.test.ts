import { expect, it } from "vitest";
import { needsConntrack } from "../../../src/kernel/netfilter/needs-conntrack.ts";
import { dumpWithRule, parsed } from "./parsed.ts";

/** Each row was tried on Linux 6.18: after a ping in a namespace with this rule alone, had conntrack an entry? */
it.each([
  ["nat", "-j RETURN", false],
  ["nat", "-p tcp -j DNAT --to-destination 1.1.1.1", true],
  ["nat", "-j MASQUERADE", true],
  ["raw", "-j CT --notrack", false],
  ["raw", "-j NOTRACK", false],
  ["raw", "-s 9.9.9.9/32 -j CT --zone 3", true],
  ["filter", "-m connmark --mark 0x1", true],
  ["filter", "-m conntrack --ctstate NEW", true],
  ["filter", "-m state --state NEW", true],
  ["mangle", "-j CONNMARK --save-mark", true],
  ["filter", "-m connlimit --connlimit-above 3", true],
  [
    "filter",
    "-m cluster --cluster-local-nodemask 0x00000001 --cluster-total-nodes 2 --cluster-hash-seed 0x00000001",
    true,
  ],
  ["mangle", "-p tcp -j TPROXY --on-port 12345", false],
  ["mangle", "-m socket", false],
  ["filter", "-m rpfilter", false],
  ["mangle", "-m mark --mark 0x1 -j ACCEPT", false],
  ["filter", "-j TEE --gateway 10.0.0.1", false],
])("in %s, %s needs it: %s", (table, text, needed) => {
  expect(needsConntrack(parsed(dumpWithRule(text, { table })))).toBe(needed);
});

it("tables without rules need none", () => {
  expect(needsConntrack(parsed("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"))).toBe(false);
});
