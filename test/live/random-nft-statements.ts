import {
  isFrame,
  isTracked,
  type NftProto,
  type NftSpot,
  narrowNetwork,
  someAddress,
  someNetwork,
} from "./nft-spot.ts";
import { distinct, keyWords, randomNftConditions } from "./random-nft-matches.ts";
import { PORTS } from "./topology.ts";

/** A rule: conditions, what may still stop it, its counter, and what it says in the end. */
export function randomNftRule(spot: NftSpot, targets: readonly string[]): string {
  const { dice, sets, family } = spot;
  if (family === "arp") return arpRule(spot);
  const proto = dice.weighted<NftProto>([
    [4, "tcp"],
    [3, "udp"],
    [2, "icmp"],
    [3, "all"],
  ]);
  const maps = sets.filter(({ data }) => data === "verdict");
  if (dice.chance(0.09))
    return join(randomNftConditions(spot, proto, false), "counter", verdictMap(spot, targets));
  if (maps.length > 0 && targets.length > 0 && dice.chance(0.08)) {
    const { name, key } = dice.pick(maps);
    return join("counter", `${keyWords(spot, key)} vmap @${name}`);
  }
  if (targets.length > 0 && dice.chance(0.25)) {
    const way = dice.chance(0.3) ? "goto" : "jump";
    return join(randomNftConditions(spot, proto, false), "counter", `${way} ${dice.pick(targets)}`);
  }
  const end = dice.chance(0.55) ? ending(spot, proto) : "";
  const middle = end === "" || dice.chance(0.2) ? inBetween(spot, proto) : "";
  // What takes packets away, or elsewhere, is aimed at some of them: else nothing in the world arrives.
  const aimed = DIVERTING.test(end) || DIVERTING.test(middle);
  const needs = needed(end, proto);
  return join(needs, randomNftConditions(spot, proto, aimed), middle, "counter", end);
}

const DIVERTING =
  /^(drop|reject|dnat|snat|redirect|fwd|ip ttl set|ip6 hoplimit set|tproxy|synproxy|ip6? [sd]addr set|tcp [sd]port set|udp [sd]port set)/;

/** What nft wants to know before it takes a statement, or what else would stop the rule behind its counter. */
function needed(end: string, proto: NftProto): string {
  if (/tcp reset/.test(end)) return "meta l4proto tcp";
  if (
    /^(dnat|snat|redirect|masquerade)\b.*(\]|\.\d+|to ):\d/.test(end) ||
    /^(tproxy|redirect|masquerade to)/.test(end)
  )
    return `meta l4proto ${proto === "udp" ? "udp" : "tcp"}`;
  if (/th dport.* map| \. \d/.test(end)) return `meta l4proto ${proto === "udp" ? "udp" : "tcp"}`;
  return "";
}

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

function verdictMap(spot: NftSpot, targets: readonly string[]): string {
  const { dice, words, ground } = spot;
  const verdict = () =>
    targets.length > 0 && dice.chance(0.5)
      ? `${dice.pick(["jump", "goto"])} ${dice.pick(targets)}`
      : dice.pick(["accept", "continue", "return", "return"]);
  const addresses = distinct([someAddress(spot), someAddress(spot), someAddress(spot)]);
  const list = [
    () =>
      `meta l4proto vmap { tcp : ${verdict()}, udp : ${verdict()}, ${ground.plan.words.icmp} : ${verdict()} }`,
    () => `${words.ip} daddr vmap { ${addresses.map((each) => `${each} : ${verdict()}`).join(", ")} }`,
    () => `${words.ip} saddr vmap { ${someNetwork(spot)} : ${verdict()} }`,
    () => `numgen inc mod 3 vmap { 0 : ${verdict()}, 1 : ${verdict()}, 2 : continue }`,
    () =>
      `meta l4proto . th dport vmap { tcp . ${dice.pick(PORTS)} : ${verdict()}, udp . ${dice.pick(PORTS)} : ${verdict()} }`,
    () => `tcp dport vmap { 1-100 : ${verdict()}, 400-500 : ${verdict()}, 8000-9000 : continue }`,
    () => `meta mark vmap { 0x1 : ${verdict()}, 0x2 : ${verdict()} }`,
    () =>
      `jhash ${words.ip} saddr . ${words.ip} daddr mod 4 seed 0x5eed vmap { 0 : ${verdict()}, 1-2 : ${verdict()} }`,
  ];
  if (isTracked(spot)) {
    list.push(
      () =>
        `ct state vmap { established : ${verdict()}, related : ${verdict()}, invalid : return, new : ${verdict()} }`,
      () => `ct direction vmap { original : ${verdict()}, reply : ${verdict()} }`,
    );
  }
  if (!isFrame(spot)) list.push(() => `fib daddr type vmap { local : ${verdict()}, unicast : ${verdict()} }`);
  return dice.pick(list)();
}

/** Statements that rules go on behind, some of them only sometimes. */
function inBetween(spot: NftSpot, proto: NftProto): string {
  const { dice, words, family, hook, sets, type } = spot;
  const hex = () => `0x${dice.between(0, 3).toString(16)}`;
  const list: (readonly [number, () => string])[] = [
    [2, () => ""],
    [4, () => `meta mark set ${hex()}`],
    [1, () => `meta mark set meta mark ${dice.pick(["| 0x1", "& 0x2", "^ 0x3"])}`],
    [0.7, () => `meta mark set ${words.ip} saddr map { ${marked(spot)} }`],
    [0.5, () => "meta mark set numgen inc mod 3"],
    [0.5, () => `meta mark set jhash ${words.ip} saddr . ${words.ip} daddr mod 4 seed 0x1`],
    [0.4, () => "meta l4proto { tcp, udp } meta mark set th dport map { 80 : 0x1, 53 : 0x2, 443 : 0x3 }"],
    [
      0.8,
      () =>
        `limit rate ${dice.pick(["", "over "])}${dice.pick(["1/hour burst 3 packets", "2/day", "1/week burst 2 packets", "100 bytes/day burst 400 bytes"])}`,
    ],
    [0.5, () => `quota ${dice.pick(["", "over "])}${dice.pick(["200 bytes", "1 kbytes", "10 mbytes"])}`],
    [0.3, () => `log prefix "live "${dice.pick(["", " level debug", " flags ip options", " flags all"])}`],
    [0.3, () => `log group ${dice.between(1, 9)}${dice.pick(["", " snaplen 80", " queue-threshold 3"])}`],
    [0.3, () => "meta nftrace set 1"],
    [0.3, () => `meta priority set ${dice.pick(["1:5", "none"])}`],
  ];
  for (const [kind, names] of spot.objects) {
    const name = () => dice.pick(names);
    if (kind === "counter" || kind === "quota" || kind === "limit")
      list.push([0.7, () => `${kind} name "${name()}"`]);
    if (
      kind === "ct helper" &&
      isTracked(spot) &&
      proto === "tcp" &&
      (hook === "prerouting" || hook === "output")
    )
      list.push([1, () => `tcp dport 21-8080 ct helper set "${name()}"`]);
    if (kind === "ct timeout" && isTracked(spot) && proto === "tcp")
      list.push([1, () => `meta l4proto tcp ct timeout set "${name()}"`]);
    if (kind === "ct expectation" && isTracked(spot) && proto === "tcp")
      list.push([1, () => `meta l4proto tcp ct expectation set "${name()}"`]);
  }
  const dynamic = sets.filter((set) => set.dynamic);
  if (dynamic.length > 0) {
    list.push([2.5, () => setChange(spot)]);
  }
  if (isTracked(spot)) {
    list.push(
      [1.5, () => `ct mark set ${dice.pick([hex(), "meta mark", "ct mark | 0x1", "numgen inc mod 4"])}`],
      [1, () => `meta mark set ct mark${dice.pick(["", " & 0x1"])}`],
      [0.6, () => `ct count ${dice.pick(["", "over "])}${dice.between(0, 2)}`],
      [0.2, () => "ct event set new,destroy"],
      [0.3, () => "ct label set 1"],
    );
  } else if (!isFrame(spot) && (hook === "prerouting" || hook === "output")) {
    list.push(
      [6, () => "notrack"],
      [1, () => `ct ${dice.pick(["", "original ", "reply "])}zone set ${dice.pick([1, 5])}`],
    );
  }
  if (type !== "nat" && !isFrame(spot)) {
    const ttl = `${words.ip} ${words.ttl}`;
    list.push(
      [0.6, () => `${ttl} set ${dice.pick([1, 2, 40, 64])}`],
      [0.6, () => `${words.ip} dscp set ${dice.pick(["ef", "cs0", "cs6"])}`],
      [0.3, () => `${words.ip} ecn set ${dice.pick(["ect0", "ce", "not-ect"])}`],
      // By its label a packet is known again at the next hop.
      [
        words.ip === "ip6" && (hook === "input" || hook === "output") ? 0.5 : 0,
        () => `ip6 flowlabel set ${dice.between(1, 0xfffff)}`,
      ],
      [0.25, () => `${words.ip} saddr set ${someAddress(spot)}`],
      [0.25, () => `${words.ip} daddr set ${someAddress(spot)}`],
    );
    if (proto === "tcp" || proto === "udp")
      list.push(
        [0.3, () => `${proto} dport set ${dice.pick(PORTS)}`],
        [0.2, () => `${proto} sport set ${dice.pick([7777, 80])}`],
      );
    if (proto === "tcp" && hook !== "input") {
      list.push([
        0.5,
        () => `tcp flags syn tcp option maxseg size set ${hook === "prerouting" ? "1200" : "rt mtu"}`,
      ]);
      list.push([0.3, () => `reset tcp option ${dice.pick(["maxseg", "sack-perm"])}`]);
    }
    // Two copies of a segment are answered alike, which a recording does not tell apart, and of IPv6 no packet; and a copy
    // that others send on may come back.
    const passesBy = hook === "prerouting" || hook === "forward";
    const isCopied =
      (passesBy || family === "ip") && (proto === "udp" || (proto === "icmp" && words.ip === "ip"));
    if (isCopied && family === words.ip && spot.idle.length > 0)
      list.push([0.8, () => `meta l4proto ${proto} dup to ${dice.pick(spot.idle)}`]);
  }
  if (family === "netdev") {
    // Nor a connection's here: what both ends say to copies comes in an order that is the machine's.
    if (proto !== "tcp" && proto !== "all")
      list.push([0.5, () => `meta l4proto ${proto} dup to "${card(spot)}"`]);
    if (hook === "ingress") list.push([0.3, () => `meta pkttype set ${dice.pick(["host", "other"])}`]);
  }
  if (isFrame(spot)) list.push([0.4, () => `${words.ip} ${words.ttl} set ${dice.pick([2, 40, 64])}`]);
  return dice.weighted(list)();
}

function card({ dice, devices }: NftSpot): string {
  return dice.pick(devices.filter((name) => name !== "lo"));
}

function marked(spot: NftSpot): string {
  return distinct([someAddress(spot), someAddress(spot)])
    .map((address, i) => `${address} : 0x${i + 1}`)
    .join(", ");
}

function setChange(spot: NftSpot): string {
  const { dice, sets } = spot;
  const { name, key, data, aging } = dice.pick(sets.filter((set) => set.dynamic));
  const op = dice.weighted([
    [4, "add"],
    [3, "update"],
    [data === null ? 1 : 0, "delete"],
  ]);
  const value =
    data === null || op === "delete"
      ? ""
      : data === "mark"
        ? ` : ${dice.pick(["meta mark", "0x3"])}`
        : ` : ${spot.words.ip} saddr`;
  const words = keyWords(spot, key);
  // Of ICMP a checksum stands at the ports' place, which the walk does not know.
  const guard = words.includes("th dport") ? "meta l4proto { tcp, udp } " : "";
  if (op === "delete" || data !== null) return `${guard}${op} @${name} { ${words}${value} }`;
  const timeout = aging && dice.chance(0.3) ? " timeout 2h" : "";
  const own = dice.weighted([
    [6, ""],
    [1, " counter"],
    [1, " limit rate 1/day burst 2 packets"],
    [1, " limit rate over 1/day burst 2 packets"],
    [0.6, " quota over 150 bytes"],
    ...(isTracked(spot) && !aging ? ([[0.7, " ct count over 1"]] as const) : []),
  ]);
  return `${guard}${op} @${name} { ${words}${timeout}${own} }`;
}

const REJECTS_BOTH = ["host-unreachable", "no-route", "admin-prohibited", "port-unreachable"] as const;

/** What a rule ends with. */
function ending(spot: NftSpot, proto: NftProto): string {
  const { dice, family, hook, type, words } = spot;
  if (type === "nat") return translation(spot, proto);
  const list: (readonly [number, () => string])[] = [
    [3, () => "accept"],
    [2, () => "return"],
    [0.5, () => "continue"],
    [1.2, () => "drop"],
  ];
  const mayReject =
    !isFrame(spot) &&
    type === "filter" &&
    (hook === "input" || hook === "forward" || hook === "output" || hook === "prerouting");
  if (mayReject) {
    const reject = () => {
      if (proto === "tcp" && dice.chance(0.4)) return "reject with tcp reset";
      if (family === "inet")
        return `reject${dice.chance(0.2) ? "" : ` with icmpx ${dice.pick(REJECTS_BOTH)}`}`;
      return `reject${dice.pick(["", ...words.rejects.map((code) => ` with ${words.icmp} ${code}`)])}`;
    };
    list.push([2, reject]);
  }
  if (family === "netdev") list.push([1.5, () => `fwd to "${card(spot)}"`]);
  if (type === "filter" && hook === "prerouting" && !isFrame(spot) && (proto === "tcp" || proto === "udp"))
    list.push([
      0.5,
      () =>
        `tproxy ${family === "inet" ? `${spot.words.ip} ` : ""}to ${dice.pick([":80", withPort(someAddress(spot), ":8080"), ":53"])}`,
    ]);
  return dice.weighted(list)();
}

function translation(spot: NftSpot, proto: NftProto): string {
  const { dice, family, hook, words, sets } = spot;
  const ported = proto === "tcp" || proto === "udp";
  const of = family === "inet" ? ` ${words.ip}` : "";
  const port = () => (ported && dice.chance(0.6) ? `:${dice.pick(PORTS)}` : "");
  const to = () => withPort(someAddress(spot), port());
  const flags = (): string =>
    dice.weighted([
      [6, ""],
      [1, " persistent"],
      [0.5, " random"],
      [0.5, " fully-random"],
      [0.3, " random,persistent"],
    ]);
  const common: (readonly [number, () => string])[] = [
    [2, () => "accept"],
    [1, () => "return"],
  ];
  if (hook === "prerouting" || hook === "output") {
    const maps = sets.filter(({ data, dynamic }) => !dynamic && (data === "addr" || data === "addr . port"));
    return dice.weighted<() => string>([
      ...common,
      [4, () => `dnat${of} to ${to()}`],
      [0.5, () => `dnat${of} to ${to()} persistent`],
      [0.8, () => `dnat${of} to ${range(spot)}`],
      [
        0.7,
        () => `dnat${of} prefix to ${words.ip} daddr map { ${narrowNetwork(spot)} : ${narrowNetwork(spot)} }`,
      ],
      [1.2, () => `dnat${of} to numgen inc mod 2 map { 0 : ${someAddress(spot)}, 1 : ${someAddress(spot)} }`],
      [
        1,
        () =>
          `dnat${of} to jhash ${words.ip} saddr mod 2 seed 0x99 map { 0 : ${someAddress(spot)}, 1 : ${someAddress(spot)} }`,
      ],
      ...(ported
        ? ([
            [
              1,
              () =>
                `dnat${of} to ${proto} dport map { 80 : ${someAddress(spot)}, 53 : ${someAddress(spot)} }`,
            ],
            [
              1,
              () =>
                `dnat${of} ${family === "inet" ? "" : `${words.ip} `}to numgen inc mod 2 map { 0 : ${someAddress(spot)} . ${dice.pick(PORTS)}, 1 : ${someAddress(spot)} . ${dice.pick(PORTS)} }`,
            ],
            [1.5, () => `redirect to :${dice.pick([80, 8080, "8080-8081"])}`],
          ] as const)
        : []),
      [1.5, () => "redirect"],
      ...(maps.length > 0
        ? ([
            [
              3,
              () => {
                const { name, key, data } = dice.pick(maps);
                return `dnat${family === "inet" || data === "addr . port" ? ` ${words.ip}` : ""} to ${keyWords(spot, key)} map @${name}`;
              },
            ],
          ] as const)
        : []),
    ])();
  }
  const sources: (readonly [number, () => string])[] =
    hook === "input"
      ? []
      : [
          [
            5,
            () =>
              `masquerade${ported && dice.chance(0.15) ? " to :40000-40100" : ""}${dice.pick(["", "", "", " random", " fully-random"])}`,
          ],
        ];
  return dice.weighted<() => string>([
    ...common,
    ...sources,
    [
      3,
      () =>
        `snat${of} to ${withPort(someAddress(spot), ported && dice.chance(0.2) ? ":40000-40100" : "")}${flags()}`,
    ],
    [0.6, () => `snat${of} to ${range(spot)}${dice.pick(["", " persistent"])}`],
    [0.6, () => `snat${of} to ${words.ip} saddr map { ${someAddress(spot)} : ${someAddress(spot)} }`],
    [
      0.6,
      () => `snat${of} prefix to ${words.ip} saddr map { ${narrowNetwork(spot)} : ${narrowNetwork(spot)} }`,
    ],
  ])();
}

/** @param port with its colon, or nothing */
function withPort(address: string, port: string): string {
  return port !== "" && address.includes(":") ? `[${address}]${port}` : `${address}${port}`;
}

/** A few addresses that somebody of this world may have. */
function range(spot: NftSpot): string {
  const { parts, joined } = spot.ground.plan;
  const address = someAddress(spot);
  const [base, last] = parts(address);
  return `${address}-${joined(base, last + 1)}`;
}

function arpRule(spot: NftSpot): string {
  const { dice } = spot;
  const asked = dice.pick([
    () => `arp operation ${dice.pick(["request", "reply", "!= request"])}`,
    () => `arp daddr ip ${someAddress(spot)}`,
    () => `arp saddr ip ${dice.pick(["", "!= "])}${someAddress(spot)}`,
    () => "arp htype 1 arp ptype ip",
    () => "arp plen 4",
    () => `arp saddr ip ${someNetwork(spot)}`,
  ]);
  const end = dice.weighted([
    [4, ""],
    [2, "accept"],
    [1, "drop"],
    [1, "meta mark set 0x2"],
  ]);
  return end === "drop" ? `arp daddr ip ${someAddress(spot)} counter drop` : join(asked(), "counter", end);
}
