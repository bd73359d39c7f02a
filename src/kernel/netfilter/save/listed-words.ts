import { parseIcmpPort } from "../../ipset/icmp-names.ts";
import { quoteString } from "./quote.ts";

/** What stands behind the columns of a rule in `iptables -L`, as words of `iptables-save`. */
export interface ListedWords {
  readonly matches: readonly string[];
  readonly how: "-j" | "-g";
  /** The target's own options. */
  readonly target: readonly string[];
}

/** Read from the left, one extension's print after the other; `target` decides between what two extensions print alike. */
export function readListedWords(text: string, target: string): ListedWords {
  const matches: string[] = [];
  const options: string[] = [];
  let how: ListedWords["how"] = "-j";
  let rest = text.trim();
  while (rest !== "") {
    if (/^\[goto\]/.test(rest)) {
      how = "-g";
      rest = rest.slice("[goto]".length).trim();
      continue;
    }
    const read = readTarget(rest, target, options) ?? readMatch(rest, matches);
    if (read === undefined) {
      // Nothing models it, so a walk says that it met it.
      matches.push("-m", "listed", "--text", quoteString(rest));
      break;
    }
    rest = rest.slice(read).trim();
  }
  return { matches, how, target: options };
}

type Reading = readonly [pattern: RegExp, words: (found: readonly string[]) => readonly string[]];

/** How many characters were understood; undefined: none. */
function readBy(readings: readonly Reading[], text: string, words: string[]): number | undefined {
  for (const [pattern, read] of readings) {
    const found = pattern.exec(text);
    if (found === null) continue;
    words.push(...read(found.map((group) => group ?? "")));
    return found[0].length;
  }
  return undefined;
}

function readTarget(text: string, target: string, options: string[]): number | undefined {
  const readings = TARGETS[target];
  return readings === undefined ? undefined : readBy(readings, text, options);
}

function readMatch(text: string, matches: string[]): number | undefined {
  const comment = /^\/\* (.*?) \*\/(?=\s|$)/.exec(text);
  if (comment !== null) {
    matches.push("-m", "comment", "--comment", quoteString(comment[1] ?? ""));
    return comment[0].length;
  }
  return readBy(MATCHES, text, matches) ?? readPorts(text, matches);
}

const END = "(?=\\s|$)";

/** `! ` in front of an option, or nothing. */
const not = (text: string): string[] => (text === "" ? [] : ["!"]);

const TO: Reading = [
  /^to:(\S+)((?: (?:random-fully|random|persistent))*)/,
  ([, to = "", flags = ""]) => [
    to,
    ...flags
      .split(" ")
      .filter((flag) => flag !== "")
      .map((flag) => `--${flag}`),
  ],
];

const PORTS_AND_RANDOM: Reading = [
  /^(?:masq|redir) ports:? (\S+)/,
  ([, ports = ""]) => ["--to-ports", ports],
];
const RANDOM: Reading = [/^(random-fully|random)(?=\s|$)/, ([, flag = ""]) => [`--${flag}`]];

/** syslog's names, which LOG prints without `-n`. */
const LEVELS: Readonly<Record<string, string>> = {
  ...{ emerg: "0", alert: "1", crit: "2", error: "3", warning: "4", notice: "5", info: "6", debug: "7" },
};

const TARGETS: Readonly<Record<string, readonly Reading[]>> = {
  DNAT: [[TO[0], (found) => ["--to-destination", ...TO[1](found)]]],
  SNAT: [[TO[0], (found) => ["--to-source", ...TO[1](found)]]],
  NETMAP: [[/^to:(\S+)/, ([, to = ""]) => ["--to", to]]],
  MASQUERADE: [PORTS_AND_RANDOM, RANDOM],
  REDIRECT: [PORTS_AND_RANDOM, RANDOM],
  REJECT: [[/^reject-with (\S+)/, ([, how = ""]) => ["--reject-with", how]]],
  MARK: [
    [/^MARK (or|and|xor) (0x[\da-f]+)/i, ([, how = "", mark = ""]) => [`--${how.toLowerCase()}-mark`, mark]],
    [/^MARK set (0x[\da-f]+)/i, ([, mark = ""]) => ["--set-xmark", `${mark}/0xffffffff`]],
    [/^MARK xset (0x[\da-f]+\/0x[\da-f]+)/i, ([, mark = ""]) => ["--set-xmark", mark]],
  ],
  CONNMARK: [
    [
      /^CONNMARK (save|restore)(?: mask (0x[\da-f]+))?/,
      ([, how = "", mask = ""]) => [`--${how}-mark`, ...(mask === "" ? [] : ["--mask", mask])],
    ],
    [/^CONNMARK (?:set|xset) (0x[\da-f]+(?:\/0x[\da-f]+)?)/, ([, mark = ""]) => ["--set-xmark", mark]],
    [/^CONNMARK (or|and|xor) (0x[\da-f]+)/, ([, how = "", mark = ""]) => [`--${how}-mark`, mark]],
  ],
  LOG: [
    [/^LOG(?: flags \d+)? level (\w+)/, ([, level = ""]) => ["--log-level", LEVELS[level] ?? level]],
    [/^prefix "([^"]*)"/, ([, prefix = ""]) => ["--log-prefix", quoteString(prefix)]],
  ],
  NFLOG: [
    [
      /^nflog-prefix\s+"?([^"]*?)"?(?=\s+nflog-|$)/,
      ([, prefix = ""]) => ["--nflog-prefix", quoteString(prefix)],
    ],
    [/^nflog-group (\d+)/, ([, group = ""]) => ["--nflog-group", group]],
  ],
  TCPMSS: [
    [/^TCPMSS clamp to PMTU/, () => ["--clamp-mss-to-pmtu"]],
    [/^TCPMSS set (\d+)/, ([, mss = ""]) => ["--set-mss", mss]],
  ],
  TPROXY: [
    [
      /^TPROXY redirect (\S+):(\d+) mark (\S+)/,
      ([, address = "", port = "", mark = ""]) => [
        ...["--on-port", port, "--on-ip", address, "--tproxy-mark", mark],
      ],
    ],
  ],
  HL: [[/^HL (set|decrement|increment) (?:to|by) (\d+)/, (found) => hopChange("hl", found)]],
  TTL: [[/^TTL (set|decrement|increment) (?:to|by) (\d+)/, (found) => hopChange("ttl", found)]],
  CT: [[/^(?:CT )?(?:NOTRACK|notrack)/, () => ["--notrack"]]],
};

/** Names that stand for a type whatever its code (iptables, `libxt_icmp.h`); the others are those of one code. */
const ICMP_TYPES: Readonly<Record<string, string>> = {
  ...{ "echo-reply": "0", "destination-unreachable": "3", "source-quench": "4", redirect: "5" },
  ...{ "echo-request": "8", "router-advertisement": "9", "router-solicitation": "10", "time-exceeded": "11" },
  ...{ "parameter-problem": "12", "timestamp-request": "13", "timestamp-reply": "14" },
  ...{ "address-mask-request": "17", "address-mask-reply": "18" },
};

function hopChange(name: "hl" | "ttl", [, how = "", value = ""]: readonly string[]): string[] {
  return [`--${name}-${how.slice(0, 3)}`, value];
}

/** The headers an IPv6 packet may have, by the bit that `-n` prints. */
const HEADERS: readonly (readonly [number, string])[] = [
  [128, "hop-by-hop"],
  [64, "ipv6-opts"],
  [32, "ipv6-route"],
  [16, "ipv6-frag"],
  [8, "ah"],
  [4, "esp"],
  [2, "ipv6-nonxt"],
  [1, "protocol"],
];

const FRAGMENT_FLAGS: Readonly<Record<string, string>> = {
  ...{ reserved: "--fragres", first: "--fragfirst", more: "--fragmore", last: "--fraglast" },
};

function headersOf(text: string): string {
  if (!/^0x/i.test(text)) return text;
  const bits = Number(text);
  return HEADERS.filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join(",");
}

const HOPS: Readonly<Record<string, string>> = { "==": "eq", "!=": "eq", "<": "lt", ">": "gt" };

const ICMP_NAME = new RegExp(
  `^icmp (!)?(${Object.keys(ICMP_TYPES).join("|")}|(?:[a-z]+-)+(?:unreachable|unknown|prohibited|redirect|needed|failed))(?=\\s|$)`,
);

function icmpNumber(name: string): string {
  const type = ICMP_TYPES[name];
  if (type !== undefined) return type;
  const port = parseIcmpPort(name, 4);
  return port === undefined ? name : `${port >> 8}/${port & 0xff}`;
}

const MATCHES: readonly Reading[] = [
  [
    /^ADDRTYPE match((?: (?:src|dst)-type !?\S+| limit-(?:in|out))+)/,
    ([, words = ""]) => ["-m", "addrtype", ...readAddrtype(words)],
  ],
  [
    /^(! )?(ctstate|state|ctstatus|ctproto|ctorigdst|ctorigsrc|ctorigdstport|ctdir|ctrepldst|ctreplsrc) (\S+)/,
    ([, bang = "", name = "", value = ""]) => [
      ...["-m", name === "state" ? "state" : "conntrack", ...not(bang)],
      ...[`--${name}`, value],
    ],
  ],
  [
    /^(?:mark|MARK) match (!\s?)?(\S+)/,
    ([, bang = "", mark = ""]) => ["-m", "mark", ...not(bang), "--mark", mark],
  ],
  [
    /^connmark match\s+(!\s?)?(\S+)/i,
    ([, bang = "", mark = ""]) => ["-m", "connmark", ...not(bang), "--mark", mark],
  ],
  [
    /^statistic mode random (! )?probability ([\d.]+)/,
    ([, bang = "", odds = ""]) => [
      "-m",
      "statistic",
      "--mode",
      "random",
      ...not(bang),
      "--probability",
      odds,
    ],
  ],
  [
    /^statistic mode nth (! )?every (\d+)(?: packet (\d+))?/,
    ([, bang = "", every = "", packet = ""]) => [
      ...["-m", "statistic", "--mode", "nth", ...not(bang), "--every", every],
      ...(packet === "" ? [] : ["--packet", packet]),
    ],
  ],
  [
    /^(! )?match-set (\S+) ((?:src|dst)(?:,(?:src|dst))*)/,
    ([, bang = "", set = "", way = ""]) => ["-m", "set", ...not(bang), "--match-set", set, way],
  ],
  [
    /^limit: (?:avg|up to) (\S+) burst (\d+)/,
    ([, rate = "", burst = ""]) => ["-m", "limit", "--limit", rate, "--limit-burst", burst],
  ],
  [
    /^(! )?owner ([UG])ID match (\S+)/,
    ([, bang = "", who = "", id = ""]) => [
      ...["-m", "owner", ...not(bang)],
      ...[who === "U" ? "--uid-owner" : "--gid-owner", id],
    ],
  ],
  [
    /^(source|destination) IP range (! )?(\S+)/,
    ([, side = "", bang = "", range = ""]) => [
      "-m",
      "iprange",
      ...not(bang),
      `--${side === "source" ? "src" : "dst"}-range`,
      range,
    ],
  ],
  [
    /^(!)?icmptype (\d+)(?: code (\d+))?/,
    ([, bang = "", type = "", code = ""]) => [
      "-m",
      "icmp",
      ...not(bang),
      "--icmp-type",
      code === "" ? type : `${type}/${code}`,
    ],
  ],
  [
    /^ipv6-icmp(?: (!))?type (\d+)(?: code (\d+))?/,
    ([, bang = "", type = "", code = ""]) => [
      ...["-m", "icmp6", ...not(bang), "--icmpv6-type", code === "" ? type : `${type}/${code}`],
    ],
  ],
  [
    /^ipv6-icmp (!)?([a-z-]+)(?=\s|$)/,
    ([, bang = "", type = ""]) => ["-m", "icmp6", ...not(bang), "--icmpv6-type", type],
  ],
  [
    /^(TTL|HL) match (?:TTL|HL) (==|!=|<|>) (\d+)/,
    ([, what = "", how = "", value = ""]) => {
      const name = what.toLowerCase();
      return ["-m", name, ...(how === "!=" ? ["!"] : []), `--${name}-${HOPS[how]}`, value];
    },
  ],
  [
    /^frag(?: +ids?:(!)?(\d+(?::\d+)?))?(?: +length:(!)?(\d+))?((?: +(?:reserved|first|more|last))*)(?=\s|$)/,
    ([, notId = "", id = "", notLength = "", length = "", flags = ""]) => [
      ...["-m", "frag"],
      ...(id === "" ? [] : [...not(notId), "--fragid", id]),
      ...(length === "" ? [] : [...not(notLength), "--fraglen", length]),
      ...flags.split(" ").flatMap((flag) => (flag === "" ? [] : [FRAGMENT_FLAGS[flag] as string])),
    ],
  ],
  [
    /^ipv6header flags:(!)?(\S+)(?: (soft))?/,
    ([, bang = "", flags = "", soft = ""]) => [
      ...["-m", "ipv6header", ...not(bang), "--header", headersOf(flags)],
      ...(soft === "" ? [] : ["--soft"]),
    ],
  ],
  [/^eui64(?=\s|$)/, () => ["-m", "eui64"]],
  [ICMP_NAME, ([, bang = "", type = ""]) => ["-m", "icmp", ...not(bang), "--icmp-type", icmpNumber(type)]],
  [
    /^multiport (sports|dports|ports) (!)?(\S+)/,
    ([, side = "", bang = "", ports = ""]) => [
      "-m",
      "multiport",
      ...not(bang),
      `--${side}`,
      namedPorts(ports),
    ],
  ],
  [
    /^recent: (SET|CHECK|UPDATE|REMOVE)((?: (?:seconds: \d+|hit_count: \d+|TTL-Match|reap|name: \S+|side: \w+|mask: \S+))*)/,
    ([, what = "", words = ""]) => readRecent(what, words),
  ],
  [
    /^MAC (! ?)?((?:[\da-f]{2}:){5}[\da-f]{2})/i,
    ([, bang = "", mac = ""]) => ["-m", "mac", ...not(bang), "--mac-source", mac],
  ],
  [/^PHYSDEV match (--physdev-\S+(?: \S+)*)/, ([, words = ""]) => ["-m", "physdev", words]],
  [
    /^rpfilter((?: (?:invert|validmark|loose|accept-local))*)/,
    ([, words = ""]) => [
      "-m",
      "rpfilter",
      ...words
        .split(" ")
        .filter((word) => word !== "")
        .map((word) => `--${word}`),
    ],
  ],
];

function readAddrtype(words: string): string[] {
  return [...words.matchAll(/(src|dst)-type (!)?(\S+)|limit-(in|out)/g)].flatMap(
    ([, side, bang, type, limit]) =>
      limit === undefined
        ? [...(bang === undefined ? [] : ["!"]), `--${side}-type`, type ?? ""]
        : [`--limit-iface-${limit}`],
  );
}

function readRecent(what: string, words: string): string[] {
  const value = (name: string) => new RegExp(`\\b${name}: (\\S+)`).exec(words)?.[1];
  const option = (name: string, text: string | undefined) => (text === undefined ? [] : [`--${name}`, text]);
  return [
    ...["-m", "recent", what === "CHECK" ? "--rcheck" : `--${what.toLowerCase()}`],
    ...option("seconds", value("seconds")),
    ...option("hitcount", value("hit_count")),
    ...(/\breap\b/.test(words) ? ["--reap"] : []),
    ...option("name", value("name")),
    ...option("mask", value("mask")),
    value("side") === "dest" ? "--rdest" : "--rsource",
  ];
}

/** `tcp spt:X dpts:1:2 flags:0x17/0x02`; `tcp` alone is the match without a question. */
function readPorts(text: string, matches: string[]): number | undefined {
  const found = new RegExp(`^(tcp|udp|sctp|udplite)((?: (?:spts?|dpts?|flags|option):\\S+)*)${END}`).exec(
    text,
  );
  if (found === null) return undefined;
  const [all, protocol = "", words = ""] = found;
  matches.push("-m", protocol === "udplite" ? "udp" : protocol);
  for (const [, name = "", bang, value = ""] of words.matchAll(/(spts?|dpts?|flags|option):(!)?(\S+)/g)) {
    if (bang !== undefined) matches.push("!");
    if (name === "flags") matches.push("--tcp-flags", ...flagsOf(value));
    else if (name === "option") matches.push("--tcp-option", value);
    else matches.push(name.startsWith("s") ? "--sport" : "--dport", namedPorts(value));
  }
  return all.length;
}

const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"] as const;

/** `0x17/0x02` with `-n`, `FIN,SYN,RST,ACK/SYN` without. */
function flagsOf(text: string): string[] {
  return text.split("/").map((half) => {
    if (!/^0x/i.test(half)) return half;
    const bits = Number(half);
    const names = FLAGS.filter((_, i) => (bits & (1 << i)) !== 0);
    return names.length === 0 ? "NONE" : names.join(",");
  });
}

/** Names of /etc/services that such listings show. */
const SERVICES: Readonly<Record<string, string>> = {
  ...{ "ftp-data": "20", ftp: "21", ssh: "22", telnet: "23", smtp: "25", domain: "53", bootps: "67" },
  ...{ bootpc: "68", tftp: "69", http: "80", kerberos: "88", pop3: "110", sunrpc: "111", ntp: "123" },
  ...{
    imap2: "143",
    imap: "143",
    snmp: "161",
    ldap: "389",
    https: "443",
    "microsoft-ds": "445",
    ldaps: "636",
  },
  ...{
    imaps: "993",
    pop3s: "995",
    "ms-sql-s": "1433",
    mysql: "3306",
    postgresql: "5432",
    "http-alt": "8080",
  },
  ...{
    webcache: "8080",
    nfs: "2049",
    rsync: "873",
    socks: "1080",
    openvpn: "1194",
    redis: "6379",
    amqp: "5672",
  },
};

function namedPorts(text: string): string {
  return text.replace(/[a-z][\w-]*/gi, (name) => SERVICES[name] ?? name);
}
