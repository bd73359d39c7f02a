import { describe, expect, it } from "vitest";
import { MATCHES } from "../../../../src/kernel/netfilter/match/registry.ts";
import { formatRuleArguments } from "../../../../src/kernel/netfilter/save/format.ts";
import { parseIptablesSave } from "../../../../src/kernel/netfilter/save/parse.ts";
import { dumpWithRule, faultsOfRule, parsedRule } from "../parsed.ts";

/** What iptables-save 1.8.9 printed for rules given to it; each line must come back as it is. */
const PRINTED = `
-m u32 --u32 "0x6&0xff=0x6"
-m u32 ! --u32 "0x0>>0x16&0x3c@0xc>>0x1a&0x3c@0x0=0x52,0x3:0x5&&0x4=0x7"
-m string --string "GET /" --algo bm
-m string --hex-string "|deadbeef78|" --algo kmp --from 40 --to 60
-m string ! --string "a b\\"c" --algo bm --to 10 --icase
-m string --string "a b" --algo bm
-m string --string "foo" --algo bm
-m connbytes --connbytes 10:20 --connbytes-mode packets --connbytes-dir both
-m connbytes ! --connbytes 100 --connbytes-mode bytes --connbytes-dir original
-m connbytes --connbytes 5 --connbytes-mode avgpkt --connbytes-dir reply
-m connlabel --label "5"
-m connlabel ! --label "127" --set
-m helper --helper ftp
-m helper ! --helper ftp-21
-m helper --helper any
-m policy --dir in --pol none
-m policy --dir in --pol ipsec --strict --reqid 1 --proto esp --mode tunnel --tunnel-dst 5.6.7.0/24 --tunnel-src 1.2.3.4 --next ! --reqid 2 --spi 0x10
-m policy --dir in --pol ipsec --proto esp
-m policy --dir in --pol ipsec
-m ecn --ecn-ip-ect 2
-m ecn ! --ecn-ip-ect 3
-p tcp -m ecn --ecn-tcp-cwr
-p tcp -m ecn ! --ecn-tcp-ece --ecn-ip-ect 1
-p ah -m ah --ahspi 500
-p ah -m ah ! --ahspi 500:600
-p ah -m ah
-p esp -m esp --espspi 16:32
-p esp -m esp ! --espspi 5
-p esp -m esp
-p esp -m esp --espspi 5
-m devgroup --src-group 0x5
-m devgroup ! --src-group 0x5/0xf
-m realm --realm 0x5
-m realm ! --realm 0x10/0xff
-m realm --realm cosmos
-m time --timestart 08:00:00 --timestop 17:30:00 --datestop 2038-01-19T03:14:07
-m time --timestart 08:00:00 --timestop 17:30:00 --weekdays Mon,Tue,Wed --datestop 2038-01-19T03:14:07
-m time --weekdays Mon,Tue,Wed,Thu,Fri --datestop 2038-01-19T03:14:07 --kerneltz
-m time --monthdays 1,5,31 --datestop 2038-01-19T03:14:07
-m time --monthdays 2,3,4,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30 --datestart 2024-01-02T03:04:05 --datestop 2030-01-01T00:00:00
-m time --datestart 2024-01-02T00:00:00 --datestop 2038-01-19T03:14:07
-m time --timestart 23:00:00 --timestop 01:00:00 --datestop 2038-01-19T03:14:07 --contiguous
-m time --datestop 2038-01-19T03:14:07
-m cluster --cluster-local-nodemask 0x00000001 --cluster-total-nodes 2 --cluster-hash-seed 0xdeadbeef
-m cluster --cluster-local-nodemask 0x00000003 --cluster-total-nodes 4 --cluster-hash-seed 0x00000007
-m cluster ! --cluster-local-nodemask 0x00000002 --cluster-total-nodes 4 --cluster-hash-seed 0x00000007
-m cpu --cpu 0
-m cpu ! --cpu 1
-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"
-m string --hex-string "|000102|" --algo bm
-m string --hex-string "|c3a9|" --algo kmp
-m string --string "a|b" --algo bm
-m string --string "a'b\\\\c" --algo kmp
-m policy --dir in --pol ipsec --strict --mode tunnel --tunnel-src 1.2.3.4/24
-m helper --helper ""
-m devgroup --src-group default
-p tcp -m ecn --ecn-tcp-ece --ecn-tcp-cwr
-m time --datestop 1990-01-01T00:00:00
-m connbytes --connbytes 0:20 --connbytes-mode bytes --connbytes-dir reply
-m addrtype --src-type UNICAST,LOCAL ! --dst-type MULTICAST,BLACKHOLE
-m addrtype --dst-type LOCAL --limit-iface-in
-m addrtype ! --src-type UNSPEC --limit-iface-out
-m comment --comment foo
-m comment --comment ""
-m comment --comment "name: \\"cbr0\\" id: \\"77\\""
-m comment --comment "it\\'s \\\\ back"
-m comment --comment --x
-m connlimit --connlimit-upto 0 --connlimit-mask 32 --connlimit-saddr
-m connlimit --connlimit-above 10 --connlimit-mask 24 --connlimit-daddr
-m connmark --mark 0x2
-m connmark ! --mark 0x0/0xff0
-m conntrack --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT
-m conntrack ! --ctstate RELATED,ESTABLISHED --ctdir REPLY
-m conntrack --ctorigsrc 1.2.3.4/24 ! --ctorigdstport 80:90
-m conntrack --ctreplsrc 1.2.3.4/255.0.255.0 --ctrepldst 1.2.3.4/0
-m conntrack --ctorigsrcport 80 --ctreplsrcport 1:65535 --ctrepldstport 0:5
-m conntrack ! --ctproto 17 --ctstatus ASSURED --ctexpire 5:10
-m conntrack --ctstatus NONE
-m conntrack ! --ctstatus EXPECTED,SEEN_REPLY,ASSURED,CONFIRMED --ctdir ORIGINAL
-m dscp ! --dscp 0x2e
-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name smtp
-m hashlimit --hashlimit-above 1/sec --hashlimit-burst 5 --hashlimit-mode srcip,dstport --hashlimit-name x1 --hashlimit-htable-expire 60000 --hashlimit-srcmask 24
-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-mode dstip --hashlimit-name m --hashlimit-htable-max 2000 --hashlimit-htable-gcinterval 60000 --hashlimit-htable-expire 2000
-m hashlimit --hashlimit-upto 4kb/s --hashlimit-burst 400kb --hashlimit-name m5
-m hashlimit --hashlimit-upto 10mb/s --hashlimit-name m6
-m hashlimit --hashlimit-upto 40/sec --hashlimit-burst 20 --hashlimit-mode srcip --hashlimit-name r3 --hashlimit-rate-match --hashlimit-rate-interval 10
-p icmp -m icmp --icmp-type 8
-p icmp -m icmp ! --icmp-type 3/3
-p icmp -m icmp --icmp-type any
-m iprange --src-range 10.0.0.1-10.0.0.9 ! --dst-range 1.1.1.1-1.1.1.1
-m ipvs ! --ipvs
-m ipvs ! --vproto 6 --vaddr 1.2.3.4/16 --vport 22 --vdir ORIGINAL ! --vmethod GATE --vportctl 21
-m length --length 44
-m length ! --length 0:65535
-m rateest --rateest a --rateest-gt --rateest-bps 1000Kbit
-m rateest --rateest a ! --rateest-eq --rateest-pps 10
-m rateest --rateest a --rateest-gt --rateest-bps 0bit
-m rateest --rateest a --rateest-gt --rateest-bps 1000bit --rateest-gt --rateest-pps 5
-m rateest --rateest-delta --rateest a --rateest-bps1 2000Kbit --rateest-gt --rateest-bps2 1000Kbit
-m rateest --rateest-delta --rateest1 a --rateest-bps1 2000Kbit --rateest-gt --rateest-bps2 1000Kbit --rateest2 b
-m rateest --rateest-delta --rateest1 a --rateest-bps1 2000Kbit --rateest-gt --rateest-bps2 1000Kbit --rateest-pps1 5 --rateest-gt --rateest-pps2 7 --rateest2 b
-m rateest --rateest1 a ! --rateest-lt --rateest-pps --rateest2 b
-m rateest --rateest1 a --rateest-gt --rateest-bps --rateest-gt --rateest-pps --rateest2 b
-m limit --limit 1/sec
-m limit --limit 7/min --limit-burst 1
-m mac ! --mac-source 02:f3:0d:fd:d0:0a
-m mark --mark 0x12
-m mark ! --mark 0x4000/0x4000
-m mark --mark 0xffffffff/0x0
-p tcp -m multiport --dports 53,1024:65535
-p udp -m multiport ! --ports 53,514
-p sctp -m multiport --sports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
-m owner ! --socket-exists --uid-owner 0-10 ! --gid-owner 1337 --suppl-groups
-m physdev ! --physdev-is-in --physdev-in veth+ --physdev-is-out ! --physdev-out eth0 --physdev-is-bridged
-m pkttype ! --pkt-type multicast
-m quota --quota 18446744073709551615
-m quota ! --quota 0
-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource
-m recent ! --rcheck --seconds 10800 --reap --name KUBE-SEP-HQ4W5IZYM2CT73II --mask 255.255.255.255 --rsource
-m recent --update --seconds 60 --hitcount 4 --rttl --name bad --mask 255.255.0.0 --rdest
-m recent --remove --name a.b --mask 255.255.255.255 --rsource
-m rpfilter
-m rpfilter --loose --validmark --accept-local --invert
-p sctp -m sctp ! --sport 1:65535 --dport 80
-p sctp -m sctp ! --chunk-types only DATA:bE,INIT,ABORT:T
-p sctp -m sctp --chunk-types all ALL
-m set ! --match-set KUBE-LOOP-BACK dst,dst,src
-m set --match-set foo src --return-nomatch ! --update-counters ! --update-subcounters --packets-gt 5 ! --bytes-eq 7
-m socket --transparent --nowildcard --restore-skmark
-m state ! --state INVALID,NEW
-m statistic --mode random --probability 0.33333333349
-m statistic --mode random ! --probability 0.00000000000
-m statistic --mode nth ! --every 5 --packet 2
-p tcp -m tcp
-p tcp -m tcp --sport 1:1023 ! --dport 80 --tcp-option 5 ! --tcp-flags FIN,SYN,RST,ACK SYN
-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE
-p tcp -m tcpmss ! --mss 42:12345
-m tos ! --tos 0x0f/0xff
-m ttl --ttl-eq 64
-m ttl ! --ttl-eq 0
-m ttl --ttl-lt 5
-p udp -m udp ! --sport 53 --dport 3000:3010
-m cgroup --cgroup 1
-m cgroup ! --cgroup 1048577
-m cgroup --path "/"
-p tcp -m osf --genre Linux
-p tcp -m osf ! --genre Linux --ttl 2 --log 1
-p dccp -m dccp
-p dccp -m dccp --sport 1:5 ! --dport 80:65535 --dccp-types REQUEST,RESPONSE
-p dccp -m dccp ! --dccp-types DATA,ACK,DATAACK,CLOSEREQ,CLOSE,RESET,SYNC,SYNCACK,INVALID
-p dccp -m dccp ! --dccp-option 5
-p ipcomp -m ipcomp --ipcompspi 3
-p ipcomp -m ipcomp ! --ipcompspi 3:9
-p ipcomp -m ipcomp --ipcompspi 16 --compres
-p ipcomp -m ipcomp --ipcompspi 0
-m nfacct --nfacct-name http
`
  .trim()
  .split("\n");

/** The same of ip6tables-save. */
const PRINTED_6 = `
-s fd00::1/128 -d 2001:db8::/32
-s fd00::1/ffff:ffff::ffff
-s ::1.2.3.4/128
-s ::ffff:1.2.3.4/128
! -d ::/0
-p icmp
-p ipv6-icmp -m icmp6 --icmpv6-type 128
-p ipv6-icmp -m icmp6 ! --icmpv6-type 1/4
-m addrtype --dst-type LOCAL
-m connlimit --connlimit-above 3 --connlimit-mask 128 --connlimit-saddr
-m connlimit --connlimit-upto 3 --connlimit-mask 64 --connlimit-daddr
-m conntrack --ctorigsrc fd00::/64 --ctorigdst ::/0 ! --ctrepldst fd00::1
-m eui64
-m frag
-m frag --fraglast
-m frag --fragid 3:9 ! --fraglen 20 --fragres --fragfirst --fragmore
-m hashlimit --hashlimit-upto 5/min --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name a --hashlimit-srcmask 64
-m hashlimit --hashlimit-upto 5/min --hashlimit-burst 5 --hashlimit-mode srcip,dstip --hashlimit-name b --hashlimit-dstmask 32
-m hl ! --hl-eq 64
-m iprange --src-range fd00::1-fd00::9 ! --dst-range fd00::5-fd00::5
-m ipv6header --header hop-by-hop,ipv6-frag --soft
-m ipv6header ! --header ipv6-frag,esp --soft
-m length --length 0:100
-m recent --set --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource
-m recent --rcheck --name z --mask ffff:ffff:: --rdest
-m rpfilter --loose --validmark --invert
-m socket
-m dst
-m dst ! --dst-len 8 --dst-opts 1:2,3
-m hbh --hbh-len 3
-m hbh ! --hbh-len 8 --hbh-opts 5:2,3,16:4
-p mobility-header -m mh
-p mobility-header -m mh --mh-type 4
-p mobility-header -m mh ! --mh-type 5:6
-m rt
-m rt ! --rt-type 2 --rt-segsleft 1:3 ! --rt-len 24
-m rt --rt-type 0 --rt-len 0 --rt-0-res
-m rt --rt-type 0 --rt-0-addrs fd00::1,fd00::2 --rt-0-not-strict
-m srh
-m srh --srh-next-hdr 6 --srh-hdr-len-eq 1 --srh-segs-left-eq 2 --srh-last-entry-gt 4 --srh-tag 7 --srh-lsid c::/64
-m srh --srh-psid a::/64 --srh-nsid b::/128 ! --srh-lsid c::1/128
`
  .trim()
  .split("\n");

describe("a match", () => {
  it.each(PRINTED_6)("in IPv6: %s", (text) => {
    const rule = parsedRule(text, { family: 6 });
    expect(rule.matches.map(({ kind }) => kind)).not.toContain("unknown");
    expect(formatRuleArguments(rule)).toBe(text);
  });

  it.each([
    "-p ah -m ah --ahspi 3",
    "-m ah --ahspi 5:6 --ahlen 3 --ahres",
    "-m ah ! --ahspi 5 ! --ahlen 5",
    "-p esp -m esp --espspi 3:5",
    "-m policy --dir in --pol ipsec --mode tunnel --tunnel-dst fd00::1 --tunnel-src fd00::/64",
  ])("in IPv6, %s", (text) => {
    const rule = parsedRule(text, { family: 6 });
    expect(rule.matches.map(({ kind }) => kind)).not.toContain("unknown");
    expect(formatRuleArguments(rule)).toBe(text);
  });

  it.each([
    ["-p mh --mh-type binding-update:ba", "-p mobility-header -m mh --mh-type 5:6"],
    ["-p mh -m mh ! --mh-type 0:255", "-p mobility-header -m mh"],
    ["-m rt ! --rt-segsleft 0:4294967295", "-m rt"],
    ["-m rt --rt-segsleft :5", "-m rt --rt-segsleft 0:5"],
    ["-m hbh --hbh-opts 0x10:4", "-m hbh --hbh-opts 16:4"],
    [
      "-m srh ! --srh-segs-left-lt 3 ! --srh-segs-left-eq 4",
      "-m srh ! --srh-segs-left-eq 4 ! --srh-segs-left-lt 4",
    ],
    ["-p icmpv6 --icmpv6-type echo-request", "-p ipv6-icmp -m icmp6 --icmpv6-type 128"],
    ["-p ipv6-icmp -m icmp6 --icmpv6-type neighbour-solicitation", "-p ipv6-icmp -m icmp6 --icmpv6-type 135"],
    ["-p 58 -m icmp6 --icmpv6-type port-unreachable", "-p ipv6-icmp -m icmp6 --icmpv6-type 1/4"],
    ["-d ::/0", ""],
    ["-s 2001:DB8:0::1/64", "-s 2001:db8::/64"],
    ["-m recent --set --name x --mask ffff::", "-m recent --set --name x --mask ffff:: --rsource"],
  ])("in IPv6, %s is printed %s", (text, printed) => {
    expect(formatRuleArguments(parsedRule(text, { family: 6 }))).toBe(printed);
  });

  it.each([
    ["-f", /unknown option "-f"/],
    ["-p tcp -m osf --genre Linux", /match osf is of IPv4 alone/],
    ["-m mh --mh-type 1", /match mh stands only with -p mobility-header/],
    ["-p mh -m mh --mh-type 9:2", /ends before it begins/],
    ["-m rt --rt-0-res", /--rt-0-res needs --rt-type 0 before it/],
    ["-m rt ! --rt-type 0 --rt-0-addrs fd00::1", /--rt-0-addrs needs --rt-type 0/],
    ["-m rt --rt-type 0 --rt-0-not-strict", /needs --rt-0-addrs before it/],
    ["-m hbh ! --hbh-opts 3", /--hbh-opts cannot be negated/],
    ["-m srh --srh-next-hdr tcp", /"tcp" is not a number/],
    ["-s 10.0.0.1", /"10.0.0.1" is an IPv4 address: ip6tables takes IPv6/],
    ["-s fd00::/129", /needs a length from 0 to 128/],
    ["-p icmp -m icmp --icmp-type 8", /match icmp is of IPv4 alone/],
    ["-m ttl --ttl-eq 64", /match ttl is of IPv4 alone/],
    ["-p icmpv6 --icmpv6-type any", /"any" is not a number/],
    ["-m iprange --src-range fd00::1-10.0.0.1", /ip6tables takes IPv6/],
  ])("in IPv6, %s: %s", (text, message) => {
    expect(faultsOfRule(text, { family: 6 })).toEqual([expect.stringMatching(message)]);
  });

  it.each([
    ["1/day --limit-burst 1", true],
    ["1/day --limit-burst 2", false],
    ["1/day", false],
    ["1/hour --limit-burst 37", true],
    ["1/hour --limit-burst 38", false],
    ["1/min --limit-burst 10000", true],
    ["10000/sec --limit-burst 10000", true],
  ])("a limit of %s fits into xt_limit's 32 bits: %s", (limit, fits) => {
    const rule = dumpWithRule(`-m limit --limit ${limit}`);
    const kindOf = (dump: string) => parseIptablesSave(dump).kind;
    expect(kindOf(`# Generated by iptables-save v1.8.9 on Sat Nov 21\n${rule}`)).toBe(
      fits ? "ok" : "invalid",
    );
    // nftables counts otherwise, and of a dump without its head nobody knows whose it is.
    expect(kindOf(`# Generated by iptables-nft-save v1.8.9 (nf_tables) on Sat\n${rule}`)).toBe("ok");
    expect(kindOf(rule)).toBe("ok");
  });

  it.each([
    ["-m cgroup", /it needs --path or --cgroup/],
    ["-m cgroup --cgroup 1 --path /x", /it needs --path or --cgroup/],
    ["-m osf --genre Linux", /match osf stands only with -p tcp/],
    ["-p tcp -m osf --genre Linux --ttl 3", /3 is not from 0 to 2/],
    ["-m dccp", /match dccp stands only with -p dccp/],
    ["-p dccp -m dccp --dccp-option 256", /256 is not from 1 to 255/],
    ["-m nfacct", /--nfacct-name is missing/],
    ["-m hbh", /match hbh is of IPv6 alone/],
    ["-m ecn --ecn-tcp-cwr", /stands only with -p tcp/],
    ["-m connlabel --label 128", /128 is not from 0 to 127/],
    ["-m connbytes --connbytes 20:10 --connbytes-dir reply --connbytes-mode bytes", /ends before it begins/],
    [
      "-m cluster --cluster-total-nodes 4 --cluster-local-node 5 --cluster-hash-seed 7",
      /there are only 4 nodes/,
    ],
    ["-m policy --dir in --pol none --strict", /--pol none has no --strict/],
    ["-m policy --dir in --pol ipsec --reqid 1 --next --reqid 2", /--next needs --strict/],
    ["-m time --contiguous", /--contiguous is for a --timestart behind the --timestop/],
    ["-m time --weekdays tuesday", /is no day/],
    ['-m string --string "" --algo bm', /a text of no length/],
    ['-m string --string "x"', /it needs --algo/],
    ['-m string --hex-string "|0|" --algo bm', /two hexadecimal digits/],
    ["-m string --string foo --algo bm --from 10 --to 5", /--from 10 is behind --to 5/],
    ['-m u32 --u32 "1<<33=2"', /shifted by less than 32 bits/],
    ['-m u32 --u32 "4="', /is no number of 32 bits/],
    ['-m bpf --bytecode "2,6 0 0 1"', /2 instructions are announced and 1 are there/],
    ['-m bpf --bytecode "1,99 0 0 1"', /there is no instruction 99/],
    ['-m bpf --bytecode "1,48 0 0 9"', /the last instruction must be a return/],
  ])("as iptables refuses it: %s: %s", (text, message) => {
    expect(faultsOfRule(text)).toEqual([expect.stringMatching(message)]);
  });

  it.each(PRINTED)("%s", (text) => {
    const rule = parsedRule(text);
    expect(rule.matches.map(({ kind }) => kind)).not.toContain("unknown");
    expect(formatRuleArguments(rule)).toBe(text);
  });

  it.each([...MATCHES.keys()])("%s is in the table above", (kind) => {
    expect([...PRINTED, ...PRINTED_6].some((text) => ` ${text} `.includes(` -m ${kind} `))).toBe(true);
  });

  it.each([
    ["-p tcp -m tcp --sport 1024: --dport :80", "-p tcp -m tcp --sport 1024:65535 --dport 0:80"],
    ["-p tcp -m tcp --sport 0:65535", "-p tcp -m tcp"],
    ["-p tcp -m tcp --source-port 1 --destination-port 2", "-p tcp -m tcp --sport 1 --dport 2"],
    ["-p tcp -m tcp ! --syn", "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN"],
    ["-p tcp -m tcp --tcp-flags ALL SYN,ACK", "-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG SYN,ACK"],
    ["-m mark --mark 18/0xffffffff", "-m mark --mark 0x12"],
    ["-m conntrack --ctstate DNAT,ESTABLISHED,NEW", "-m conntrack --ctstate NEW,ESTABLISHED,DNAT"],
    ["-m conntrack --ctproto tcp", "-m conntrack --ctproto 6"],
    ["-m limit --limit 3/minute --limit-burst 5", "-m limit --limit 3/min"],
    ["-m limit --limit 3", "-m limit --limit 3/sec"],
    ["-m limit", "-m limit --limit 3/hour"],
    [
      "-m hashlimit ! --hashlimit-above 7/m --hashlimit-name x",
      "-m hashlimit --hashlimit-upto 7/min --hashlimit-burst 5 --hashlimit-name x",
    ],
    ["-m recent --set", "-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource"],
    [
      "-m connlimit ! --connlimit-upto 3",
      "-m connlimit --connlimit-above 3 --connlimit-mask 32 --connlimit-saddr",
    ],
    ["-m tos --tos 16", "-m tos --tos 0x10/0xff"],
    ["-m mac --mac-source AA:BB:CC:DD:EE:FF", "-m mac --mac-source aa:bb:cc:dd:ee:ff"],
    ["-m iprange --src-range 10.0.0.1", "-m iprange --src-range 10.0.0.1-10.0.0.1"],
    ["-m length --length :2", "-m length --length 0:2"],
    ["-m ipvs --ipvs --vport 80", "-m ipvs --vport 80"],
    ["-p icmp --icmp-type ping", "-p icmp -m icmp --icmp-type 8"],
    ["-p icmp --icmp-type host-unreachable", "-p icmp -m icmp --icmp-type 3/1"],
  ])("%s is printed %s", (text, printed) => {
    expect(formatRuleArguments(parsedRule(text))).toBe(printed);
  });
});

describe("a match that is wrong", () => {
  it.each([
    ["-m addrtype", /it needs --src-type or --dst-type/],
    ["-m addrtype --src-type local", /"local" is no address type: write UNSPEC, UNICAST/],
    ["-m addrtype --src-type LOCAL --limit-iface-in --limit-iface-out", /exclude each other/],
    ["-m comment", /--comment is missing/],
    [`-m comment --comment ${"x".repeat(256)}`, /at most 255 bytes/],
    [`-m comment --comment ${"é".repeat(128)}`, /at most 255 bytes/],
    ["-m connlimit --connlimit-above 1 --connlimit-saddr --connlimit-daddr", /exclude each other/],
    ["-m connlimit --connlimit-above 1 --connlimit-upto 1", /exclude each other/],
    ["-m conntrack", /at least one option/],
    ["-m conntrack --ctstate new", /"new" is no state: write INVALID, NEW/],
    ["-m conntrack --ctstatus WRONG", /"WRONG" is no status/],
    ["-m conntrack --ctexpire 42949672956", /not from 0 to 4294967295/],
    ["-m conntrack --ctdir reply", /"reply" is none of ORIGINAL, REPLY/],
    ["-m conntrack ! --ctdir REPLY", /cannot be negated/],
    ["-m conntrack --ctorigsrc 1.2.3.4.5", /has 5 parts/],
    ["-m dscp --dscp 0x40", /not from 0 to 63/],
    ["-m rateest --rateest a --rateest-bps 1000", /it needs --rateest NAME, a comparison/],
    ["-m rateest --rateest a --rateest-gt", /and --rateest-bps or --rateest-pps/],
    ["-m rateest ! --rateest a --rateest-gt --rateest-pps 1", /--rateest cannot be negated/],
    ["-m rateest --rateest1 a --rateest1 a --rateest2 b --rateest-eq --rateest-pps", /given twice/],
    ["-m rateest --rateest a --rateest-gt --rateest-bps 12x", /"12x" is no rate/],
    ["-m rateest --rateest a --rateest-gt --rateest-pps 1k", /"1k" is not a number/],
    ["-m hashlimit --hashlimit-upto 1/sec", /--hashlimit-name is missing/],
    ["-m hashlimit --hashlimit-name x", /it needs --hashlimit-upto/],
    ["-m hashlimit --hashlimit-upto 1/fortnight --hashlimit-name x", /no rate/],
    ["-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 5kb --hashlimit-name x", /both be in packets/],
    ["-m hashlimit --hashlimit-upto 1/sec --hashlimit-mode srcmac --hashlimit-name x", /"srcmac" is no key/],
    ["-m hashlimit --hashlimit-upto 1/sec --hashlimit-name a/b", /no file name/],
    ["-p icmp -m icmp", /--icmp-type is missing/],
    ["-p icmp -m icmp --icmp-type 256", /not from 0 to 255/],
    ["-p icmp -m icmp --icmp-type pinging", /"pinging" is not a number/],
    ["-m hl --hl-eq 64", /match hl is of IPv6 alone/],
    ["-p icmp -m icmp --icmp-type 3/300", /300 is not from/],
    ["-m iprange --src-range 1.1.1.1-2.2.2.2-3.3.3.3", /not a range of addresses/],
    ["-m iprange --src-range 1.1.1.1-2.2.2", /has 3 parts/],
    ["-m ipvs", /at least one option/],
    ["-m ipvs ! --ipvs --vport 80", /stands alone/],
    ["-m length --length 9:1", /ends before it begins: write 1:9/],
    ["-m length --length 65536", /not from 0 to 65535/],
    ["-m limit --limit 0/sec", /not from 1/],
    ["-m limit --limit 20000/sec", /cannot be counted/],
    ["-m limit ! --limit 1/sec", /cannot be negated/],
    ["-m mac --mac-source 42:01:02:03:04", /no MAC address/],
    ["-m mark --mark 0x100000000", /not from 0 to 4294967295/],
    ["-m mark --mark -1", /"-1" is not a number/],
    ["-m mark --mark 010", /"010" is not a number/],
    ["-m mark --mark 1/2/3", /"2\/3" is not a number/],
    ["-p tcp -m multiport --dports 80 --sports 1", /only one of --sports/],
    ["-p tcp -m multiport", /it needs --sports/],
    ["-p tcp -m multiport --dports 9:9", /must rise/],
    ["-p tcp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16", /16 ports, a range counting two/],
    ["-p tcp -m multiport --dports 80,,81", /"" is not a port/],
    ["-m owner", /it needs --uid-owner/],
    ["-m owner --uid-owner root", /"root" is not a number/],
    ["-m owner --uid-owner 9-1", /ends before it begins: write 1-9/],
    ["-m owner --suppl-groups --uid-owner 1", /needs --gid-owner/],
    ["-m physdev", /at least one option/],
    ["-m pkttype --pkt-type host", /none of unicast, broadcast/],
    ["-m quota --quota 18446744073709551616", /not a number of bytes/],
    ["-m quota --quota -1", /not a number of bytes/],
    ["-m recent", /it needs --set/],
    ["-m recent --set --update", /only one of --set/],
    ["-m recent --set --seconds 5", /--set takes no --seconds/],
    ["-m recent --rcheck --reap", /--reap needs --seconds/],
    ["-m recent --set --name a/b", /no file name/],
    ["-m recent --rcheck --seconds 0", /not from 1/],
    ["-p sctp -m sctp --chunk-types some DATA", /none of any, all, only/],
    ["-p sctp -m sctp --chunk-types all DATA:x", /no chunk type/],
    ["-p sctp -m sctp --chunk-types all ALL,DATA", /no chunk type/],
    ["-m set --match-set foo", /src or dst for each dimension/],
    ["-m set --match-set foo both", /"both" is neither src nor dst/],
    ["-m set", /--match-set is missing/],
    ["-m state --state SNAT", /"SNAT" is no state: write INVALID, NEW, RELATED, ESTABLISHED, UNTRACKED/],
    ["-m statistic --mode random", /needs --probability/],
    ["-m statistic --mode random --probability 1.1", /not a number from 0 to 1/],
    ["-m statistic --mode random --probability 1e-3", /not a number from 0 to 1/],
    ["-m statistic --mode nth --every 5", /needs --every and --packet/],
    ["-m statistic --mode nth --every 5 --packet 5", /0 to 4/],
    ["-m statistic --probability 0.5", /--mode is missing/],
    ["-p tcp -m tcp --dport 65536", /"65536" is not a port/],
    ["-p tcp -m tcp --dport http", /"http" is not a port/],
    ["-p tcp -m tcp --dport 9:1", /write 1:9/],
    ["-p tcp -m tcp --dport 1:2:3", /"2:3" is not a port/],
    ["-p tcp -m tcp --tcp-flags SYN", /--tcp-flags needs the flags to be set/],
    ["-p tcp -m tcp --tcp-flags SYN,ECE SYN", /"ECE" is no TCP flag/],
    ["-p tcp -m tcp --tcp-option 0", /not from 1 to 255/],
    ["-p tcp -m tcp --dports 80", /unknown option "--dports"; it takes --sport/],
    ["-m ttl", /it needs --ttl-eq/],
    ["-m ttl --ttl-eq 256", /not from 0 to 255/],
    ["-m ttl --ttl-eq 1 --ttl-gt 1", /only one of/],
    ["-m ttl ! --ttl-gt 1", /cannot be negated/],
  ])("%s: %s", (text, message) => {
    expect(faultsOfRule(text)).toEqual([expect.stringMatching(message)]);
  });
});
