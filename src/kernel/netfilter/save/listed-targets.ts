import { type Reading, readBy } from "./listed-reading.ts";
import { quoteString } from "./quote.ts";

/** What targets print of themselves in `iptables -L`. */

/** The target's options at the beginning of a text; how many characters were understood, undefined: none. */
export function readListedTarget(text: string, target: string, options: string[]): number | undefined {
  const readings = TARGETS[target];
  return readings === undefined ? undefined : readBy(readings, text, options);
}

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

function hopChange(name: "hl" | "ttl", [, how = "", value = ""]: readonly string[]): string[] {
  return [`--${name}-${how.slice(0, 3)}`, value];
}
