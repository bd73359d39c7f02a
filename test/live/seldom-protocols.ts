import type { Aim } from "./random-queries.ts";
import { putFirst } from "./rule-text.ts";
import { forwarded, received, type Scene } from "./scene.ts";
import { type Showcase, setting } from "./showcase.ts";

/** Bare packets of protocols that no socket here speaks, and rules that read their headers. */

/** One by a pod's raw socket, through its node or to it; what it carries is told byte by byte. */
export function bare({ podAddress }: Scene, proto: string, payload: string): Partial<Aim> {
  return { proto, payload, raw: true, listens: true, ttl: 64, src: podAddress };
}

function letPass(proto: string, payload: string): Showcase {
  return setting((_dice, _ground, scene) => {
    const made = bare(scene, proto, payload);
    return [...forwarded(scene, made), ...received(scene, made)];
  });
}

/** A rule's match that lets a DROP have the packets. */
function match(proto: string, payload: string, text: string): Showcase {
  return setting((_dice, { plan: { family } }, scene) => {
    putFirst(scene.node, family, "mangle", [`-A FORWARD -p ${proto} ${text} -j DROP`]);
    return forwarded(scene, bare(scene, proto, payload));
  });
}

/** A rule that does something to them. */
function target(table: string, proto: string, payload: string, rule: (scene: Scene) => string): Showcase {
  return setting((_dice, { plan: { family } }, scene) => {
    putFirst(scene.node, family, table, [rule(scene)]);
    return forwarded(scene, bare(scene, proto, payload));
  });
}

/** An association's first packet, by a raw socket. */
function association(rules: readonly [table: string, rule: (port: number) => string][]): Showcase {
  return setting((_dice, { plan: { family } }, scene, port) => {
    for (const [table, rule] of rules) putFirst(scene.node, family, table, [rule(port)]);
    const { podAddress: src } = scene;
    const made = { proto: "sctp", dport: port, raw: true, listens: true, ttl: 64, src };
    return [...forwarded(scene, made), ...received(scene, made)];
  });
}

const asked = (port: number) => `-p sctp -m sctp --dport ${port}`;

const SCTP: readonly Showcase[] = [
  association([]),
  association([["mangle", (port) => `-A PREROUTING ${asked(port)} -j DROP`]]),
  association([["mangle", (port) => `-A PREROUTING ${asked(port)} --chunk-types only INIT -j DROP`]]),
  association([["mangle", (port) => `-A FORWARD ${asked(port)} -m conntrack --ctstate NEW -j DROP`]]),
  association([["nat", (port) => `-A POSTROUTING ${asked(port)} -j MASQUERADE`]]),
  association([["filter", (port) => `-A FORWARD ${asked(port)} -j REJECT`]]),
];

export const ESP = "0000000500000001aabbccdd";
export const AH = "3b04000000000007000000010102030405060708090a0b0c";
export const IPCOMP = "11000003dead";
/** From port 5001 to 5002, a REQUEST of a long number with a service code and an option behind it. */
export const DCCP = "1389138a07000000010000010000000200000007000000002e030000";
/** Of RFC 2784, without a key. */
const GRE = "000008004500001400000000400100000a0000010a000002";
const OTHER = "7474747474747474";

const NATS: readonly Showcase[] = [
  target("nat", "ospf", OTHER, ({ gateway }) => `-A POSTROUTING -p ospf -j SNAT --to-source ${gateway}`),
  target("nat", "gre", GRE, () => "-A POSTROUTING -o eth0 -p gre -j MASQUERADE"),
];

/** Of a protocol that it does not know the kernel sums up what is carried: by chance that looks right, and is answered. */
const REJECTS: readonly Showcase[] = [
  target("filter", "shim6", "ffff", () => "-A FORWARD -p shim6 -j REJECT"),
  target("filter", "rohc", OTHER, () => "-A FORWARD -p rohc -j REJECT"),
  target("filter", "wesp", "", () => "-A FORWARD -p wesp -j REJECT"),
];

const OF_BOTH: readonly Showcase[] = [
  letPass("hip", OTHER),
  letPass("253", ""),
  letPass("gre", GRE),
  letPass("dccp", DCCP),

  match("esp", ESP, "-m esp --espspi 4:6"),
  match("esp", ESP.replace("5", "9"), "-m esp ! --espspi 4:6"),
  // It ends amid the header that the match would read.
  match("esp", "00000005", "-m esp --espspi 4:6"),
  match("ipcomp", IPCOMP, "-m ipcomp --ipcompspi 3"),
  match("dccp", DCCP, "-m dccp --sport 5001 --dport 5000:5002"),
  match(
    "dccp",
    DCCP.replace("138a", "138d"),
    "-m dccp --dport 5005 --dccp-types REQUEST,RESPONSE --dccp-option 46",
  ),
  match("vrrp", OTHER, "-m conntrack --ctstate NEW"),
  ...NATS,
  ...REJECTS,
  ...SCTP,
];

/** A datagram with headers of IPv6 before it: options for every router, a way gone to its end, options for the destination. */
const EXTENSIONS = [
  [0, "0000010400000000"],
  [43, "0002000000000000fd990000000000000000000000000007"],
  [60, "0000010400000000"],
  [51, "0004000000000007000000010102030405060708090a0b0c"],
] as const;

/** Of two segments, one of them left, with a tag. */
export const SEGMENT_ROUTING: readonly (readonly [number, string])[] = [
  [43, "0004040101000005fd990000000000000000000000000007fd990000000000000000000000000008"],
];

function extended(numbers: readonly number[], text: string): Showcase {
  return before(
    EXTENSIONS.filter(([number]) => numbers.includes(number)),
    text,
  );
}

/** Datagrams with headers before them, and a match that lets a DROP have them; without one they go on. */
function before(extensions: NonNullable<Aim["extensions"]>, text: string): Showcase {
  return setting((_dice, _ground, scene, port) => {
    if (text !== "")
      putFirst(scene.node, 6, "mangle", [`-A PREROUTING -p udp -m udp --dport ${port} ${text} -j DROP`]);
    const made = {
      ...{ proto: "udp", dport: port, size: 16, extensions },
      raw: true,
      listens: true,
      ttl: 64,
    };
    const all = { ...made, src: scene.podAddress };
    return [...forwarded(scene, all), ...received(scene, all)];
  });
}

/** By an index of its own, as what stands before a datagram hides its ports from rules that nftables keeps. */
function authenticated(text: (spi: number) => string): Showcase {
  return setting((_dice, _ground, scene, port) => {
    const spi = port.toString(16).padStart(8, "0");
    const header = `00040000${spi}000000010102030405060708090a0b0c`;
    putFirst(scene.node, 6, "mangle", [`-A PREROUTING ${text(port)} -j DROP`]);
    const made = {
      ...{ proto: "udp", dport: port, size: 16, extensions: [[51, header] as const] },
      ...{ raw: true, listens: true, ttl: 64, src: scene.podAddress },
    };
    return [...forwarded(scene, made), ...received(scene, made)];
  });
}

const OF_IPV6: readonly Showcase[] = [
  extended([0, 43, 60], ""),
  extended([60], ""),
  extended([0], "-m hbh --hbh-len 8 --hbh-opts 1:4"),
  extended([60], "-m dst --dst-len 8"),
  extended([43, 60], "-m rt --rt-type 0 --rt-segsleft 0 --rt-0-res --rt-0-addrs fd99::7"),
  extended([0, 60], "-m ipv6header --header hop,dst,prot"),
  extended([51], ""),
  extended([0, 51], ""),
  authenticated((spi) => `-m ah --ahspi ${spi} --ahlen 24 --ahres`),
  authenticated((spi) => `-m ah ! --ahspi 0:${spi - 1} -m ah --ahspi ${spi}`),
  authenticated((spi) => `-m ah --ahspi ${spi} -m ipv6header --header auth,prot`),
  before(
    SEGMENT_ROUTING,
    "-m srh --srh-next-hdr 17 --srh-hdr-len-eq 4 --srh-segs-left-eq 1 --srh-last-entry-eq 1",
  ),
  // The tag is compared as the machine reads it.
  before(SEGMENT_ROUTING, "-m srh --srh-tag 1280"),
  before(SEGMENT_ROUTING, "-m srh ! --srh-tag 5 --srh-lsid fd99::7/128 --srh-nsid fd99::/16"),
  before(SEGMENT_ROUTING, "-m srh ! --srh-nsid fd99::8/128 ! --srh-segs-left-gt 1"),
];

/** What rarely decides of packets without ports, by family. */
export const SELDOM_PROTOCOLS = {
  4: [...OF_BOTH, letPass("ah", AH), match("ah", AH, "-m ah --ahspi 7")],
  6: [...OF_BOTH, ...OF_IPV6, match("mobility-header", "3b00050000000000", "-m mh --mh-type binding-update")],
} as const;
