import type { Aim } from "./random-queries.ts";
import { forwarded, sceneOf } from "./scene.ts";
import { AH, bare, DCCP, ESP, IPCOMP } from "./seldom-protocols.ts";
import type { Showcase } from "./showcase.ts";
import { table } from "./showcases-nft.ts";

/** Rules of nftables that read headers which few packets have: bare packets of other protocols, and questions of ARP. */

/** A rule that asks for a field has the packets that a node forwards for its pod. */
export function reads(proto: string, payload: string, text: string): Showcase {
  return (port) => (dice, ground) => {
    const scene = sceneOf(dice, ground);
    const base = "type filter hook forward priority -150; policy accept;";
    const [family, hops] = ground.plan.family === 6 ? ["ip6", "ip6 hoplimit"] : ["ip", "ip ttl"];
    // By what is left of it others' packets are told from these.
    const ttl = 65 + (port % 100);
    scene.node.nftRuleset += table(family, port, {
      base: [base, `${hops} ${ttl - 1} ${text} counter drop`],
    });
    return forwarded(scene, { ...bare(scene, proto, payload), ttl });
  };
}

/** The same of an association's first packet. */
function ofAssociation(text: string): Showcase {
  return (port) => (dice, ground) => {
    const scene = sceneOf(dice, ground);
    const base = "type filter hook forward priority -150; policy accept;";
    const family = ground.plan.family === 6 ? "ip6" : "ip";
    scene.node.nftRuleset += table(family, port, { base: [base, `sctp dport ${port} ${text} counter drop`] });
    const { podAddress: src } = scene;
    return forwarded(scene, { proto: "sctp", dport: port, raw: true, listens: true, ttl: 64, src });
  };
}

/** A membership query of IGMPv2 for 224.1.2.3, which its sender has somebody pass on. */
const IGMP = "1105ecf5e0010203";

const OF_BOTH: readonly Showcase[] = [
  reads("esp", ESP, "esp spi 5"),
  reads("esp", ESP, "esp sequence 1"),
  reads("ipcomp", IPCOMP, "comp nexthdr != 6"),
  reads("ipcomp", IPCOMP, "comp flags 0x0"),
  reads("ipcomp", IPCOMP, "comp cpi 3"),
  reads("dccp", DCCP, "dccp sport 5001"),
  reads("dccp", DCCP, "dccp dport 5002"),
  reads("dccp", DCCP, "dccp type request"),
  reads("dccp", DCCP, "meta l4proto 33 th dport 5002"),
  ofAssociation("sctp sport 20000-21000"),
  ofAssociation("sctp vtag 0"),
  ofAssociation("sctp checksum != 0"),
];

/** One without a checksum: none of conntrack's, but whoever reads its ports may. */
const UDPLITE = "1389138a000800007070707070707070";

const OF_IPV4: readonly Showcase[] = [
  ...["nexthdr ipv6-nonxt", "hdrlength 4", "reserved 0", "spi 7", "sequence 1"].map((text) =>
    reads("ah", AH, `ah ${text}`),
  ),
  ...["type membership-query", "mrt 5", "checksum != 0", "group 3758162435"].map((text) =>
    reads("igmp", IGMP, `igmp ${text}`),
  ),
  ...["sport 5001", "dport 5002", "csumcov 8", "checksum 0"].map((text) =>
    reads("udplite", UDPLITE, `udplite ${text}`),
  ),
];

/** A question for an address of the router's that no other packet is for, or its answer. */
function ofArp(hook: "input" | "output", text: string): Showcase {
  return (port) => (dice, ground) => {
    const { node } = sceneOf(dice, ground);
    const router = ground.draft.hosts.get("router");
    if (router === undefined || ground.plan.family === 6) return [];
    const asked = ground.plan.fabricHost(180 + (port % 20));
    router.addresses.push({ dev: "eth0", address: asked, length: ground.plan.lan, secondary: true });
    const mac = node.links.find(({ ifname }) => ifname === "eth0")?.address;
    const base = `type filter hook ${hook} priority 0; policy accept;`;
    const who = `arp ${hook === "output" ? "daddr" : "saddr"} ip ${asked}`;
    const own = text.replace("OWN", String(mac));
    node.nftRuleset += table("arp", port, { base: [base, `${who} ${own} counter drop`] });
    return [{ from: node.name, dst: asked, proto: "udp", dport: port, size: 16 } satisfies Aim];
  };
}

const OF_ARP: readonly Showcase[] = [
  ofArp("output", "arp operation request"),
  ofArp("input", "arp operation reply"),
  ofArp("output", "arp htype 1"),
  ofArp("output", "arp ptype ip"),
  ofArp("output", "arp hlen 6"),
  ofArp("output", "arp plen 4"),
  ofArp("output", "arp saddr ether OWN"),
  ofArp("input", "arp daddr ether OWN"),
  ofArp("output", "arp saddr ip != 192.0.2.1"),
];

export const NFT_HEADERS = { 4: [...OF_BOTH, ...OF_IPV4, ...OF_ARP], 6: OF_BOTH } as const;
