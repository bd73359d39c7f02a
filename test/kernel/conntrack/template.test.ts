import { expect, it } from "vitest";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

/** Rules that ask of a packet with a template, each with what a real kernel (6.18) counted of one datagram: met or not. */
const ASKED: readonly (readonly [rule: string, met: boolean])[] = [
  ["-m connmark --mark 0x0", true],
  ["-m connmark ! --mark 0x0", false],
  ["-m conntrack --ctdir ORIGINAL", true],
  ["-m conntrack --ctdir REPLY", false],
  ["-m conntrack --ctstatus CONFIRMED", true],
  ["-m conntrack --ctstatus ASSURED", false],
  ["-m conntrack ! --ctproto 17", true],
  ["-m conntrack --ctproto 17", false],
  ["-m conntrack ! --ctorigsrc 127.0.0.1", true],
  ["-m conntrack --ctorigsrc 127.0.0.1", false],
  ["-m conntrack --ctexpire 0", true],
  ["-m conntrack --ctexpire 1:100", false],
  ["-j CONNMARK --restore-mark --nfmask 0x3 --ctmask 0x3", true],
  ["-m mark --mark 0x4", true],
];

it("a template is a connection to who asks before conntrack has looked", () => {
  const rules = ["-j MARK --set-xmark 0x7/0xffffffff", "-j CT --zone 1", ...ASKED.map(([rule]) => rule)];
  const iptables = `*raw\n:OUTPUT ACCEPT [0:0]\n${rules.map((rule) => `-A OUTPUT ${rule}\n`).join("")}COMMIT\n`;
  const world = smallWorld({ a: { links: { eth0: "10.0.0.1/24" }, iptables, listen: ["udp 53"] } }, []);
  const hits = outcome(sessionOf(world), "a", "udp 10.0.0.1:53").rules.filter(({ packet }) => packet === 1);
  const met = new Set(hits.map(({ index }) => index));
  expect(ASKED.map(([rule], i) => [rule, met.has(i + 3)])).toEqual(ASKED);
});
