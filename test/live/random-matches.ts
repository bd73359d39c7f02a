import { parseIp } from "../../src/address/ip.ts";
import { bytesOfIp6 } from "../../src/lab/live/socket-address.ts";
import type { Dice } from "./dice.ts";
import type { DraftHost } from "./draft.ts";
import type { DraftSet } from "./random-sets.ts";
import { type Ground, PORTS } from "./topology.ts";

/** Where a rule will stand, and what it can be aimed at. */
export interface Spot {
  /** Who gets the rules. */
  readonly host: DraftHost;
  readonly dice: Dice;
  readonly ground: Ground;
  readonly devices: readonly string[];
  readonly sets: readonly DraftSet[];
  readonly table: string;
  /** Hooks that packets can come to the rule from. */
  readonly hooks: readonly string[];
  /** A number no other rule of the host has: lists and hash tables are shared by name. */
  readonly unique: () => number;
}

/** `icmp` is that of the family, whatever rules call it. */
export type Proto = "tcp" | "udp" | "icmp" | "all";

/** What a rule asks, up to the target. */
export function randomConditions(spot: Spot, proto: Proto): string {
  const { dice, devices, hooks, ground } = spot;
  const { words, family } = ground.plan;
  const parts: string[] = [];
  const not = (probability = 0.15) => (dice.chance(probability) ? "! " : "");
  if (dice.chance(0.25)) parts.push(`${not()}-s ${someone(spot)}`);
  if (dice.chance(0.35)) parts.push(`${not()}-d ${someone(spot)}`);
  const hasIn = hooks.every((hook) => hook === "PREROUTING" || hook === "INPUT" || hook === "FORWARD");
  const hasOut = hooks.every((hook) => hook === "OUTPUT" || hook === "POSTROUTING" || hook === "FORWARD");
  const device = () => dice.pick([...devices, "eth+", "veth+", "cni0"]);
  if (hasIn && dice.chance(0.15)) parts.push(`${not()}-i ${device()}`);
  if (hasOut && dice.chance(0.15)) parts.push(`${not()}-o ${device()}`);
  if (proto !== "all")
    parts.push(`-p ${proto === "icmp" ? words.icmp : proto}`, ...protocolMatch(spot, proto));
  else if (dice.chance(0.1)) parts.push(`! -p ${dice.pick(["tcp", "udp", words.icmp])}`);
  if (family === 4 && proto === "all" && parts.length === 0 && dice.chance(0.1)) parts.push(`${not()}-f`);
  const extras = dice.weighted([
    [4, 0],
    [6, 1],
    [2, 2],
  ]);
  const seen = new Set<string>();
  for (let i = 0; i < extras; i++) {
    const kind = dice.pick<MatchKind>(family === 6 ? MATCH_KINDS6 : MATCH_KINDS);
    if (seen.has(kind)) continue;
    seen.add(kind);
    const text = matchText(spot, kind, proto, hasIn);
    if (text !== null) parts.push(text);
  }
  return parts.join(" ");
}

/** An address or a network that packets of this world come from or go to. */
export function someone({ dice, ground }: Spot): string {
  return dice.chance(0.6)
    ? `${dice.pick([...ground.addresses, ...ground.virtual])}/${ground.plan.single}`
    : dice.pick(ground.networks);
}

function protocolMatch({ dice, ground }: Spot, proto: Exclude<Proto, "all">): string[] {
  const not = () => (dice.chance(0.12) ? "! " : "");
  if (proto === "icmp") {
    if (dice.chance(0.5)) return [];
    const { icmpMatch, icmpTypes } = ground.plan.words;
    return [icmpMatch.replace(" --", ` ${not()}--`), dice.pick(icmpTypes)];
  }
  const parts: string[] = [];
  if (dice.chance(0.7)) parts.push(`${not()}--dport ${portText(dice)}`);
  // Not both negated: iptables-nft 1.8.9 writes one comparison for the two, which forbids only both ports together.
  const isNegated = parts[0]?.startsWith("!") === true;
  if (dice.chance(0.12)) parts.push(`${isNegated ? "" : not()}--sport ${portText(dice)}`);
  if (proto === "tcp" && dice.chance(0.2)) {
    parts.push(
      `${not()}--tcp-flags ${dice.pick(["FIN,SYN,RST,ACK SYN", "SYN,ACK SYN,ACK", "RST RST", "SYN,ACK ACK", "FIN,SYN FIN,SYN", "PSH,URG NONE"])}`,
    );
  } else if (proto === "tcp" && dice.chance(0.04))
    parts.push(`${not()}--tcp-option ${dice.pick([2, 3, 8, 30])}`);
  return parts.length === 0 ? [] : [`-m ${proto} ${parts.join(" ")}`];
}

function portText(dice: Dice): string {
  return dice.chance(0.85)
    ? String(dice.pick(PORTS))
    : dice.pick(["1:1023", "32768:61000", "8000:9000", "0:79", "80:443"]);
}

/**
 * Every match that the model knows and a packet of this lab can decide on; the others no probe speaks, or the model says itself
 * that it does not know them.
 */
const MATCH_KINDS = [
  "addrtype",
  "bpf",
  "cluster",
  "comment",
  "connbytes",
  "connlabel",
  "connlimit",
  "connmark",
  "conntrack",
  "conntrack",
  "devgroup",
  "dscp",
  "ecn",
  "hashlimit",
  "helper",
  "iprange",
  "length",
  "limit",
  "mac",
  "mark",
  "mark",
  "mark",
  "multiport",
  "owner",
  "physdev",
  "physdev",
  "pkttype",
  "policy",
  "quota",
  "recent",
  "rpfilter",
  "set",
  "set",
  "set",
  "socket",
  "state",
  "statistic",
  "string",
  "tcpmss",
  "tos",
  "ttl",
  "u32",
] as const;

const OUTGOING: ReadonlySet<string> = new Set(["FORWARD", "OUTPUT", "POSTROUTING"]);

/** Programs: a protocol; a destination port behind the header's length; a length. */
const PROGRAMS = [
  "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0",
  "5,177 0 0 0,72 0 0 2,21 0 1 8080,6 0 0 1,6 0 0 0",
  "4,128 0 0 0,37 0 1 59,6 0 0 65535,6 0 0 0",
  "7,48 0 0 8,4 0 0 1,84 0 0 254,7 0 0 0,135 0 0 0,21 0 0 64,22 0 0 0",
];

/** Words of the header: a protocol, ports behind its length, a time to live, an address's octet, nothing beyond the end. */
const TESTS = [
  "0x6&0xff=0x6",
  "0x6&0xff=0x1,0x11",
  "0x0>>0x16&0x3c@0x0&0xffff=0x50,0x1f90:0x1f91",
  "0x5&0xff=0x3f&&0x0&0xffff=0x0:0x3c",
  "0xc>>0x18=0xa",
  "0x10<<0x18=0x0:0x2000000",
  "0xfff0=0x0",
  "0x0&0xffff=0x3c:0x64",
];

/** Those of IPv6 in the place of IPv4's own. */
const MATCH_KINDS6 = [
  ...MATCH_KINDS.filter((kind) => kind !== "ttl"),
  "hl",
  "frag",
  "ipv6header",
  "ipv6header",
  "eui64",
] as const;

type MatchKind = (typeof MATCH_KINDS)[number] | (typeof MATCH_KINDS6)[number];

const STATES = ["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"];

function matchText(spot: Spot, kind: MatchKind, proto: Proto, hasIn: boolean): string | null {
  const { dice, ground, devices, sets, table, hooks, unique } = spot;
  const { words } = ground.plan;
  const not = (probability = 0.2) => (dice.chance(probability) ? "! " : "");
  const hex = (value: number) => `0x${value.toString(16)}`;
  const ported = proto === "tcp" || proto === "udp";
  switch (kind) {
    case "addrtype": {
      const side = dice.pick(["src", "dst"]);
      const within = hasIn && dice.chance(0.1) ? " --limit-iface-in" : "";
      return `-m addrtype ${not()}--${side}-type ${dice.some(words.addressTypes, dice.pick([1, 1, 2])).join(",")}${within}`;
    }
    case "bpf":
      return `-m bpf --bytecode "${dice.pick(PROGRAMS)}"`;
    case "cluster": {
      const total = dice.between(2, 4);
      return `-m cluster ${not()}--cluster-local-node ${dice.between(1, total)} --cluster-total-nodes ${total} --cluster-hash-seed ${hex(unique())}`;
    }
    case "comment":
      return `-m comment --comment "rule ${unique()}"`;
    case "connbytes":
      return `-m connbytes ${not()}--connbytes ${dice.pick(["1:1", "2:", "3:4", "60:400", "61"])} --connbytes-mode ${dice.pick(["packets", "bytes", "avgpkt"])} --connbytes-dir ${dice.pick(["original", "reply", "both"])}`;
    case "connlabel":
      return `-m connlabel ${not()}--label ${dice.pick([0, 5, 127])}${dice.chance(0.5) ? " --set" : ""}`;
    case "connlimit":
      return `-m connlimit --connlimit-${dice.pick(["upto", "above"])} ${dice.between(0, 2)} --connlimit-mask ${dice.pick([0, 24, 32])} --connlimit-${dice.pick(["saddr", "daddr"])}`;
    case "connmark":
      return `-m connmark ${not()}--mark ${hex(dice.between(0, 3))}/${dice.pick(["0x3", "0xff", "0x1"])}`;
    case "conntrack":
      return `-m conntrack ${conntrackText(spot, ported)}`;
    case "devgroup": {
      const sides = [
        ...(hasIn ? ["src"] : []),
        ...(hooks.every((hook) => OUTGOING.has(hook)) ? ["dst"] : []),
      ];
      return sides.length === 0
        ? null
        : `-m devgroup ${not()}--${dice.pick(sides)}-group ${dice.pick(["default", "0x1", "0x0/0x1"])}`;
    }
    case "dscp":
      return `-m dscp ${not()}--dscp ${hex(dice.pick([0, 10, 46]))}`;
    case "ecn": {
      if (proto !== "tcp" || dice.chance(0.4)) return `-m ecn ${not()}--ecn-ip-ect ${dice.pick([0, 2])}`;
      return `-m ecn ${not()}${dice.pick(["--ecn-tcp-cwr", "--ecn-tcp-ece"])}`;
    }
    case "eui64":
      return hasIn ? "-m eui64" : null;
    case "frag":
      return `-m frag ${dice.pick(["--fragfirst", "--fragmore", "--fraglast", "--fragid 0:4294967295", "--fragfirst --fragmore"])}`;
    case "ipv6header":
      return `-m ipv6header ${not()}--header ${dice.pick(["frag", "prot", "frag,prot", "dst", "route,prot", "auth"])}${dice.chance(0.5) ? " --soft" : ""}`;
    case "hashlimit":
      return `-m hashlimit --hashlimit-${dice.pick(["upto", "above"])} ${dice.pick(["1/hour", "2/hour", "3/hour"])} --hashlimit-burst ${dice.between(1, 3)} --hashlimit-mode ${dice.pick(["srcip", "dstip", "srcip,dstip"])} --hashlimit-name h${unique()}`;
    case "helper":
      return `-m helper ${not()}--helper ${dice.pick(["ftp", "any"])}`;
    case "iprange": {
      const [low, high] = dice.some(ground.addresses, 2).sort(byNumber);
      if (low === undefined || high === undefined) return null;
      return `-m iprange ${not()}--${dice.pick(["src", "dst"])}-range ${low}-${high}`;
    }
    case "length":
      return `-m length ${not()}--length ${dice.pick(["0:59", "60", "44:52", "1000:65535", "84", "28:500"])}`;
    case "limit":
      return `-m limit --limit ${dice.pick(["1/hour", "2/hour", "3/hour"])} --limit-burst ${dice.between(1, 4)}`;
    case "mac":
      return hasIn ? `-m mac ${not(0.5)}--mac-source ${someMac(spot)}` : null;
    case "mark":
      return `-m mark ${not()}--mark ${dice.pick(["0x1/0x1", "0x2/0x2", "0x0", "0x3/0xff", "0x1"])}`;
    case "multiport": {
      if (!ported) return null;
      const ports = dice.some([...PORTS, "1000:2000", "32768:60999"], dice.between(1, 3)).join(",");
      return `-m multiport ${not()}--${dice.pick(["dports", "sports", "ports"])} ${ports}`;
    }
    case "owner":
      return hooks.every((hook) => hook === "OUTPUT" || hook === "POSTROUTING")
        ? `-m owner ${not()}--${dice.pick(["uid-owner 1000", "uid-owner 0", "uid-owner 0-500", "socket-exists"])}`
        : null;
    case "physdev": {
      if (hooks.includes("OUTPUT")) return null;
      const veth = devices.filter((name) => name.startsWith("veth"));
      const name = dice.pick([...veth, "veth+", "eth0"]);
      const options = [`--physdev-in ${name}`, "--physdev-is-in", "--physdev-is-bridged"];
      if (!hasIn || hooks.includes("FORWARD")) options.push(`--physdev-out ${name} --physdev-is-bridged`);
      return `-m physdev ${not()}${dice.pick(options)}`;
    }
    case "pkttype":
      return hasIn
        ? `-m pkttype ${not()}--pkt-type ${dice.pick(["unicast", "broadcast", "multicast"])}`
        : null;
    case "policy": {
      const sides = [...(hasIn ? ["in"] : []), ...(hooks.every((hook) => OUTGOING.has(hook)) ? ["out"] : [])];
      return sides.length === 0
        ? null
        : `-m policy --dir ${dice.pick(sides)} --pol ${dice.pick(["none", "ipsec"])}`;
    }
    case "quota":
      return `-m quota ${not()}--quota ${dice.pick([0, 100, 300, 1000])}`;
    case "recent": {
      const action = dice.pick(["--set", "--rcheck", "--update", "--remove", "--rcheck --hitcount 2"]);
      return `-m recent ${not(0.1)}${action} --name r${dice.between(0, 1)} --mask ${words.wholeMask} --${dice.pick(["rsource", "rdest"])}`;
    }
    case "rpfilter":
      return hooks.every((hook) => hook === "PREROUTING") && (table === "raw" || table === "mangle")
        ? `-m rpfilter ${dice.pick(["--invert", "--loose", "--validmark", "--accept-local --invert", "--loose --invert"])}`
        : null;
    case "set": {
      const named = sets.filter(({ type }) => type !== "hash:net,iface" || hasIn);
      if (named.length === 0) return null;
      const { name, dimensions, type } = dice.pick(named);
      const sides = Array.from({ length: dimensions }, (_, i) =>
        type === "hash:net,iface" && i === 1 ? "src" : dice.pick(["src", "dst"]),
      );
      return `-m set ${not()}--match-set ${name} ${sides.join(",")}${dice.chance(0.15) ? " --return-nomatch" : ""}`;
    }
    case "socket":
      return hooks.every((hook) => hook === "PREROUTING" || hook === "INPUT")
        ? `-m socket${dice.pick(["", " --nowildcard"])}`
        : null;
    case "state":
      return `-m state ${not()}--state ${dice.some(STATES, dice.between(1, 2)).join(",")}`;
    case "statistic": {
      const every = dice.between(1, 4);
      return dice.chance(0.7)
        ? `-m statistic --mode nth --every ${every} --packet ${dice.below(every)}`
        : // A packet that goes round would have its luck so often that nobody can think of every way it might come out.
          `-m limit --limit 1/hour --limit-burst 4 -m statistic --mode random --probability ${dice.pick(["0.50000000000", "0.33333333349", "1.00000000000"])}`;
    }
    case "string": {
      const from = dice.pick([0, 20, 28, 40]);
      const text = dice.pick([
        '--string "pppppppp"',
        '--hex-string "|7070707070|"',
        '--string "PPPPPPP" --icase',
        '--string "absent"',
      ]);
      return `-m string ${not()}${text} --algo ${dice.pick(["bm", "kmp"])} --from ${from} --to ${from + dice.pick([4, 20, 40, 60])}`;
    }
    case "tcpmss":
      return proto === "tcp"
        ? `-m tcpmss ${not()}--mss ${dice.pick(["1460", "1:1459", "536", "65495", "1400:1410"])}`
        : null;
    case "tos":
      return `-m tos ${not()}--tos ${dice.pick(["0x10/0x3f", "0x00/0xff", "0x2e/0xff"])}`;
    case "u32":
      return `-m u32 ${not()}--u32 "${dice.pick(TESTS)}"`;
    default: {
      const { match, option } = words.hopCount;
      return `-m ${match} ${dice.pick(["--ttl-eq 64", "--ttl-eq 63", "--ttl-lt 5", "--ttl-gt 60", "! --ttl-eq 63"]).replace("ttl", option)}`;
    }
  }
}

function conntrackText({ dice, ground }: Spot, ported: boolean): string {
  const not = () => (dice.chance(0.2) ? "! " : "");
  const options = [
    () => `--ctstate ${dice.some([...STATES, "DNAT", "SNAT"], dice.between(1, 2)).join(",")}`,
    () => `--ctproto ${dice.pick([ground.plan.words.icmpNumber, 6, 17])}`,
    () => `--ctorigdst ${dice.pick([...ground.virtual, ...ground.addresses])}`,
    () => `--ctorigsrc ${dice.pick(ground.addresses)}`,
    () => `--ctrepldst ${dice.pick(ground.addresses)}`,
    () => `--ctreplsrc ${dice.pick(ground.addresses)}`,
    () => `--ctstatus ${dice.pick(["NONE", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SEEN_REPLY,ASSURED"])}`,
  ];
  if (ported) options.push(() => `--ctorigdstport ${dice.pick(PORTS)}`);
  const text = `${not()}${dice.pick(options)()}`;
  return dice.chance(0.2) ? `${text} --ctdir ${dice.pick(["ORIGINAL", "REPLY"])}` : text;
}

function someMac({ dice, ground }: Spot): string {
  const links = [...ground.draft.hosts.values()].flatMap(({ links }) => links);
  return (dice.pick(links) as { readonly address: string }).address.toUpperCase();
}

function byNumber(a: string, b: string): number {
  const [one, other] = [a, b].map((text) => bytesOfIp6(parseIp(text) ?? 0));
  return Buffer.compare(one ?? new Uint8Array(), other ?? new Uint8Array());
}
