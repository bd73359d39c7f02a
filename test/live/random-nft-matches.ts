import type { Dice } from "./dice.ts";
import {
  isFrame,
  isTracked,
  type NftProto,
  type NftSpot,
  narrowNetwork,
  someAddress,
  someNetwork,
} from "./nft-spot.ts";
import { PORTS } from "./topology.ts";

/** One condition of a rule. */
interface Condition {
  readonly text: string;
  /** What it reads: neighbouring fields of one header nft 1.0.6 joins, unequal ones wrongly. */
  readonly header: string;
}

/** What a rule asks, up to its statements; `exclude` says of which headers nothing more may be asked. */
export function randomNftConditions(spot: NftSpot, proto: NftProto, aimed: boolean): string {
  const { dice } = spot;
  const count = dice.weighted([
    [aimed ? 0 : 2, 0],
    [6, 1],
    [4, 2],
    [2, 3],
  ]);
  const parts: Condition[] = [];
  if (proto !== "all" && dice.chance(0.5)) put(parts, protocolIs(spot, proto));
  if (aimed) put(parts, condition("network", aimedAt(spot)));
  for (let i = 0; i < count; i++) {
    const made = dice.weighted(kindsOf(spot, proto))();
    if (made !== null) put(parts, made);
  }
  return parts.map(({ text }) => text).join(" ");
}

function put(parts: Condition[], made: Condition): void {
  if (!parts.some(({ header }) => header === made.header)) parts.push(made);
}

function condition(header: string, text: string): Condition {
  return { header, text };
}

function isOwn({ hook }: NftSpot): boolean {
  return hook === "output" || hook === "postrouting";
}

function optionIs({ dice, words }: NftSpot): (() => string)[] {
  return [
    () =>
      `tcp option ${dice.pick(["maxseg", "sack-perm", "timestamp", "window"])} ${dice.pick(["exists", "missing"])}`,
    ...(words.ip === "ip" ? [() => `ip option ${dice.pick(["rr", "lsrr", "ra"])} missing`] : []),
  ];
}

type Make = () => Condition | null;

function kindsOf(spot: NftSpot, proto: NftProto): (readonly [number, Make])[] {
  const { dice } = spot;
  const of =
    (header: string, ...makes: (() => string)[]): Make =>
    () =>
      condition(header, dice.pick(makes)());
  const kinds: (readonly [number, Make])[] = [
    [6, of("network", () => addressIs(spot))],
    [2.5, of("network", ...networkHeader(spot))],
    [2, of("mark", ...markIs(dice))],
    [2, of("meta", ...metaIs(spot))],
    [1.5, of("concat", ...concatenations(spot, proto))],
    [1.2, of("raw", ...rawIs(spot))],
    ...(spot.words.ip === "ip6" ? [[1.2, of("exthdr", ...extensionIs(dice))] as const] : []),
    [0.9, of("gen", ...generated(spot))],
    [1.2, () => namedSet(spot)],
    ...(isOwn(spot)
      ? [[0.8, of("owner", () => `meta skuid ${dice.pick(["0", "1000", "!= 0"])}`)] as const]
      : []),
    ...(proto === "tcp" ? [[0.8, of("option", ...optionIs(spot))] as const] : []),
  ];
  if (!isFrame(spot)) kinds.push([2, of("device", ...deviceIs(spot))], [1.6, of("fib", ...fibIs(spot))]);
  if (isTracked(spot)) kinds.push([3.5, of("ct", ...connectionIs(spot))]);
  if (proto !== "all") kinds.push([6, of("transport", ...transportIs(spot, proto))]);
  else kinds.push([2, of("transport", ...anyPort(dice))]);
  if (isFrame(spot)) kinds.push([4, of("link", ...linkIs(spot))]);
  if (["prerouting", "input"].includes(spot.hook) && !isFrame(spot))
    kinds.push([0.8, of("socket", ...socketIs(dice))]);
  return kinds;
}

function protocolIs({ dice, words, ground }: NftSpot, proto: Exclude<NftProto, "all">): Condition {
  const name = proto === "icmp" ? ground.plan.words.icmp : proto;
  return condition(
    "protocol",
    dice.chance(0.5) ? `meta l4proto ${name}` : `${words.ip} ${words.protocol} ${name}`,
  );
}

const not = (dice: Dice, probability = 0.2): string => (dice.chance(probability) ? "!= " : "");

/** Few packets, so that others arrive. */
function aimedAt(spot: NftSpot): string {
  const { dice, words } = spot;
  const side = dice.pick(["saddr", "daddr"]);
  const who = dice.weighted<() => string>([
    [6, () => someAddress(spot)],
    [1, () => withoutWholeLength(spot, narrowNetwork(spot))],
    [1, () => `{ ${distinct([someAddress(spot), someAddress(spot)]).join(", ")} }`],
  ]);
  return `${words.ip} ${side} ${who()}`;
}

/** A part of the network header that names somebody. */
function addressIs(spot: NftSpot): string {
  const { dice, words } = spot;
  const side = dice.pick(["saddr", "daddr", "daddr"]);
  const several = () => distinct([someAddress(spot), someAddress(spot), someAddress(spot)]).join(", ");
  const value = dice.weighted<() => string>([
    [6, () => `${not(dice)}${someAddress(spot)}`],
    [4, () => `${not(dice)}${plainNetwork(spot)}`],
    [2, () => `${not(dice)}{ ${several()} }`],
    [2, () => `${not(dice)}{ ${intervals(spot)} }`],
    [1, () => `${not(dice)}${range(spot)}`],
    [1, () => `& ${words.mask} ${dice.pick(["==", "!="])} ${masked(spot)}`],
  ])();
  return `${words.ip} ${side} ${value}`;
}

function plainNetwork(spot: NftSpot): string {
  return withoutWholeLength(spot, someNetwork(spot));
}

function withoutWholeLength({ words }: NftSpot, network: string): string {
  return network.replace(new RegExp(`/${words.bits}$`), "");
}

export function distinct(list: readonly string[]): string[] {
  return [...new Set(list)];
}

function range(spot: NftSpot): string {
  const { dice, ground } = spot;
  const { parts, joined } = ground.plan;
  const [base] = parts(someNetwork(spot).replace(/\/.*/, ""));
  return `${joined(base, dice.between(1, 44))}-${joined(base, dice.between(45, 250))}`;
}

/** Intervals that do not overlap: of different networks, all of an address but its last part. */
export function intervals(spot: NftSpot): string {
  const { parts } = spot.ground.plan;
  const bases = new Map<string, string>();
  for (const make of [() => someAddress(spot), () => range(spot), () => someAddress(spot)]) {
    const text = make();
    bases.set(parts(text.replace(/-.*/, ""))[0], text);
  }
  return [...bases.values()].join(", ");
}

/** An address without what the mask leaves out. */
function masked(spot: NftSpot): string {
  const { ground, words } = spot;
  const [base, last] = ground.plan.parts(someAddress(spot));
  if (words.ip === "ip") return ground.plan.joined(base.replace(/\d+\.$/, "0."), last);
  const [first, second] = base.split(":");
  return `${first}:${second || "0"}::${last.toString(16)}`;
}

function networkHeader({ dice, words, ground }: NftSpot): (() => string)[] {
  const { ip, ttl, protocol } = words;
  const { icmp } = ground.plan.words;
  const own = [
    () => `${ip} ${ttl} ${dice.pick(["<", ">", "<=", ">=", "!="])} ${dice.pick([2, 40, 63, 64, 128])}`,
    () => `${ip} ${ttl} ${dice.pick(["{ 62, 63, 64 }", "1-63", "64"])}`,
    () => `${ip} dscp ${not(dice)}${dice.pick(["cs0", "ef", "{ cs0, cs6 }", "cs6"])}`,
    () => `${ip} ecn ${not(dice)}${dice.pick(["not-ect", "ect0"])}`,
    () => `${ip} length ${dice.pick(["< 60", "> 60", "60", "40-100", "!= { 40, 52, 60 }", ">= 1000"])}`,
    () => `${ip} ${protocol} ${not(dice)}${dice.pick(["tcp", "{ tcp, udp }", `{ udp, ${icmp} }`, "1-17"])}`,
    () => `${ip} version ${dice.pick(ip === "ip6" ? ["6", "!= 4"] : ["4", "!= 6"])}`,
  ];
  if (ip === "ip6")
    return [
      ...own,
      () => `ip6 flowlabel ${dice.pick([">= 0", "0", "!= 0"])}`,
      () => `ip6 nexthdr ${not(dice)}${dice.pick(["44", "{ 0, 44, 60 }", "0"])}`,
    ];
  return [
    ...own,
    () => `ip hdrlength ${dice.pick(["5", "> 5"])}`,
    () => `ip frag-off & 0x1fff ${dice.pick(["!= 0x0", "0x0"])}`,
    () => `ip frag-off & 0x2000 ${dice.pick(["!= 0x0", "0x0"])}`,
    () => `ip frag-off & 0x4000 ${dice.pick(["!= 0x0", "0x0"])}`,
    // Of packets that are alike for rules one may have a number and another none.
    () => "ip id >= 0",
    () => `ip option ${dice.pick(["rr", "lsrr", "ra"])} ${dice.pick(["exists", "missing"])}`,
    () => `ip checksum ${dice.pick(["!= 0", ">= 0"])}`,
  ];
}

/** Headers between IPv6's own and what it carries. */
function extensionIs(dice: Dice): (() => string)[] {
  const there = () => dice.pick(["exists", "missing"]);
  return [
    () => `exthdr ${dice.pick(["hbh", "rt", "frag", "dst", "mh"])} ${there()}`,
    () => `exthdr ${dice.pick(["hbh", "rt", "frag", "dst"])} ${there()}`,
    () =>
      `${dice.pick(["hbh", "dst", "rt", "frag"])} nexthdr ${not(dice)}${dice.pick(["udp", "{ 43, 60 }"])}`,
    () => `${dice.pick(["hbh", "dst", "rt", "mh"])} hdrlength ${dice.pick(["0", "> 0", "2"])}`,
    () => `rt type ${not(dice)}0`,
    () => `rt seg-left ${dice.pick(["0", "> 0"])}`,
    () => `rt0 addr[1] ${dice.pick(["fd99::7", "!= fd99::7"])}`,
    () => `frag more-fragments ${dice.pick([0, 1])}`,
    () => `frag frag-off ${dice.pick(["0", "!= 0", "> 100"])}`,
    () => `frag id ${dice.pick([">= 0", "!= 0"])}`,
    () => `frag reserved2 ${dice.pick(["0", "1"])}`,
    () => `mh type ${not(dice)}5`,
  ];
}

function markIs(dice: Dice): (() => string)[] {
  const hex = () => `0x${dice.between(0, 3).toString(16)}`;
  return [
    () => `meta mark ${not(dice)}${hex()}`,
    () => `meta mark & 0x1 ${dice.pick(["==", "!="])} 0x1`,
    () => `meta mark ${not(dice)}{ 0x1, 0x2 }`,
    () => `meta mark ${dice.pick(["<", ">", ">="])} 0x1`,
    () => `meta mark ^ 0x1 == ${hex()}`,
    () => `meta mark ${not(dice)}0x1-0x2`,
  ];
}

function metaIs(spot: NftSpot): (() => string)[] {
  const { dice, family, hook, words, ground } = spot;
  const { icmp } = ground.plan.words;
  const list = [
    () => `meta length ${dice.pick(["< 60", "> 60", "<= 84", "40-100", "!= 60"])}`,
    () => `meta protocol ${not(dice)}${words.ip}`,
    () => `meta pkttype ${not(dice)}${dice.pick(["host", "broadcast", "multicast", "{ host, multicast }"])}`,
    () => `meta l4proto ${not(dice)}${dice.pick(["{ tcp, udp }", "tcp", "udp", icmp, `{ ${icmp}, 132 }`])}`,
    () => `meta cpu ${dice.pick(["< 8192", "> 8192"])}`,
    () => `meta priority ${not(dice)}${dice.pick(["none", "1:5"])}`,
    () => `${besidesDiscovery(spot)}meta time ${dice.pick(["<", ">"])} "2020-01-01 00:00:00"`,
    () =>
      `${besidesDiscovery(spot)}meta day ${not(dice)}{ "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" }`,
    () => `${besidesDiscovery(spot)}meta random ${dice.pick([">= 0", "< 2147483648"])}`,
  ];
  if (family === "inet") list.push(() => `meta nfproto ${not(dice, 0.1)}${words.nfproto}`);
  if (isFrame(spot)) return list;
  if (["prerouting", "input", "forward"].includes(hook))
    list.push(() => `meta ipsec ${dice.pick(["exists", "missing"])}`);
  list.push(() => `meta rtclassid ${not(dice, 0.6)}7`);
  list.push(() => `rt classid ${not(dice, 0.6)}7`);
  if (hook === "forward" || hook === "output" || hook === "postrouting")
    list.push(
      () => `rt ${family === "inet" ? `${words.ip} ` : ""}nexthop ${not(dice, 0.6)}${someAddress(spot)}`,
    );
  // Nor whose it is.
  if (hook !== "input") {
    list.push(() => `meta skuid ${dice.pick(["0", "1000", "!= 0", "{ 0, 1000 }"])}`);
    list.push(() => `meta skgid ${dice.pick(["0", "!= 0"])}`);
    list.push(() => `meta cgroup ${not(dice)}${dice.pick(["0", "7"])}`);
  }
  return list;
}

function deviceIs({ dice, hook, devices }: NftSpot): (() => string)[] {
  const own = () => dice.pick(devices);
  const any = () => dice.pick([...devices, "eth*", "veth*", "cni0"]);
  const way = (side: "i" | "o"): (() => string)[] => [
    () => `${side}if ${not(dice)}"${own()}"`,
    () => `${side}ifname ${not(dice)}"${any()}"`,
    () => `${side}ifname ${not(dice)}{ "${own()}", "cni7" }`,
    () => `meta ${side}iftype ${not(dice)}${dice.pick(["ether", "loopback"])}`,
    () => `${side}ifgroup ${not(dice)}${dice.pick(["default", "7"])}`,
    () => `meta ${side}ifkind ${not(dice)}${dice.pick(['"veth"', '"bridge"', '"vxlan"'])}`,
  ];
  const list: (() => string)[] = [];
  if (hook === "prerouting" || hook === "input" || hook === "forward") list.push(...way("i"));
  if (hook === "output" || hook === "postrouting" || hook === "forward") list.push(...way("o"));
  return list.map(
    (make) => () => make().replace("meta iiftype", "iiftype").replace("meta oiftype", "oiftype"),
  );
}

function fibIs(spot: NftSpot): (() => string)[] {
  const { dice, hook, devices, words } = spot;
  const type = () => dice.pick(words.fibTypes);
  const list = [
    () => `fib daddr type ${not(dice)}${type()}`,
    () => `fib saddr type ${not(dice)}${type()}`,
    () => `fib daddr . mark type ${not(dice)}${type()}`,
  ];
  const arrives = hook === "prerouting" || hook === "input" || hook === "forward";
  if (arrives) list.push(() => `fib daddr . iif type ${not(dice)}${type()}`);
  // At INPUT the socket that a packet was found to be for answers in the routes' place (`nft_fib_can_skip`), which is not modelled.
  if (arrives && hook !== "input") {
    list.push(
      () => `fib saddr . iif oif ${dice.pick(["missing", "exists"])}`,
      () => `fib saddr . mark . iif oif ${dice.pick(["missing", "exists"])}`,
      () => `fib saddr . mark oifname ${not(dice)}"${dice.pick(devices)}"`,
      () => `fib saddr oif ${not(dice)}"${dice.pick(devices)}"`,
      () => `fib daddr oif ${dice.pick(["missing", "exists"])}`,
    );
  }
  if (hook === "output" || hook === "postrouting")
    list.push(() => `fib saddr . oif type ${not(dice)}${type()}`);
  return list;
}

function connectionIs(spot: NftSpot): (() => string)[] {
  const { dice, words, ground } = spot;
  const own = `${words.ip} `;
  const port = () => dice.pick(PORTS);
  const direction = () => dice.pick(["original", "reply"]);
  return [
    () =>
      `ct state ${not(dice)}${dice.pick(["new", "established", "established,related", "related", "invalid", "untracked"])}`,
    () =>
      `ct state { ${dice.some(["new", "established", "related", "invalid", "untracked"], 2).join(", ")} }`,
    () =>
      `ct status ${not(dice)}${dice.pick(["snat", "dnat", "assured", "confirmed", "seen-reply", "snat,dnat"])}`,
    () => `ct status & (dnat | snat) ${dice.pick(["==", "!="])} dnat`,
    () => `ct mark ${not(dice)}0x${dice.between(0, 3).toString(16)}`,
    () => `ct mark & 0x1 ${dice.pick(["==", "!="])} 0x1`,
    () => `ct direction ${not(dice)}${direction()}`,
    () => `ct ${direction()} ${own}${dice.pick(["saddr", "daddr"])} ${not(dice)}${someAddress(spot)}`,
    () => `ct ${direction()} ${own}daddr ${plainNetwork(spot)}`,
    () => `meta l4proto tcp ct ${direction()} proto-${dice.pick(["src", "dst"])} ${not(dice)}${port()}`,
    () => `ct expiration ${dice.pick(["> 1s", "< 30d", "1s-10d"])}`,
    () => `ct l3proto ${not(dice, 0.1)}${words.nfproto}`,
    () => `ct protocol ${not(dice)}${dice.pick(["tcp", "udp", ground.plan.words.icmp])}`,
    () => `ct zone ${not(dice)}${dice.pick([0, 1, 5])}`,
    () => `ct ${direction()} zone ${not(dice)}${dice.pick([0, 1, 5])}`,
    () => `ct packets ${dice.pick(["> 0", "< 1"])}`,
    () => `ct ${direction()} bytes ${dice.pick(["> 0", "< 1"])}`,
    () => `ct avgpkt ${dice.pick(["> 0", "< 1"])}`,
    () => `ct helper ${not(dice)}"ftp"`,
    () => `ct label ${not(dice)}1`,
    () => `ct id ${dice.pick(["!= 0", "0"])}`,
  ];
}

function transportIs(spot: NftSpot, proto: Exclude<NftProto, "all">): (() => string)[] {
  const { dice, words } = spot;
  if (proto === "icmp") {
    const { icmp } = words;
    return [
      () =>
        `${icmp} type ${not(dice)}${dice.pick(["echo-request", "echo-reply", "destination-unreachable", "{ echo-request, time-exceeded }"])}`,
      () => `${icmp} code ${not(dice)}${dice.pick(["0", "3", "{ 1, 3 }"])}`,
      () => `${icmp} id ${dice.pick(["> 0", "0"])}`,
      () => `${icmp} sequence ${dice.pick(["1", "> 1"])}`,
      () => `${icmp} mtu ${dice.pick(["< 1500", "0"])}`,
      ...(icmp === "icmp" ? [() => `icmp gateway ${dice.pick(["!= 0", "0"])}`] : ofIcmpv6(dice)),
    ];
  }
  const side = () => dice.pick(["dport", "dport", "dport", "sport"]);
  const list = [
    () => `${proto} ${side()} ${not(dice)}${dice.pick(PORTS)}`,
    () => `${proto} ${side()} ${not(dice)}{ ${dice.some(PORTS, dice.between(2, 4)).join(", ")} }`,
    () => `${proto} ${side()} ${not(dice)}${dice.pick(["1-1023", "1024-65535", "400-9000"])}`,
    () => `${proto} dport { 50-60, ${dice.pick([80, 443])}, 8000-9000 }`,
    () => `${proto} sport ${dice.pick([">=", "<"])} 20010`,
    () => `th dport ${not(dice)}${dice.pick(PORTS)}`,
    () => `${proto} checksum ${dice.pick([">= 0", "!= 0"])}`,
  ];
  if (proto === "udp") return [...list, () => `udp length ${dice.pick(["> 8", "8-60", "!= 9", "< 100"])}`];
  return [
    ...list,
    () => `tcp flags & (syn | ack) ${dice.pick(["==", "!="])} ${dice.pick(["syn", "ack", "(syn | ack)"])}`,
    () =>
      `tcp flags ${dice.pick(["syn", "ack", "rst", "syn,fin", "{ syn, ack }", "== syn", "!= syn", "! psh"])}`,
    () => `tcp flags & (fin | syn | rst | ack) == syn`,
    () => `tcp flags ${not(dice)}syn / syn,ack`,
    () => `tcp ackseq ${dice.pick(["0", "!= 0"])}`,
    () => `tcp sequence ${dice.pick(["!= 0", "0"])}`,
    () => `tcp doff ${dice.pick(["> 5", "5", "10"])}`,
    () => `tcp window ${dice.pick(["!= 0", "0"])}`,
    () => `tcp urgptr ${dice.pick(["0", "!= 0"])}`,
    () => `tcp reserved ${dice.pick(["0", "!= 0"])}`,
    () =>
      `tcp option ${dice.pick(["maxseg", "sack-perm", "timestamp", "window"])} ${dice.pick(["exists", "missing"])}`,
    () => `tcp option maxseg size ${dice.pick(["> 1000", "1460", "< 1400"])}`,
  ];
}

function ofIcmpv6(dice: Dice): (() => string)[] {
  return [
    () =>
      `icmpv6 type ${not(dice)}${dice.pick(["nd-neighbor-solicit", "nd-neighbor-advert", "packet-too-big", "{ packet-too-big, parameter-problem }", "128-136"])}`,
    () => `icmpv6 code ${not(dice)}${dice.pick(["no-route", "port-unreachable", "{ admin-prohibited, 3 }"])}`,
    // What nft 1.0.6 lists of it, `icmpv6 parameter-problem`, it cannot read.
    () => `icmpv6 type parameter-problem @th,32,32 ${dice.pick(["0", "6", "> 40"])}`,
    () => `icmpv6 max-delay ${dice.pick(["0", "> 0"])}`,
    () => `icmpv6 checksum ${dice.pick([">= 0", "!= 0"])}`,
  ];
}

function anyPort(dice: Dice): (() => string)[] {
  return [
    () => `meta l4proto { tcp, udp } th dport ${not(dice)}${dice.pick(PORTS)}`,
    () => `meta l4proto { tcp, udp } th dport ${not(dice)}{ 53, 80, 8000-8100 }`,
    () => `meta l4proto { tcp, udp } th sport ${dice.pick([">=", "<"])} 20010`,
    () => `meta l4proto { tcp, udp } th dport ${dice.pick([">", "<="])} 443`,
  ];
}

function concatenations(spot: NftSpot, proto: NftProto): (() => string)[] {
  const { dice, words, ground } = spot;
  const { ip } = words;
  const pairs = (): string =>
    distinct([0, 1, 2].map(() => `${someAddress(spot)} . ${dice.pick(PORTS)}`)).join(", ");
  const list = [
    () => `${ip} saddr . ${ip} daddr ${not(dice)}{ ${someAddress(spot)} . ${someAddress(spot)} }`,
    () => `${ip} saddr . ${ip} daddr ${not(dice)}{ ${someNetwork(spot)} . ${someNetwork(spot)} }`,
    () => `meta l4proto . th dport ${not(dice)}{ tcp . ${dice.pick(PORTS)}, udp . ${dice.pick(PORTS)} }`,
    () =>
      `meta l4proto . ${ip} daddr ${not(dice)}{ tcp . ${someAddress(spot)}, ${ground.plan.words.icmp} . ${someAddress(spot)} }`,
  ];
  if (proto === "tcp" || proto === "udp") {
    list.push(
      () => `${ip} daddr . ${proto} dport ${not(dice)}{ ${pairs()} }`,
      () =>
        `${ip} daddr . ${proto} dport ${not(dice)}{ ${someNetwork(spot)} . 1-1023, ${someAddress(spot)} . 8080 }`,
      () => `meta mark . ${proto} dport ${not(dice)}{ 0x1 . ${dice.pick(PORTS)}, 0x2 . ${dice.pick(PORTS)} }`,
    );
  }
  if (isTracked(spot)) list.push(() => `ct state . meta mark { new . 0x1, established . 0x1, new . 0x0 }`);
  return list;
}

function rawHeader({ dice, words }: NftSpot): (() => string)[] {
  if (words.ip === "ip")
    return [
      () => `@nh,64,8 ${dice.pick(["< 64", "64", "63"])}`,
      () => `@nh,72,8 ${not(dice)}${dice.pick([1, 6, 17])}`,
      () => `@nh,128,8 ${not(dice)}${dice.pick([10, 172])}`,
      () => `@nh,96,16 ${not(dice)}${dice.pick(["0x0af4", "0xac12"])}`,
      () => `@nh,8,8 ${not(dice)}0`,
    ];
  return [
    () => `@nh,56,8 ${dice.pick(["< 64", "64", "63"])}`,
    () => `@nh,48,8 ${not(dice)}${dice.pick([0, 6, 17, 44, 58])}`,
    () => `@nh,192,16 ${not(dice)}${dice.pick(["0xfd10", "0xfd18"])}`,
    () => `@nh,64,32 ${not(dice)}${dice.pick(["0xfd100244", "0xfd180000"])}`,
    () => `@nh,0,4 ${not(dice)}6`,
    () => `@nh,32,16 ${dice.pick(["> 60", "< 40", "24"])}`,
    () => `@nh,4,8 ${not(dice)}0`,
  ];
}

function rawIs(spot: NftSpot): (() => string)[] {
  const { dice, words, ground } = spot;
  const { icmp, icmpNumber } = ground.plan.words;
  const echo = `${words.icmp} type { echo-request, echo-reply }`;
  const request = icmpNumber === 1 ? 8 : 128;
  return [
    ...rawHeader(spot),
    () => `meta l4proto { tcp, udp } @th,16,16 ${not(dice)}${dice.pick(PORTS)}`,
    () => `meta l4proto tcp @th,104,8 & 2 == ${dice.pick([0, 2])}`,
    () => `meta l4proto ${icmp} @th,0,8 ${not(dice)}${request}`,
    // Of an echo the checksum is known, of an error that quotes an identification it is not.
    () => `${echo} th dport ${not(dice)}${dice.pick(["1024-32767", "0-20000"])}`,
    () => `${echo} @th,16,16 ${dice.pick(["> 32767", "< 20000", "!= 0"])}`,
    () => `${echo} @th,32,16 ${dice.pick([">= 20010", "< 20005"])}`,
    () => `${echo} @th,48,16 ${not(dice)}1`,
    () => `meta l4proto udp @th,32,16 > 8`,
  ];
}

/** Which of several questions for neighbours had which of the kernel's numbers a counter does not tell. */
function besidesDiscovery({ words }: NftSpot): string {
  return words.ip === "ip6" ? "meta l4proto { tcp, udp } " : "";
}

function generated(spot: NftSpot): (() => string)[] {
  const { dice, words } = spot;
  const asked = besidesDiscovery(spot);
  const number = () => dice.pick(["0", "!= 0", "1", "{ 0, 1 }"]);
  return [
    () => `numgen inc mod ${dice.pick([2, 3])} ${number()}`,
    () => `numgen inc mod 4 offset 10 ${dice.pick(["10", "> 11", "10-12"])}`,
    () => `jhash ${words.ip} saddr . ${words.ip} daddr mod ${dice.pick([2, 3])} seed 0xdeadbeef ${number()}`,
    () => `jhash ${words.ip} saddr mod 2 seed 0x7 ${dice.pick(["0", "1"])}`,
    () =>
      `jhash ${words.ip} saddr . ${words.ip} ${words.protocol} mod 4 seed 0x1 offset 2 ${dice.pick(["2-3", "> 3"])}`,
    () => `${asked}numgen random mod 2 ${dice.pick(["0", "1"])}`,
    () => `${asked}symhash mod 2 ${dice.pick(["0", "1"])}`,
    () => `${asked}jhash ${words.ip} daddr mod 2 ${dice.pick(["0", "1"])}`,
  ];
}

function linkIs(spot: NftSpot): (() => string)[] {
  const { dice, ground, words } = spot;
  const macs = [...ground.draft.hosts.values()].flatMap(({ links }) =>
    (links as readonly { readonly address: string }[]).slice(1).map(({ address }) => address),
  );
  const list = [
    () => `ether saddr ${not(dice)}${dice.pick(macs)}`,
    () => `ether daddr ${not(dice)}${dice.pick(macs)}`,
    () => `ether daddr ${not(dice)}{ ${dice.pick(macs)}, ff:ff:ff:ff:ff:ff }`,
    () => `ether type ${not(dice)}${words.ip}`,
    () => `vlan id ${not(dice)}5`,
  ];
  if (spot.family === "bridge") {
    if (spot.hook !== "output") list.push(() => `iifname ${not(dice)}"${dice.pick(spot.devices)}"`);
    if (spot.hook !== "prerouting" && spot.hook !== "input")
      list.push(() => `oifname ${not(dice)}"${dice.pick(spot.devices)}"`);
  }
  return list;
}

function socketIs(dice: Dice): (() => string)[] {
  return [
    () => `socket transparent ${dice.pick([0, 1])}`,
    () => `socket mark ${dice.pick(["0x0", "0x1"])}`,
    () => `socket wildcard ${dice.pick([0, 1])}`,
  ];
}

/** A named set or a map of flags asked. */
function namedSet(spot: NftSpot): Condition | null {
  const { dice, sets } = spot;
  const plain = sets.filter(({ data }) => data === null);
  if (plain.length === 0) return null;
  const { name, key } = dice.pick(plain);
  return condition("named", `${keyWords(spot, key)} ${not(dice)}@${name}`);
}

/** The expression that reads a key of a set. */
export function keyWords({ dice, words }: NftSpot, key: string): string {
  const side = dice.pick(["saddr", "daddr"]);
  return key
    .split(" . ")
    .map((part, i, parts) => {
      if (part === "addr")
        return `${words.ip} ${i > 0 && parts[0] === "addr" ? "saddr" : i === 0 && parts.lastIndexOf("addr") > 0 ? "daddr" : side}`;
      if (part === "port") return "th dport";
      if (part === "proto") return "meta l4proto";
      if (part === "mark") return "meta mark";
      return part;
    })
    .join(" . ");
}
