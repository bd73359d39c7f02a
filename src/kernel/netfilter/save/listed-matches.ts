import { flagNames, headerNames, ICMP_NAME, icmpNumber, namedPorts } from "./listed-names.ts";
import { type Reading, readBy } from "./listed-reading.ts";
import { quoteString } from "./quote.ts";

/** What matches print of themselves in `iptables -L`. */

/** The match at the beginning of a text; how many characters were understood, undefined: none. */
export function readListedMatch(text: string, matches: string[]): number | undefined {
  const comment = /^\/\* (.*?) \*\/(?=\s|$)/.exec(text);
  if (comment !== null) {
    matches.push("-m", "comment", "--comment", quoteString(comment[1] ?? ""));
    return comment[0].length;
  }
  return readBy(MATCHES, text, matches) ?? readPorts(text, matches);
}

/** `! ` in front of an option, or nothing. */
const not = (text: string): string[] => (text === "" ? [] : ["!"]);

const HOPS: Readonly<Record<string, string>> = { "==": "eq", "!=": "eq", "<": "lt", ">": "gt" };

const FRAGMENT_FLAGS: Readonly<Record<string, string>> = {
  ...{ reserved: "--fragres", first: "--fragfirst", more: "--fragmore", last: "--fraglast" },
};

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
      ...["-m", "ipv6header", ...not(bang), "--header", headerNames(flags)],
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

const PORTS = /^(tcp|udp|sctp|udplite)((?: (?:spts?|dpts?|flags|option):\S+)*)(?=\s|$)/;

/** `tcp spt:X dpts:1:2 flags:0x17/0x02`; `tcp` alone is the match without a question. */
function readPorts(text: string, matches: string[]): number | undefined {
  const found = PORTS.exec(text);
  if (found === null) return undefined;
  const [all, protocol = "", words = ""] = found;
  matches.push("-m", protocol === "udplite" ? "udp" : protocol);
  for (const [, name = "", bang, value = ""] of words.matchAll(/(spts?|dpts?|flags|option):(!)?(\S+)/g)) {
    if (bang !== undefined) matches.push("!");
    if (name === "flags") matches.push("--tcp-flags", ...flagNames(value));
    else if (name === "option") matches.push("--tcp-option", value);
    else matches.push(name.startsWith("s") ? "--sport" : "--dport", namedPorts(value));
  }
  return all.length;
}
