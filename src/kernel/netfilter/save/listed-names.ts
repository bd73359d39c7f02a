import { parseIcmpPort } from "../../ipset/icmp-names.ts";

/** Names that `iptables -L` prints for numbers, without `-n`, and the numbers it prints for names. */

/** Names that stand for a type whatever its code (iptables, `libxt_icmp.h`); the others are those of one code. */
const ICMP_TYPES: Readonly<Record<string, string>> = {
  ...{ "echo-reply": "0", "destination-unreachable": "3", "source-quench": "4", redirect: "5" },
  ...{ "echo-request": "8", "router-advertisement": "9", "router-solicitation": "10", "time-exceeded": "11" },
  ...{ "parameter-problem": "12", "timestamp-request": "13", "timestamp-reply": "14" },
  ...{ "address-mask-request": "17", "address-mask-reply": "18" },
};

/** A name of a message of ICMP behind `icmp`, with the `!` before it. */
export const ICMP_NAME = new RegExp(
  `^icmp (!)?(${Object.keys(ICMP_TYPES).join("|")}|(?:[a-z]+-)+(?:unreachable|unknown|prohibited|redirect|needed|failed))(?=\\s|$)`,
);

/** Type, or type and code, of a message; a name that nobody knows stays. */
export function icmpNumber(name: string): string {
  const type = ICMP_TYPES[name];
  if (type !== undefined) return type;
  const port = parseIcmpPort(name, 4);
  return port === undefined ? name : `${port >> 8}/${port & 0xff}`;
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

/** `0x11` with `-n`: the headers by their names. */
export function headerNames(text: string): string {
  if (!/^0x/i.test(text)) return text;
  const bits = Number(text);
  return HEADERS.filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join(",");
}

const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"] as const;

/** `0x17/0x02` with `-n`, `FIN,SYN,RST,ACK/SYN` without. */
export function flagNames(text: string): string[] {
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

/** Ports by number, whatever they were printed as. */
export function namedPorts(text: string): string {
  return text.replace(/[a-z][\w-]*/gi, (name) => SERVICES[name] ?? name);
}
