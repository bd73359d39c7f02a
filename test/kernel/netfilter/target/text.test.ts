import { describe, expect, it } from "vitest";
import { formatRuleArguments } from "../../../../src/kernel/netfilter/save/format.ts";
import { TARGETS } from "../../../../src/kernel/netfilter/target/registry.ts";
import { faultsOfRule, parsedRule } from "../parsed.ts";

/** What iptables-save 1.8.9 printed for rules given to it, by table; each line must come back as it is. */
const PRINTED: readonly (readonly [table: string, text: string])[] = [
  ["filter", "-j AUDIT --type reject"],
  ["mangle", "-j CHECKSUM --checksum-fill"],
  ["mangle", "-j CLASSIFY --set-class 0001:ffff"],
  ["mangle", "-j CONNMARK --set-xmark 0x5/0xff"],
  ["mangle", "-j CONNMARK --set-xmark 0x8/0x8 --left-shift-mark 3"],
  ["mangle", "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff"],
  ["mangle", "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff --right-shift-mark 3"],
  ["raw", "-j CT"],
  ["raw", "-j CT --notrack"],
  ["raw", "-j CT --helper ftp --timeout slow --ctevents new,destroy --expevents new --zone 3"],
  ["raw", "-j CT --zone-orig 5"],
  ["raw", "-j CT --zone-reply mark"],
  ["nat", "-j DNAT --to-destination 10.244.0.2"],
  ["nat", "-p tcp -j DNAT --to-destination 10.244.0.2:53"],
  ["nat", "-p udp -j DNAT --to-destination 10.0.0.1-10.0.0.9:1025-65535 --random --persistent"],
  ["nat", "-p tcp -j DNAT --to-destination :5-9/100"],
  ["mangle", "-j CONNSECMARK --save"],
  ["mangle", "-j DSCP --set-dscp 0x0a"],
  ["mangle", "-p tcp -j ECN --ecn-tcp-remove"],
  ["mangle", "-p tcp -j ECN --ecn-tcp-ece 1 --ecn-tcp-cwr 0"],
  ["mangle", "-j ECN --ecn-ip-ect 2"],
  [
    "mangle",
    "-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-sport-mask 0xffff --hmark-rnd 0xfeedcafe --hmark-mod 10 --hmark-offset 100",
  ],
  ["mangle", "-j HMARK --hmark-rnd 0xfeedcafe --hmark-mod 10 --hmark-tuple ct"],
  [
    "mangle",
    "-j HMARK --hmark-spi-mask 0x000000ff --hmark-spi 0x00000050 --hmark-rnd 0x00000001 --hmark-mod 7",
  ],
  ["mangle", "-j HMARK --hmark-src-prefix 24 --hmark-proto-mask 0x00 --hmark-rnd 0x00000001 --hmark-mod 7"],
  ["mangle", "-j IDLETIMER --timeout 5 --label foo"],
  ["mangle", "-j IDLETIMER --timeout 5 --label foo --alarm"],
  ["mangle", "-j RATEEST --rateest-name RE1 --rateest-interval 250.0ms --rateest-ewmalog 500.0ms"],
  ["mangle", "-j RATEEST --rateest-name c --rateest-interval 8.0s --rateest-ewmalog 64.0s"],
  ["mangle", "-j RATEEST --rateest-name b --rateest-interval 500.0ms --rateest-ewmalog 4.0s"],
  ["filter", "-p tcp -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460 --ecn"],
  ["filter", "-p tcp -j SYNPROXY"],
  ["mangle", "-p tcp -j TCPOPTSTRIP --strip-options 2,4,8"],
  ["mangle", "-p tcp -j TCPOPTSTRIP"],
  ["mangle", "-j TEE --gateway 10.0.0.1 --oif eth0"],
  ["filter", "-j LOG"],
  ["filter", '-j LOG --log-prefix "a\\\'b \\"c" --log-level 7 --log-macdecode'],
  ["filter", "-j LOG --log-prefix abc --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid"],
  ["filter", "-j MARK --set-xmark 0x4000/0x4000"],
  ["filter", "-j MARK --set-xmark 0x0/0xffffffff"],
  ["nat", "-j MASQUERADE"],
  ["nat", "-j MASQUERADE --random-fully"],
  ["nat", "-p tcp -j MASQUERADE --to-ports 1024-65535 --random"],
  ["nat", "-j NETMAP --to 10.1.0.0/16"],
  ["filter", "-j NFLOG"],
  ["filter", '-j NFLOG --nflog-prefix "x y" --nflog-group 3 --nflog-size 20 --nflog-threshold 9'],
  ["filter", "-j NFLOG --nflog-range 1"],
  ["filter", "-j NFQUEUE --queue-num 0"],
  ["filter", "-j NFQUEUE --queue-balance 0:6 --queue-bypass --queue-cpu-fanout"],
  ["raw", "-j NOTRACK"],
  ["nat", "-j REDIRECT"],
  ["nat", "-p tcp -j REDIRECT --to-ports 42-1234 --random"],
  ["filter", "-j REJECT --reject-with icmp-admin-prohibited"],
  ["filter", "-p tcp -j REJECT --reject-with tcp-reset"],
  ["filter", "-j SET --add-set foo src,dst --exist --timeout 5"],
  ["filter", "-j SET --del-set bar src"],
  ["mangle", "-j SET --map-set bar src --map-mark --map-prio --map-queue"],
  ["nat", "-j SNAT --to-source 1.1.1.1-1.1.1.10"],
  ["nat", "-p icmp -j SNAT --to-source 1.2.3.4:5 --random --random-fully --persistent"],
  ["nat", "-p tcp -j SNAT --to-source :5-9"],
  ["mangle", "-p tcp -j TCPMSS --clamp-mss-to-pmtu"],
  ["mangle", "-p tcp -j TCPMSS --set-mss 1400"],
  ["mangle", "-j TOS --set-tos 0x10/0x3f"],
  ["mangle", "-p tcp -j TPROXY --on-port 12345 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0"],
  ["mangle", "-p udp -j TPROXY --on-port 0 --on-ip 127.0.0.1 --tproxy-mark 0x23/0xff"],
  ["raw", "-j TRACE"],
  ["mangle", "-j TTL --ttl-inc 1"],
  ["security", "-j SECMARK --selctx system_u:object_r:http_packet_t:s0"],
  ["filter", "-j LED --led-trigger-id ssh --led-delay 1000 --led-always-blink"],
];

/** The same of ip6tables-save. */
const PRINTED_6: readonly (readonly [table: string, text: string])[] = [
  ["nat", "-j DNAT --to-destination fd00::1"],
  ["nat", "-p tcp -j DNAT --to-destination [fd00::1]:80"],
  ["nat", "-p tcp -j DNAT --to-destination [fd00::1-fd00::9]:80-90"],
  ["nat", "-j DNAT --to-destination fd00::1-fd00::9"],
  ["nat", "-p tcp -j DNAT --to-destination :80"],
  ["nat", "-p tcp -j DNAT --to-destination [fd00::1]:80-90/100"],
  ["nat", "-p icmp -j DNAT --to-destination [fd00::1]:80"],
  ["nat", "-j SNAT --to-source fd00::1-fd00::9 --random-fully"],
  ["nat", "-j MASQUERADE --random-fully"],
  ["nat", "-p tcp -j REDIRECT --to-ports 80"],
  ["nat", "-j NETMAP --to fd00:5::/64"],
  ["nat", "-j NETMAP --to fd00:5::7/128"],
  ["mangle", "-j SNPT --src-pfx fd00:1::/48 --dst-pfx 2001:db8:9::/60"],
  ["mangle", "-j DNPT --src-pfx fd00::/64 --dst-pfx fd01::/64"],
  ["mangle", "-j HL --hl-set 5"],
  ["mangle", "-j HL --hl-dec 1"],
  ["mangle", "-p tcp -j TPROXY --on-port 5 --on-ip :: --tproxy-mark 0x0/0x0"],
  ["mangle", "-p tcp -j TPROXY --on-port 5 --on-ip fd00::1 --tproxy-mark 0x1/0x1"],
  ["raw", "-j CT --notrack"],
  ["filter", "-j REJECT --reject-with icmp6-no-route"],
  ["filter", "-j REJECT --reject-with icmp6-adm-prohibited"],
  ["filter", "-j REJECT --reject-with icmp6-addr-unreachable"],
  ["filter", "-j REJECT --reject-with icmp6-port-unreachable"],
  ["filter", "-j REJECT --reject-with icmp6-policy-fail"],
  ["filter", "-j REJECT --reject-with icmp6-reject-route"],
  ["filter", "-p tcp -j REJECT --reject-with tcp-reset"],
];

describe("a target", () => {
  it.each(PRINTED_6)("of IPv6 in %s: %s", (table, text) => {
    const rule = parsedRule(text, { table, family: 6 });
    expect(rule.target?.kind).not.toBe("unknown");
    expect(formatRuleArguments(rule)).toBe(text);
  });

  it.each([
    ["filter", "-j REJECT", "-j REJECT --reject-with icmp6-port-unreachable"],
    ["filter", "-j REJECT --reject-with no-route", "-j REJECT --reject-with icmp6-no-route"],
    ["nat", "-p tcp -j DNAT --to-destination [fd00::1]", "-p tcp -j DNAT --to-destination fd00::1"],
    ["nat", "-j DNAT --to-destination fd00::1-fd00::1", "-j DNAT --to-destination fd00::1"],
    [
      "mangle",
      "-p tcp -j TPROXY --on-port 5",
      "-p tcp -j TPROXY --on-port 5 --on-ip :: --tproxy-mark 0x0/0x0",
    ],
  ])("of IPv6 in %s: %s is printed %s", (table, text, printed) => {
    expect(formatRuleArguments(parsedRule(text, { table, family: 6 }))).toBe(printed);
  });

  it.each([
    ["filter", "-j SNPT --src-pfx fd00::/64 --dst-pfx fd01::/64", /SNPT belongs in table mangle only/],
    ["mangle", "-j SNPT --src-pfx fd00::/65 --dst-pfx fd01::/64", /a prefix of up to 64 bits/],
    [
      "mangle",
      "-j DNPT --src-pfx fd00::1/64 --dst-pfx fd01::/64",
      /bits are set behind the prefix: write fd00::\/64/,
    ],
    ["mangle", "-j DNPT", /it needs --src-pfx and --dst-pfx/],
    ["mangle", "-j TTL --ttl-set 5", /target TTL is of IPv4 alone/],
    ["filter", "-j REJECT --reject-with icmp-port-unreachable", /none of icmp6-no-route/],
    ["nat", "-p ipv6-icmp -j DNAT --to-destination [fd00::1]:80", /DNAT with a port stands only with/],
    ["nat", "-p tcp -j DNAT --to-destination 10.0.0.1:80", /ip6tables takes IPv6/],
  ])("of IPv6 in %s: %s: %s", (table, text, message) => {
    expect(faultsOfRule(text, { table, family: 6 })).toEqual([expect.stringMatching(message)]);
  });

  it.each([
    ["-j SET --del-set foo src --exist", /--exist stands with --add-set alone/],
    ["-j SET --del-set foo src --timeout 5", /--timeout stands with --add-set alone/],
    ["-j SET --map-set bar src", /--map-set needs --map-mark/],
    ["-j SET --map-mark --add-set foo src", /stand with --map-set alone/],
    ["-j ECN --ecn-tcp-remove", /stands only with -p tcp/],
    ["-j TCPOPTSTRIP --strip-options mss", /stands only with -p tcp/],
    ["-p tcp -j TCPOPTSTRIP --strip-options 1", /1 is not from 2 to 255/],
    ["-p tcp -j TCPOPTSTRIP --strip-options mss,2", /2 is given twice/],
    ["-j HMARK --hmark-mod 7 --hmark-rnd 1", /it needs --hmark-tuple/],
    ["-j HMARK --hmark-tuple src --hmark-mod 10", /it needs --hmark-mod and --hmark-rnd/],
    ["-j HMARK --hmark-tuple sport,spi --hmark-mod 7 --hmark-rnd 0", /one place/],
    ["-j IDLETIMER --timeout 5", /it needs --timeout and --label/],
    ["-j TEE", /--gateway is missing/],
    ["-j CONNSECMARK", /it needs --save or --restore/],
  ])("as iptables refuses it: %s: %s", (text, message) => {
    expect(faultsOfRule(text, { table: "mangle" })).toEqual([expect.stringMatching(message)]);
  });

  it.each(PRINTED)("in %s: %s", (table, text) => {
    const rule = parsedRule(text, { table });
    expect(rule.target?.kind).not.toBe("unknown");
    expect(formatRuleArguments(rule)).toBe(text);
  });

  it.each([...TARGETS.keys()])("%s is in the table above", (kind) => {
    expect([...PRINTED, ...PRINTED_6].some(([, text]) => ` ${text} `.includes(` -j ${kind} `))).toBe(true);
  });

  it.each([
    ["filter", "-j MARK --set-mark 5", "-j MARK --set-xmark 0x5/0xffffffff"],
    ["filter", "-j MARK --set-mark 5/0xf0", "-j MARK --set-xmark 0x5/0xf5"],
    ["filter", "-j MARK --and-mark 0xff", "-j MARK --set-xmark 0x0/0xffffff00"],
    ["filter", "-j MARK --or-mark 0xff", "-j MARK --set-xmark 0xff/0xff"],
    ["filter", "-j MARK --xor-mark 0xff", "-j MARK --set-xmark 0xff/0x0"],
    ["mangle", "-j CONNMARK --set-mark 5/0xff", "-j CONNMARK --set-xmark 0x5/0xff"],
    ["mangle", "-j CONNMARK --and-mark 8", "-j CONNMARK --set-xmark 0x0/0xfffffff7"],
    ["mangle", "-j CONNMARK --save-mark --mask 0xff", "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff"],
    ["mangle", "-j TOS --set-tos 16", "-j TOS --set-tos 0x10/0xff"],
    ["mangle", "-j TOS --and-tos 0x12", "-j TOS --set-tos 0x00/0xed"],
    ["mangle", "-j TOS --xor-tos 0x12", "-j TOS --set-tos 0x12/0x00"],
    ["nat", "-j NETMAP --to 10.1.2.3/16", "-j NETMAP --to 10.1.0.0/16"],
    ["nat", "-p tcp -j REDIRECT --to-ports 512-512", "-p tcp -j REDIRECT --to-ports 512"],
    ["nat", "-j DNAT --to-destination 1.1.1.1-1.1.1.1", "-j DNAT --to-destination 1.1.1.1"],
    // A whole name of the rule's own before the beginning of one of the match's (getopt_long).
    [
      "filter",
      "-p tcp -m multiport --destination-ports 80 ! --destination 10.1.0.0/16 -j DROP",
      "! -d 10.1.0.0/16 -p tcp -m multiport --dports 80 -j DROP",
    ],
    ["filter", "-j NFQUEUE", "-j NFQUEUE --queue-num 0"],
    ["raw", "-j CT --ctevents destroy,new", "-j CT --ctevents new,destroy"],
    ["raw", "-j CT --zone 0", "-j CT"],
  ])("in %s: %s is printed %s", (table, text, printed) => {
    expect(formatRuleArguments(parsedRule(text, { table }))).toBe(printed);
  });

  it.each([
    ["filter", "-j AUDIT --type wrong", /none of accept, drop, reject/],
    ["mangle", "-j CHECKSUM", /--checksum-fill is missing/],
    ["mangle", "-j CLASSIFY --set-class 1", /no class/],
    ["mangle", "-j CONNMARK", /it needs --set-xmark/],
    ["mangle", "-j CONNMARK --save-mark --restore-mark", /only one of setting/],
    ["mangle", "-j RATEEST --rateest-name a --rateest-interval 8.1s --rateest-ewmalog 64s", /longer than 8s/],
    ["mangle", "-j RATEEST --rateest-name a --rateest-interval 2s --rateest-ewmalog 1s", /too near/],
    ["mangle", "-j RATEEST --rateest-name a --rateest-interval 250 --rateest-ewmalog 4", /too near/],
    ["raw", "-j CT --zone 65536", /not from 0 to 65535/],
    ["raw", "-j CT --zone 1 --zone-orig 2", /only one of --zone/],
    ["raw", "-j CT --ctevents wrong", /"wrong" is no event/],
    ["nat", "-j DNAT", /--to-destination is missing/],
    ["nat", "-j DNAT --to-destination 1.1.1.1:80", /DNAT with a port stands only with -p icmp or -p tcp/],
    ["nat", "-p tcp -j DNAT --to-destination 1.1.1.1:1025-65536", /"65536" is not a port/],
    ["nat", "-p tcp -j DNAT --to-destination 1.1.1.1:9-5", /write 5-9/],
    ["nat", "-p tcp -j DNAT --to-destination 1.1.1.1:1-2-3", /not a port, a range/],
    ["nat", "-p tcp -j DNAT --to-destination 1.1.1.1:1000-2000/0", /shifted from port 0/],
    ["nat", "-p tcp -j DNAT --to-destination 1.1.1.1 --to-destination 2.2.2.2", /given twice/],
    [
      "nat",
      "-p tcp -j DNAT --to-destination [fd00::1]:80",
      /"fd00::1" is an IPv6 address: iptables takes IPv4/,
    ],
    ["mangle", "-j HL --hl-set 1", /target HL is of IPv6 alone/],
    ["nat", "-p tcp -j REDIRECT --to-ports 42-1234/567", /shifted range belongs to DNAT/],
    ["nat", "-j MASQUERADE --persistent", /unknown option "--persistent"; it takes --to-ports/],
    ["nat", "-j NETMAP --to 10.0.0.0/255.0.255.0", /mask with holes/],
    ["mangle", "-j DSCP --set-dscp 64", /not from 0 to 63/],
    ["filter", "-j LOG --log-level warning", /"warning" is not a number/],
    ["filter", "-j MARK", /--set-xmark is missing/],
    ["filter", "-j MARK --set-xmark 1 --or-mark 2", /only one way/],
    ["filter", "-j NFLOG --nflog-size 1 --nflog-range 2", /exclude each other/],
    ["filter", "-j NFQUEUE --queue-cpu-fanout", /needs --queue-balance/],
    ["filter", "-j REJECT --reject-with nothing", /"nothing" is none of icmp-net-unreachable/],
    ["filter", "-j SET", /it needs --add-set/],
    ["mangle", "-p tcp -j TCPMSS", /it needs --set-mss/],
    ["mangle", "-j TPROXY --on-port 5", /TPROXY stands only with -p tcp or -p udp/],
    ["mangle", "-p tcp -j TPROXY --on-ip 1.1.1.1", /--on-port is missing/],
    ["mangle", "-j TTL --ttl-dec 0", /not from 1 to 255/],
    ["mangle", "-j TTL --ttl-set 1 --ttl-inc 1", /only one of/],
    ["filter", "-j TTL --ttl-set 1", /belongs in table mangle only/],
    ["filter", "-j NOTRACK", /belongs in table raw only/],
  ])("in %s: %s: %s", (table, text, message) => {
    expect(faultsOfRule(text, { table })).toEqual([expect.stringMatching(message)]);
  });
});
