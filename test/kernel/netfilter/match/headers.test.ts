import { describe, expect, it } from "vitest";
import { internIpv6 } from "../../../../src/address/ip6-handle.ts";
import { type Ipv6Words, parseIpv6 } from "../../../../src/address/ipv6.ts";
import { internMac } from "../../../../src/address/mac.ts";
import { compileMatch } from "../../../../src/kernel/netfilter/match/registry.ts";
import type { Packet } from "../../../../src/packet/packet.ts";
import { parsedRule } from "../parsed.ts";
import { compiled, FakeContext, ip, packet } from "./rule-context.ts";

/** Matches that look at the packet alone: text, packet, does it match? */
type Row = readonly [text: string, packet: Partial<Packet>, hit: boolean];

const laterFragment = { fragOffset: 1480 };
const firstFragment = { mf: true };

const PORTS: readonly Row[] = [
  ["-p tcp -m tcp", {}, true],
  ["-p tcp -m tcp", laterFragment, false],
  ["-p tcp -m tcp --dport 80", { dport: 80 }, true],
  ["-p tcp -m tcp --dport 80", { dport: 81 }, false],
  ["-p tcp -m tcp --dport 80", { dport: 80, ...firstFragment }, true],
  ["-p tcp -m tcp --dport 80", { dport: 80, ...laterFragment }, false],
  ["-p tcp -m tcp ! --dport 80", { dport: 80 }, false],
  ["-p tcp -m tcp ! --dport 80", { dport: 81 }, true],
  ["-p tcp -m tcp ! --dport 80", { dport: 81, ...laterFragment }, false],
  ["-p tcp -m tcp --dport 80:90", { dport: 79 }, false],
  ["-p tcp -m tcp --dport 80:90", { dport: 80 }, true],
  ["-p tcp -m tcp --dport 80:90", { dport: 90 }, true],
  ["-p tcp -m tcp --dport 80:90", { dport: 91 }, false],
  ["-p tcp -m tcp ! --dport 0:65535", { dport: 1 }, false],
  ["-p tcp -m tcp --sport 5 --dport 6", { sport: 5, dport: 6 }, true],
  ["-p tcp -m tcp --sport 5 --dport 6", { sport: 6, dport: 5 }, false],
  ["-p udp -m udp --sport 53", { sport: 53 }, true],
  ["-p udp -m udp ! --sport 53", { sport: 53 }, false],
  ["-p udp -m udp", laterFragment, false],
  ["-p sctp -m sctp --dport 7", { dport: 7 }, true],
  ["-p sctp -m sctp --dport 7", { dport: 8 }, false],
  ["-p sctp -m sctp --chunk-types any INIT,DATA", { chunk: 1 }, true],
  ["-p sctp -m sctp --chunk-types any INIT,DATA", { chunk: 2 }, false],
  ["-p sctp -m sctp ! --chunk-types any INIT", { chunk: 1 }, false],
  ["-p sctp -m sctp --dport 7 ! --chunk-types any INIT", { dport: 7, chunk: 10 }, true],
  ["-p sctp -m sctp --dport 7 ! --chunk-types any INIT", { dport: 8, chunk: 10 }, false],
  ["-p sctp -m sctp --chunk-types all INIT", { chunk: 1 }, true],
  ["-p sctp -m sctp --chunk-types only INIT", { chunk: 1 }, true],
  ["-p sctp -m sctp --chunk-types only INIT", { chunk: 6 }, false],
  ["-p sctp -m sctp --chunk-types all INIT,DATA", { chunk: 1 }, false],
  ["-p sctp -m sctp --chunk-types any DATA:BE", { chunk: 0 }, true],
  ["-p sctp -m sctp --chunk-types any DATA:be", { chunk: 0 }, false],
  ["-p sctp -m sctp --chunk-types any DATA:Bu", { chunk: 0 }, true],
  ["-p sctp -m sctp --chunk-types any ABORT:T", { chunk: 6 }, false],
  ["-p sctp -m sctp --chunk-types any ALL", { chunk: 77 }, true],
  ["-p sctp -m sctp --chunk-types all ALL", { chunk: 1 }, false],
  ["-p sctp -m sctp --chunk-types any NONE", { chunk: 1 }, false],
  ["-p sctp -m sctp --chunk-types all NONE", { chunk: 1 }, true],
  ["-p tcp -m multiport --dports 80,443", { dport: 443 }, true],
  ["-p tcp -m multiport --dports 80,443", { sport: 443 }, false],
  ["-p tcp -m multiport --sports 80,443", { sport: 443 }, true],
  ["-p tcp -m multiport --ports 80,443", { sport: 443 }, true],
  ["-p tcp -m multiport --ports 80,443", { dport: 80 }, true],
  ["-p tcp -m multiport --dports 9,100:200", { dport: 100 }, true],
  ["-p tcp -m multiport --dports 9,100:200", { dport: 200 }, true],
  ["-p tcp -m multiport --dports 9,100:200", { dport: 201 }, false],
  ["-p tcp -m multiport ! --dports 80,443", { dport: 80 }, false],
  ["-p tcp -m multiport ! --dports 80,443", { dport: 81 }, true],
  ["-p tcp -m multiport ! --ports 80,443", { sport: 1, dport: 443 }, false],
  ["-p tcp -m multiport ! --dports 80", { dport: 81, ...laterFragment }, false],
];

const FLAGS: readonly Row[] = [
  ["-p tcp -m tcp --syn", { tcpFlags: 0x02 }, true],
  ["-p tcp -m tcp --syn", { tcpFlags: 0x12 }, false],
  ["-p tcp -m tcp --syn", { tcpFlags: 0x10 }, false],
  ["-p tcp -m tcp --syn", { tcpFlags: 0xc2 }, true],
  ["-p tcp -m tcp ! --syn", { tcpFlags: 0x12 }, true],
  ["-p tcp -m tcp ! --syn", { tcpFlags: 0x02 }, false],
  ["-p tcp -m tcp --tcp-flags ALL NONE", { tcpFlags: 0 }, true],
  ["-p tcp -m tcp --tcp-flags ALL NONE", { tcpFlags: 0x20 }, false],
  ["-p tcp -m tcp --tcp-flags ALL NONE", { tcpFlags: 0x40 }, true],
  ["-p tcp -m tcp --tcp-flags SYN,RST SYN", { tcpFlags: 0x12 }, true],
  ["-p tcp -m tcp --tcp-flags SYN SYN,ACK", { tcpFlags: 0x12 }, false],
];

const ICMP: readonly Row[] = [
  ["-p icmp -m icmp --icmp-type 8", { icmpType: 8, icmpCode: 7 }, true],
  ["-p icmp -m icmp --icmp-type 8/0", { icmpType: 8, icmpCode: 0 }, true],
  ["-p icmp -m icmp --icmp-type 8/0", { icmpType: 8, icmpCode: 7 }, false],
  ["-p icmp -m icmp --icmp-type 3/3", { icmpType: 8, icmpCode: 3 }, false],
  ["-p icmp -m icmp ! --icmp-type 8/0", { icmpType: 8, icmpCode: 7 }, true],
  ["-p icmp -m icmp ! --icmp-type 8", { icmpType: 8 }, false],
  ["-p icmp -m icmp --icmp-type any", { icmpType: 99 }, true],
  ["-p icmp -m icmp ! --icmp-type any", { icmpType: 99 }, false],
  ["-p icmp -m icmp --icmp-type 8", { icmpType: 8, ...laterFragment }, false],
  ["-p icmp -m icmp ! --icmp-type 8", { icmpType: 3, ...laterFragment }, false],
];

const IP: readonly Row[] = [
  ["-m length --length 44", { length: 44 }, true],
  ["-m length --length 44", { length: 45 }, false],
  ["-m length --length 61:1500", { length: 60 }, false],
  ["-m length --length 61:1500", { length: 1500 }, true],
  ["-m length ! --length 61:1500", { length: 60 }, true],
  ["-m ttl --ttl-eq 64", { ttl: 64 }, true],
  ["-m ttl --ttl-eq 64", { ttl: 63 }, false],
  ["-m ttl ! --ttl-eq 64", { ttl: 63 }, true],
  ["-m ttl --ttl-lt 5", { ttl: 4 }, true],
  ["-m ttl --ttl-lt 5", { ttl: 5 }, false],
  ["-m ttl --ttl-gt 60", { ttl: 61 }, true],
  ["-m ttl --ttl-gt 60", { ttl: 60 }, false],
  ["-m tos --tos 0x10/0x3f", { tos: 0xd0 }, true],
  ["-m tos --tos 0x10/0x3f", { tos: 0x11 }, false],
  ["-m tos ! --tos 0x10", { tos: 0x10 }, false],
  ["-m tos --tos 0x10/0x01", { tos: 0x10 }, false],
  ["-m dscp --dscp 0x2e", { tos: 0xb8 }, true],
  ["-m dscp --dscp 0x2e", { tos: 0xbb }, true],
  ["-m dscp --dscp 0x2e", { tos: 0xb4 }, false],
  ["-m dscp ! --dscp 0x2e", { tos: 0xb4 }, true],
  ["-m iprange --src-range 10.0.0.5-10.0.0.9", { src: ip("10.0.0.5") }, true],
  ["-m iprange --src-range 10.0.0.5-10.0.0.9", { src: ip("10.0.0.9") }, true],
  ["-m iprange --src-range 10.0.0.5-10.0.0.9", { src: ip("10.0.0.10") }, false],
  ["-m iprange ! --src-range 10.0.0.5-10.0.0.9", { src: ip("10.0.0.10") }, true],
  ["-m iprange --src-range 127.0.0.1-128.0.0.1", { src: ip("127.255.255.255") }, true],
  ["-m iprange --src-range 127.0.0.1-128.0.0.1", { src: ip("128.0.0.0") }, true],
  ["-m iprange --src-range 127.0.0.1-128.0.0.1", { src: ip("200.0.0.0") }, false],
  ["-m iprange --src-range 10.0.0.9-10.0.0.5", { src: ip("10.0.0.7") }, false],
  ["-m iprange ! --src-range 10.0.0.9-10.0.0.5", { src: ip("10.0.0.7") }, true],
  [
    "-m iprange --src-range 1.1.1.1-1.1.1.1 --dst-range 2.2.2.2-2.2.2.2",
    { src: ip("1.1.1.1"), dst: ip("2.2.2.2") },
    true,
  ],
  ["-m iprange --src-range 1.1.1.1-1.1.1.1 --dst-range 2.2.2.2-2.2.2.2", { src: ip("1.1.1.1") }, false],
];

const META: readonly Row[] = [
  ["-m mark --mark 0x4000/0x4000", { mark: 0x4001 }, true],
  ["-m mark --mark 0x4000/0x4000", { mark: 0x8000 }, false],
  ["-m mark ! --mark 0x4000/0x4000", { mark: 0x8000 }, true],
  ["-m mark --mark 0xffffffff", { mark: -1 }, true],
  ["-m mark --mark 0x80000000/0x80000000", { mark: 1 << 31 }, true],
  ["-m mark --mark 0x1/0x0", { mark: 1 }, false],
  ["-m mark --mark 0x0/0x0", { mark: 1 }, true],
  ["-m pkttype --pkt-type broadcast", { pktType: 1 }, true],
  ["-m pkttype --pkt-type broadcast", { pktType: 0 }, false],
  ["-m pkttype ! --pkt-type unicast", { pktType: 2 }, true],
  ["-m mac --mac-source 02:00:00:00:00:01", { framed: true, ethSrc: internMac("02:00:00:00:00:01") }, true],
  ["-m mac --mac-source 02:00:00:00:00:01", { framed: true, ethSrc: internMac("02:00:00:00:00:02") }, false],
  ["-m mac ! --mac-source 02:00:00:00:00:01", { framed: true, ethSrc: internMac("02:00:00:00:00:02") }, true],
  ["-m mac --mac-source 02:00:00:00:00:01", { framed: false, ethSrc: internMac("02:00:00:00:00:01") }, false],
  ["-m mac ! --mac-source 02:00:00:00:00:01", { framed: false }, false],
  ["-m owner --uid-owner 1000", { uid: 1000 }, true],
  ["-m owner --uid-owner 1000", { uid: 999 }, false],
  ["-m owner --uid-owner 1000-1010", { uid: 1010 }, true],
  ["-m owner ! --uid-owner 1000", { uid: 1000 }, false],
  ["-m owner ! --uid-owner 1000", { uid: 0 }, true],
  ["-m owner --uid-owner 1000", {}, false],
  ["-m owner ! --uid-owner 1000", {}, true],
  ["-m owner --socket-exists", { uid: 0 }, true],
  ["-m owner --socket-exists", {}, false],
  ["-m owner ! --socket-exists", { uid: 0 }, false],
  ["-m owner ! --socket-exists", {}, true],
  ["-m owner --socket-exists ! --uid-owner 5", {}, false],
  // A Linux SYN, a later segment with timestamps, a SYN-ACK to a SYN without options, a reset.
  ["-p tcp -m tcp --tcp-option 3", { protocol: 6, length: 60, tcpFlags: 2 }, true],
  ["-p tcp -m tcp --tcp-option 3", { protocol: 6, length: 142, payload: 90, tcpFlags: 24 }, false],
  ["-p tcp -m tcp --tcp-option 8", { protocol: 6, length: 142, payload: 90, tcpFlags: 24 }, true],
  ["-p tcp -m tcp --tcp-option 2", { protocol: 6, length: 44, tcpFlags: 18, mss: 1460 }, true],
  ["-p tcp -m tcp --tcp-option 8", { protocol: 6, length: 44, tcpFlags: 18 }, false],
  ["-p tcp -m tcp ! --tcp-option 2", { protocol: 6, length: 40, tcpFlags: 4 }, true],
  // A socket of the kernel's own, which no file belongs to, and a packet that no socket sent are in no group.
  ["-m owner --gid-owner 0", { socket: 0 }, false],
  ["-m owner ! --gid-owner 0", { socket: 0 }, true],
  ["-m owner ! --uid-owner 5 ! --gid-owner 0", { socket: 0 }, true],
  ["-m owner --uid-owner 5 ! --gid-owner 0", { socket: 0 }, false],
  ["-m owner --gid-owner 0", {}, false],
  ["-m owner ! --gid-owner 0", {}, true],
  ["-m owner ! --socket-exists ! --uid-owner 5", {}, true],
  ["-m comment --comment x", {}, true],
];

describe.each([
  ["ports", PORTS],
  ["TCP flags", FLAGS],
  ["ICMP", ICMP],
  ["IP", IP],
  ["what travels with the packet", META],
])("%s", (_, rows) => {
  it.each(rows)("%s on %j: %s", (text, fields, hit) => {
    expect(compiled(text).test(packet(fields), new FakeContext().asContext())).toBe(hit);
  });
});

const six = (text: string) => internIpv6(parseIpv6(text) as Ipv6Words);
/** The source that a device with this MAC makes itself. */
const own = { src: six("fe80::202:3ff:fe04:506"), ethSrc: internMac("00:02:03:04:05:06"), framed: true };
const HEX = 0x12345678;

const IPV6: readonly Row[] = [
  ["-m eui64", own, true],
  ["-m eui64", { ...own, src: six("2001:db8::202:3ff:fe04:506") }, true],
  ["-m eui64", { ...own, src: six("fe80::2:3ff:fe04:506") }, false],
  ["-m eui64", { ...own, ethSrc: internMac("00:02:03:04:05:07") }, false],
  ["-m eui64", { ...own, framed: false }, false],
  ["-m frag", {}, false],
  ["-m frag", firstFragment, true],
  ["-m frag", laterFragment, true],
  ["-m frag --fragfirst", firstFragment, true],
  ["-m frag --fragfirst", laterFragment, false],
  ["-m frag --fragmore", firstFragment, true],
  ["-m frag --fragmore", laterFragment, false],
  ["-m frag --fraglast", laterFragment, true],
  ["-m frag --fraglast", firstFragment, false],
  [`-m frag --fragid ${HEX}`, { ...laterFragment, id: HEX }, true],
  [`-m frag ! --fragid ${HEX}`, { ...laterFragment, id: HEX }, false],
  ["-m frag --fragid 4000000000:4294967295", { ...laterFragment, id: -1 }, true],
  ["-m frag --fragid 3:9", { ...laterFragment, id: 10 }, false],
  ["-m frag --fraglen 8", laterFragment, true],
  // `frag_mt6` compares the length with nothing.
  ["-m frag --fraglen 20", laterFragment, true],
  ["-m frag ! --fraglen 8", laterFragment, true],
  ["-m frag --fragres", laterFragment, false],
  ["-m ipv6header --header ipv6-frag", { protocol: 17, ...laterFragment }, false],
  ["-m ipv6header --header ipv6-frag,protocol", { protocol: 17, ...laterFragment }, true],
  ["-m ipv6header ! --header ipv6-frag,protocol", { protocol: 17, ...laterFragment }, false],
  ["-m ipv6header --header ipv6-frag --soft", { protocol: 17, ...laterFragment }, true],
  ["-m ipv6header --header ipv6-frag --soft", { protocol: 17 }, false],
  ["-m ipv6header ! --header ipv6-frag --soft", { protocol: 17 }, true],
  ["-m ipv6header --header protocol", { protocol: 17 }, true],
  ["-m ipv6header --header esp", { protocol: 50 }, true],
  // No packet has one of these headers, and then not even what is inverted matches.
  ["-m dst ! --dst-len 3", {}, false],
  ["-m hbh", {}, false],
  ["-m rt ! --rt-type 0", {}, false],
  ["-m srh", {}, false],
  ["-p mh -m mh ! --mh-type 3", { protocol: 17 }, false],
  ["-p mh -m mh", carrying(135, "3b00050000000000"), true],
  ["-p mh -m mh --mh-type bu", carrying(135, "3b00050000000000"), true],
  ["-p mh -m mh ! --mh-type bu", carrying(135, "3b00050000000000"), false],
  ["-p dccp -m dccp", carrying(33, "138913880300000005000001"), true],
  ["-p dccp -m dccp", { protocol: 33, fragOffset: 8 }, false],
  ["-m cgroup --path /", { socket: 3 }, true],
  ["-m cgroup ! --path /", { socket: 3 }, false],
  ["-m cgroup --path /", {}, false],
  ["-m cgroup ! --cgroup 5", {}, false],
  ["-m hl --hl-gt 63", { ttl: 64 }, true],
  ["-m hl ! --hl-eq 64", { ttl: 64 }, false],
  ["-p ipv6-icmp -m icmp6 --icmpv6-type 1/4", { icmpType: 1, icmpCode: 4 }, true],
  ["-p ipv6-icmp -m icmp6 --icmpv6-type 1/4", { icmpType: 1, icmpCode: 3 }, false],
  ["-p ipv6-icmp -m icmp6 ! --icmpv6-type 128", { icmpType: 128 }, false],
  // 255 is a type like any other here.
  ["-p ipv6-icmp -m icmp6 --icmpv6-type 255", { icmpType: 128 }, false],
  ["-m iprange --src-range fd00::5-fd00::1:0", { src: six("fd00::5") }, true],
  ["-m iprange --src-range fd00::5-fd00::1:0", { src: six("fd00::1:0") }, true],
  ["-m iprange --src-range fd00::5-fd00::1:0", { src: six("fd00::1:1") }, false],
  ["-m iprange --src-range fd00::5-fd00::1:0", { src: six("fd00::4") }, false],
  ["-m iprange --dst-range 7fff::-8000::", { dst: six("8000::") }, true],
  ["-m iprange ! --dst-range 7fff::-8000::", { dst: six("8000::1") }, true],
  ["-m length --length 1280:1500", { length: 1280 }, true],
];

/** A packet of a protocol and all that it carries. */
function carrying(protocol: number, hex: string): Partial<Packet> {
  const content = new Uint8Array(Buffer.from(hex, "hex"));
  return { protocol, content, payload: content.length, payloadKnown: true, length: 20 + content.length };
}

describe("IPv6", () => {
  it.each(IPV6)("%s on %j: %s", (text, fields, hit) => {
    const on = packet({ family: 6, ...fields });
    if (on.content !== null) on.length += 20;
    expect(compiled(text, 6).test(on, new FakeContext().asContext())).toBe(hit);
  });
});

describe("headers of IPv6 before what is carried", () => {
  const hop = { protocol: 0, bytes: Buffer.from("3c00000001020000", "hex") };
  const way = {
    protocol: 43,
    bytes: Buffer.from(`3c04000100000000${"fd99".padEnd(31, "0")}7${"fd99".padEnd(31, "0")}8`, "hex"),
  };
  const end = { protocol: 60, bytes: Buffer.from("1100010400000000", "hex") };

  it.each<readonly [string, Partial<Packet>, boolean]>([
    ["-m hbh", { extensions: [hop] }, true],
    ["-m hbh", { extensions: [end] }, false],
    ["-m hbh --hbh-len 8", { extensions: [hop] }, true],
    ["-m hbh ! --hbh-len 8", { extensions: [hop] }, false],
    // Pad1 has no length, whatever is asked of it.
    ["-m hbh --hbh-opts 0,0,1:2", { extensions: [hop] }, true],
    ["-m hbh --hbh-opts 0,0,1", { extensions: [hop] }, true],
    ["-m hbh --hbh-opts 0,0,1:3", { extensions: [hop] }, false],
    ["-m hbh --hbh-opts 1:2", { extensions: [hop] }, false],
    ["-m dst --dst-len 8 --dst-opts 1:4", { extensions: [hop, end] }, true],
    ["-m dst ! --dst-len 8", { extensions: [hop] }, false],
    ["-m rt", { extensions: [way] }, true],
    ["-m rt", { extensions: [hop, end] }, false],
    ["-m rt --rt-type 0 --rt-segsleft 1:2 --rt-len 40 --rt-0-res", { extensions: [hop, way] }, true],
    ["-m rt ! --rt-segsleft 1", { extensions: [way] }, false],
    ["-m rt --rt-type 2", { extensions: [way] }, false],
    ["-m rt --rt-type 0 --rt-0-addrs fd99::7,fd99::8", { extensions: [way] }, true],
    ["-m rt --rt-type 0 --rt-0-addrs fd99::7", { extensions: [way] }, false],
    ["-m rt --rt-type 0 --rt-0-addrs fd99::8 --rt-0-not-strict", { extensions: [way] }, true],
    ["-m rt --rt-type 0 --rt-0-addrs fd99::8,fd99::7 --rt-0-not-strict", { extensions: [way] }, false],
    ["-m ipv6header --header hop,route,prot", { protocol: 17, extensions: [hop, way] }, true],
    ["-m ipv6header --header hop,prot", { protocol: 17, extensions: [hop, way] }, false],
    ["-m ipv6header --header dst --soft", { protocol: 17, extensions: [end] }, true],
  ])("%s on %j: %s", (text, fields, hit) => {
    expect(compiled(text, 6).test(packet({ family: 6, ...fields }), new FakeContext().asContext())).toBe(hit);
  });
});

describe("what a bare packet carries", () => {
  // A REQUEST with a long number, a service code and an option; DATA with a short number.
  const request = "1389138a07000000010000010000000200000007000000002e030000";
  const data = "138913880300000004000001";

  it.each<readonly [string, Partial<Packet>, boolean]>([
    ["-p esp -m esp --espspi 4:6", carrying(50, "0000000500000001"), true],
    ["-p esp -m esp ! --espspi 4:6", carrying(50, "0000000500000001"), false],
    ["-p esp -m esp --espspi 4294967295", carrying(50, "ffffffff00000001"), true],
    ["-p esp -m esp", carrying(51, "0000000500000001"), false],
    ["-p ah -m ah --ahspi 7", carrying(51, "3b0400000000000700000001"), true],
    ["-p ah -m ah --ahspi 8", carrying(51, "3b0400000000000700000001"), false],
    ["-p ipcomp -m ipcomp --ipcompspi 65535", carrying(108, "1100ffff"), true],
    ["-p ipcomp -m ipcomp", carrying(108, "11000000"), true],
    ["-p dccp -m dccp --sport 5001 --dport 5002", carrying(33, request), true],
    ["-p dccp -m dccp ! --dport 5002", carrying(33, request), false],
    ["-p dccp -m dccp --dccp-types REQUEST,DATA", carrying(33, request), true],
    ["-p dccp -m dccp --dccp-types REQUEST", carrying(33, data), false],
    ["-p dccp -m dccp --dccp-option 46", carrying(33, request), true],
    ["-p dccp -m dccp --dccp-option 47", carrying(33, request), false],
    ["-p dccp -m dccp ! --dccp-option 46", carrying(33, data), true],
  ])("%s on %j: %s", (text, fields, hit) => {
    const context = new FakeContext().asContext();
    expect(compiled(text).test(packet(fields), context)).toBe(hit);
    expect(context.hotdrop).not.toBe(true);
  });

  it.each<readonly [string, Partial<Packet>]>([
    ["-p esp -m esp", carrying(50, "00000005000000")],
    ["-p ah -m ah", carrying(51, "3b04000000000007")],
    ["-p ipcomp -m ipcomp", carrying(108, "110000")],
    ["-p dccp -m dccp", carrying(33, "1389138803000000040000")],
    // Its data offset lies before its header's end, or behind the packet's.
    ["-p dccp -m dccp --dccp-option 46", carrying(33, "138913880200000004000001")],
    ["-p dccp -m dccp --dccp-option 46", carrying(33, "138913880400000004000001")],
  ])("%s drops %j, which ends amid its header", (text, fields) => {
    const context = new FakeContext().asContext();
    expect(compiled(text).test(packet(fields), context)).toBe(false);
    expect(context.hotdrop).toBe(true);
  });

  it("asks both ways where nobody has said the bytes", () => {
    const context = new FakeContext();
    const silent = packet({ protocol: 50, length: 40, payload: 20 });
    expect(compiled("-p esp -m esp").test(silent, context.asContext())).toBe(true);
    context.answers = [true, false];
    const test = compiled("-p esp -m esp --espspi 5");
    expect([1, 2].map(() => test.test(silent, context.asContext()))).toEqual([true, false]);
  });
});

describe("the wall's clock and processors, as far as they are sure", () => {
  it.each([
    ["-m time --kerneltz", true],
    ["-m time --datestart 2020-01-01T00:00:00", true],
    ["-m time --datestop 2020-01-01T00:00:00", false],
    ["-m time --datestart 2037-01-01T00:00:00 --datestop 2036-01-01T00:00:00", false],
    ["-m time --timestart 10:00 --timestop 09:59:59", true],
    ["-m time --timestart 10:00 --timestop 10:00", true],
    ["-m time ! --weekdays 1,2,3,4,5,6,7", false],
    ["-m cpu --cpu 8192", false],
    ["-m cpu ! --cpu 8192", true],
  ])("%s: %s", (text, hit) => {
    expect(compiled(text).test(packet(), new FakeContext().asContext())).toBe(hit);
  });

  it.each(["-m time --timestart 10:00", "-m time --weekdays Mon", "-m time --datestop 2037-01-01T00:00:00"])(
    "%s is asked both ways",
    (text) => {
      const context = new FakeContext();
      context.answers = [true, false];
      const test = compiled(text);
      expect([1, 2].map(() => test.test(packet(), context.asContext()))).toEqual([true, false]);
    },
  );

  it("no processor of a number that a machine may have is sure", () => {
    const match = parsedRule("-m cpu --cpu 3").matches.at(-1);
    expect(match && compileMatch(match)).toBeNull();
  });
});

describe("what is not modelled has no compiled form", () => {
  it.each(["-m nfacct --nfacct-name x"])("%s", (text) => {
    const match = parsedRule(text).matches.at(-1);
    expect(match && compileMatch(match)).toBeNull();
  });
});
