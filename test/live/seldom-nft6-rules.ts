import type { Aim } from "./random-queries.ts";
import { forwarded, received, type Scene } from "./scene.ts";
import { NFT_HEADERS, reads } from "./seldom-nft-headers.ts";
import {
  ECHO,
  FORWARD,
  holds,
  INPUT,
  MARKED,
  OUTPUT,
  type Place,
  PREROUTING,
  rule,
} from "./seldom-nft-rules.ts";
import { bare, SEGMENT_ROUTING } from "./seldom-protocols.ts";
import { NFT_PROXIES } from "./seldom-proxies.ts";
import { type Showcase, setting } from "./showcase.ts";
import { table } from "./showcases-nft.ts";

/** What rules of nftables read of IPv6, beside those of iptables. */

const of6 = (place: Place): Place => ({ ...place, family: "ip6" });

const READS: readonly Showcase[] = [
  ...[
    "ip6 version 6",
    "ip6 dscp cs0",
    "ip6 ecn not-ect",
    "ip6 flowlabel > 0",
    "ip6 length < 100",
    "ip6 nexthdr udp",
    "ip6 hoplimit 64",
    "ct l3proto ipv6",
    "exthdr hbh missing",
    "@nh,48,8 17",
  ].map((text) => holds(of6(OUTPUT), text, MARKED)),
  holds(of6(OUTPUT), ({ gateway }) => `ip6 daddr != ${gateway}`, MARKED),
  holds(of6(OUTPUT), ({ away }) => `ip6 saddr != ${away[1]}`, MARKED),
  holds(of6(OUTPUT), ({ gateway }) => `ct original ip6 daddr != ${gateway}`, MARKED),
  holds(of6(OUTPUT), ({ away }) => `ct original ip6 saddr != ${away[1]}`, MARKED),
  holds(of6(FORWARD), ({ away }) => `rt ip6 nexthop != ${away[1]}`),
  holds(of6(PREROUTING), "meta protocol ip6"),
  holds({ ...of6(FORWARD), base: "filter hook postrouting priority -150" }, "ct state new"),
  holds(of6(INPUT), "ct state new"),
  holds({ ...INPUT, family: "inet" }, "meta nfproto ipv6"),
  ...[
    "icmpv6 type echo-request",
    "icmpv6 code no-route",
    "icmpv6 id > 0",
    "icmpv6 sequence > 0",
    "icmpv6 checksum > 0",
  ].map((text) => holds(of6(OUTPUT), text, ECHO)),
];

/** Packets that nobody passes on, or takes, are told of; the node keeps that back. */
const ERRORS: readonly Showcase[] = [
  setting((_dice, { draft: { hosts }, plan }, scene, port) => {
    const [router, outside] = [hosts.get("router"), hosts.get("internet")];
    if (router === undefined || outside === undefined) return [];
    for (const [host, dev] of [
      [router, "eth1"],
      [outside, "eth0"],
    ] as const)
      Object.assign(host.links.find(({ ifname }) => ifname === dev) as object, { mtu: 1400 });
    const base = "type filter hook forward priority -150; policy accept;";
    scene.node.nftRuleset += table("ip6", port, { base: [base, "icmpv6 mtu 1400 counter drop"] });
    return [{ from: scene.pod.name, dst: plan.outsideHost(10), proto: "udp", dport: port, size: 1380 }];
  }),
];

const HEADERS: NonNullable<Aim["extensions"]> = [
  [0, "0000010400000000"],
  [43, "0002000000000000fd990000000000000000000000000007"],
  [60, "0000010400000000"],
];

function extension(text: string): Showcase {
  return (port) => (dice, ground) => {
    const more = { extensions: HEADERS, raw: true, listens: true, ttl: 64 } as const;
    const way = (scene: Scene, made: Partial<Aim>): Aim[] =>
      forwarded(scene, { ...made, src: scene.podAddress });
    return holds({ ...of6(FORWARD), way }, text, { more })(port)(dice, ground);
  };
}

const EXTENSIONS: readonly Showcase[] = [
  ...["hbh nexthdr 43", "hbh hdrlength 0", "exthdr hbh exists", "exthdr rt exists"],
  ...["rt nexthdr 60", "rt hdrlength 2", "rt type 0", "rt seg-left 0", "dst nexthdr 17", "dst hdrlength 0"],
  ...["exthdr dst exists", "exthdr frag missing", "ip6 nexthdr 0", "udp length 24", "@th,32,16 24"],
].map(extension);

/** A piece of a datagram, which conntrack has not put together yet; `id` is the sender's secret. */
function piece(text: string): Showcase {
  const early = { ...of6(PREROUTING), base: "filter hook prerouting priority -450" };
  return (port) => (dice, ground) => {
    const way = (scene: Scene, made: Partial<Aim>): Aim[] => forwarded(scene, made).slice(1);
    return holds({ ...early, way }, text, { more: { size: 2000 } })(port)(dice, ground);
  };
}

const PIECES: readonly Showcase[] = [
  ...["exthdr frag exists", "frag nexthdr 17", "frag reserved 0", "frag frag-off 0", "frag reserved2 0"],
  ...["frag more-fragments 1", "frag id > 0", "ip6 nexthdr 44"],
].map(piece);

const MOBILITY = "3b00050000000000";

/** A header of segment routing: two segments, one of them left, with a tag. */
function routed(text: string): Showcase {
  return (port) => (dice, ground) => {
    const more = { extensions: SEGMENT_ROUTING, raw: true, listens: true, ttl: 64 } as const;
    const way = (scene: Scene, made: Partial<Aim>): Aim[] =>
      forwarded(scene, { ...made, src: scene.podAddress });
    return holds({ ...of6(FORWARD), way }, text, { more })(port)(dice, ground);
  };
}

const AUTHENTICATED: NonNullable<Aim["extensions"]> = [
  [0, "0000010400000000"],
  [51, "0004000000000007000000010102030405060708090a0b0c"],
];

/** An authentication header is what nftables takes for what is carried. */
function authenticated(text: string): Showcase {
  return (port) => (dice, ground) => {
    const more = { extensions: AUTHENTICATED, raw: true, listens: true, ttl: 65 + (port % 100) } as const;
    const way = (scene: Scene, made: Partial<Aim>): Aim[] =>
      forwarded(scene, { ...made, src: scene.podAddress });
    const asked = `ip6 hoplimit ${more.ttl - 1} ${text}`;
    return holds({ ...of6(FORWARD), way }, asked, { by: "nothing", more })(port)(dice, ground);
  };
}

/** What nobody here takes is told of with a pointer to where it is named. */
const UNKNOWN: Showcase = setting((_dice, _ground, scene) => {
  return received(scene, bare(scene, "253", "7474"));
});

export const SELDOM_NFT6: readonly Showcase[] = [
  ...READS,
  ...ERRORS,
  ...EXTENSIONS,
  ...["ah spi 7", "ah hdrlength 4", "meta l4proto 51", "@th,32,32 7", "th dport 0"].map(authenticated),
  ...PIECES,
  ...["srh last-entry 1", "srh flags 0", "srh tag 5"].map(routed),
  ...["type binding-update", "nexthdr 59", "hdrlength 0", "reserved 0", "checksum 0"].map((text) =>
    reads("mobility-header", MOBILITY, `mh ${text}`),
  ),
  UNKNOWN,
  rule(of6(OUTPUT), "counter reject with icmpv6 admin-prohibited", MARKED),
  ...NFT_HEADERS[6],
  ...NFT_PROXIES,
];
