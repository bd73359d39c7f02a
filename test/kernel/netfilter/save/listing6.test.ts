import { describe, expect, it } from "vitest";
import { formatIptablesSave } from "../../../../src/kernel/netfilter/save/format.ts";
import { tableOfListing } from "../../../../src/kernel/netfilter/save/listing.ts";
import { linesOf } from "../../../../src/kernel/tool-text.ts";
import { BUILT_IN_CHAINS } from "../built-in-chains.ts";
import { parsed } from "../parsed.ts";

/** What ip6tables 1.8.9 itself printed of its rules: `-nvL`, `-L`, and `-S`. */

const FILTER = `Chain INPUT (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination
    0     0 ACCEPT     6    --  *      *       fd00::1              ::/0                 tcp dpt:80
    0     0 REJECT     58   --  e0     *      !fd00::/64            ::/0                 ipv6-icmptype 128 HL match HL < 60 reject-with icmp6-adm-prohibited
    0     0 DROP       58   --  *      *       ::/0                 ::/0                 ipv6-icmptype 1 code 4
    0     0            58   --  *      *       ::/0                 ::/0                 ipv6-icmptype 135
    0     0 LOG        0    --  *      *       ::/0                 ::/0                 frag  more LOG flags 0 level 4 prefix "frag "
    0     0            0    --  *      *       ::/0                 ::/0                 frag ids:3:9 first last
    0     0 DROP       0    --  *      *       ::/0                 ::/0                 ipv6header flags:0x10 soft
    0     0 DROP       0    --  *      *       ::/0                 ::/0                eui64
    0     0            0    --  *      *       ::/0                 ::/0                 source IP range fd00::1-fd00::9
    0     0            0    --  *      *       ::/0                 ::/0                 recent: SET name: x side: source mask: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
    0     0 REJECT     6    --  *      *       ::/0                 ::/0                 reject-with tcp-reset
    0     0            0    --  *      *       fd00::1/ffff::ffff   ::/0
`;

const SAVED = `-A INPUT -s fd00::1/128 -p tcp -m tcp --dport 80 -j ACCEPT
-A INPUT ! -s fd00::/64 -i e0 -p ipv6-icmp -m icmp6 --icmpv6-type 128 -m hl --hl-lt 60 -j REJECT --reject-with icmp6-adm-prohibited
-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 1/4 -j DROP
-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135
-A INPUT -m frag --fragmore -j LOG --log-prefix "frag "
-A INPUT -m frag --fragid 3:9 --fragfirst --fraglast
-A INPUT -m ipv6header --header ipv6-frag --soft -j DROP
-A INPUT -m eui64 -j DROP
-A INPUT -m iprange --src-range fd00::1-fd00::9
-A INPUT -m recent --set --name x --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -s fd00::1/ffff::ffff
`;

const NAT = `Chain PREROUTING (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination
    0     0 DNAT       6    --  *      *       ::/0                 ::/0                 tcp dpt:81 to:[fd00::1]:80
    0     0 DNAT       0    --  *      *       ::/0                 ::/0                 to:fd00::1-fd00::9 random
    0     0 REDIRECT   6    --  *      *       ::/0                 ::/0                 redir ports 80
`;

const NAT_SAVED = `-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination [fd00::1]:80
-A PREROUTING -j DNAT --to-destination fd00::1-fd00::9 --random
-A PREROUTING -p tcp -j REDIRECT --to-ports 80
`;

const MANGLE = `Chain PREROUTING (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination
    0     0 HL         0    --  *      *       ::/0                 ::/0                 HL set to 5
    0     0 TPROXY     6    --  *      *       ::/0                 ::/0                 TPROXY redirect fd00::1:5 mark 0x1/0x1
`;

const MANGLE_SAVED = `-A PREROUTING -j HL --hl-set 5
-A PREROUTING -p tcp -j TPROXY --on-port 5 --on-ip fd00::1 --tproxy-mark 0x1/0x1
`;

const NAMES = `Chain INPUT (policy ACCEPT)
target     prot opt source               destination
ACCEPT     tcp  --  fd00::1              anywhere             tcp dpt:http
REJECT     ipv6-icmp -- !fd00::/64            anywhere             ipv6-icmp echo-request HL match HL < 60 reject-with icmp6-adm-prohibited
DROP       ipv6-icmp --  anywhere             anywhere             ipv6-icmp port-unreachable
           ipv6-icmp --  anywhere             anywhere             ipv6-icmp neighbour-solicitation
ACCEPT     all  --  localhost            anywhere
`;

const NAMES_SAVED = `-A INPUT -s fd00::1/128 -p tcp -m tcp --dport 80 -j ACCEPT
-A INPUT ! -s fd00::/64 -p ipv6-icmp -m icmp6 --icmpv6-type 128 -m hl --hl-lt 60 -j REJECT --reject-with icmp6-adm-prohibited
-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 1/4 -j DROP
-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135
-A INPUT -s ::1/128 -j ACCEPT
`;

/** As versions before 1.8.9 print it: nothing stands in the column of options. */
const withoutOptions = (text: string) => text.replaceAll(" -- ", "    ");

function rulesOf(table: string, text: string): string {
  const { chains, faults, odd } = tableOfListing(linesOf(text), 6);
  expect([faults, odd]).toEqual([[], []]);
  const dump = [
    `*${table}`,
    ...(BUILT_IN_CHAINS[table] ?? []).map((name) => `:${name} ACCEPT`),
    ...chains.flatMap(({ rules }) => rules.map((rule) => rule.text)),
    "COMMIT",
    "",
  ].join("\n");
  const lines = formatIptablesSave(parsed(dump, 6)).split("\n");
  return lines.flatMap((line) => (line.startsWith("-A") ? [`${line}\n`] : [])).join("");
}

describe("ip6tables -L", () => {
  it.each([
    ["filter", FILTER, SAVED],
    ["nat", NAT, NAT_SAVED],
    ["mangle", MANGLE, MANGLE_SAVED],
    ["filter", NAMES, NAMES_SAVED],
  ])("is the rules of ip6tables -S again: %s", (table, listing, saved) => {
    expect(rulesOf(table, listing)).toBe(saved);
    expect(rulesOf(table, withoutOptions(listing))).toBe(saved);
  });
});
