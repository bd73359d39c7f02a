import type { NftExpression } from "./expression.ts";

/**
 * What can be read from a packet and its surroundings, each with the data type of its value: the fields of headers
 * (`payload`), `meta` keys, `ct` keys.
 */

const PORTS = { sport: "inet_service", dport: "inet_service" };

/** Header to field to data type. */
const PAYLOAD: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ether: { daddr: "ether_addr", saddr: "ether_addr", type: "ether_type" },
  vlan: { id: "integer", cfi: "integer", dei: "integer", pcp: "integer", type: "ether_type" },
  arp: {
    htype: "integer",
    ptype: "ether_type",
    hlen: "integer",
    plen: "integer",
    operation: "arp_op",
    "saddr ip": "ipv4_addr",
    "daddr ip": "ipv4_addr",
    "saddr ether": "ether_addr",
    "daddr ether": "ether_addr",
  },
  ip: {
    version: "integer",
    hdrlength: "integer",
    dscp: "dscp",
    ecn: "ecn",
    length: "integer",
    id: "integer",
    "frag-off": "integer",
    ttl: "integer",
    protocol: "inet_proto",
    checksum: "integer",
    saddr: "ipv4_addr",
    daddr: "ipv4_addr",
  },
  ip6: {
    version: "integer",
    dscp: "dscp",
    ecn: "ecn",
    flowlabel: "integer",
    length: "integer",
    nexthdr: "inet_proto",
    hoplimit: "integer",
    saddr: "ipv6_addr",
    daddr: "ipv6_addr",
  },
  icmp: {
    type: "icmp_type",
    code: "icmp_code",
    checksum: "integer",
    id: "integer",
    sequence: "integer",
    gateway: "integer",
    mtu: "integer",
  },
  icmpv6: {
    type: "icmpv6_type",
    code: "icmpv6_code",
    checksum: "integer",
    "parameter-problem": "integer",
    "packet-too-big": "integer",
    mtu: "integer",
    id: "integer",
    sequence: "integer",
    "max-delay": "integer",
    taddr: "ipv6_addr",
    daddr: "ipv6_addr",
  },
  igmp: { type: "igmp_type", checksum: "integer", mrt: "integer", group: "integer" },
  tcp: {
    ...PORTS,
    sequence: "integer",
    ackseq: "integer",
    doff: "integer",
    reserved: "integer",
    flags: "tcp_flag",
    window: "integer",
    checksum: "integer",
    urgptr: "integer",
  },
  udp: { ...PORTS, length: "integer", checksum: "integer" },
  udplite: { ...PORTS, csumcov: "integer", checksum: "integer" },
  sctp: { ...PORTS, vtag: "integer", checksum: "integer" },
  dccp: { ...PORTS, type: "dccp_pkttype" },
  th: PORTS,
  ah: {
    nexthdr: "inet_proto",
    hdrlength: "integer",
    reserved: "integer",
    spi: "integer",
    sequence: "integer",
  },
  esp: { spi: "integer", sequence: "integer" },
  comp: { nexthdr: "inet_proto", flags: "integer", cpi: "integer" },
};

const META: Readonly<Record<string, string>> = {
  length: "integer",
  protocol: "ether_type",
  nfproto: "nf_proto",
  l4proto: "inet_proto",
  priority: "classid",
  mark: "mark",
  iif: "iface_index",
  iifname: "ifname",
  iiftype: "iface_type",
  iifgroup: "devgroup",
  iifkind: "ifname",
  oif: "iface_index",
  oifname: "ifname",
  oiftype: "iface_type",
  oifgroup: "devgroup",
  oifkind: "ifname",
  skuid: "uid",
  skgid: "gid",
  nftrace: "integer",
  rtclassid: "realm",
  secmark: "integer",
  pkttype: "pkt_type",
  cpu: "integer",
  cgroup: "integer",
  random: "integer",
  ipsec: "boolean",
  secpath: "boolean",
  ibrname: "ifname",
  obrname: "ifname",
  ibrpvid: "integer",
  ibrvproto: "ether_type",
  sdif: "iface_index",
  sdifname: "ifname",
  time: "date",
  day: "day",
  hour: "hour",
};

/** `meta` keys that may stand without the word. */
export const UNQUALIFIED_META: ReadonlySet<string> = new Set([
  "mark",
  "iif",
  "iifname",
  "iiftype",
  "iifgroup",
  "oif",
  "oifname",
  "oiftype",
  "oifgroup",
  "skuid",
  "skgid",
  "nftrace",
  "rtclassid",
  "ibrname",
  "obrname",
  "ibriport",
  "obriport",
  "pkttype",
  "cpu",
  "cgroup",
]);

const CT: Readonly<Record<string, string>> = {
  state: "ct_state",
  direction: "ct_dir",
  status: "ct_status",
  mark: "mark",
  expiration: "time",
  helper: "string",
  label: "ct_label",
  l3proto: "nf_proto",
  protocol: "inet_proto",
  "ip saddr": "ipv4_addr",
  "ip daddr": "ipv4_addr",
  "ip6 saddr": "ipv6_addr",
  "ip6 daddr": "ipv6_addr",
  saddr: "ipv4_addr",
  daddr: "ipv4_addr",
  "proto-src": "inet_service",
  "proto-dst": "inet_service",
  bytes: "integer",
  packets: "integer",
  avgpkt: "integer",
  zone: "integer",
  event: "ct_event",
  id: "integer",
  secmark: "integer",
};

const RT: Readonly<Record<string, string>> = {
  classid: "realm",
  mtu: "integer",
  ipsec: "boolean",
};

/** All that can be read, for who counts what has been tried: `payload ip saddr`, `meta mark`, `ct state`. */
export function readable(): string[] {
  return [
    ...Object.entries(PAYLOAD).flatMap(([header, fields]) =>
      Object.keys(fields).map((field) => `payload ${header} ${field}`),
    ),
    ...Object.keys(META).map((key) => `meta ${key}`),
    ...Object.keys(CT).map((key) => `ct ${key}`),
    ...Object.keys({ ...RT, nexthop: "" }).map((key) => `rt ${key}`),
  ];
}

export function isHeader(name: string): boolean {
  return Object.hasOwn(PAYLOAD, name);
}

export function payloadType(protocol: string, field: string): string | undefined {
  const fields = Object.hasOwn(PAYLOAD, protocol) ? PAYLOAD[protocol] : undefined;
  return fields !== undefined && Object.hasOwn(fields, field) ? fields[field] : undefined;
}

export function metaType(key: string): string | undefined {
  return Object.hasOwn(META, key) ? META[key] : undefined;
}

export function ctType(key: string): string | undefined {
  return Object.hasOwn(CT, key) ? CT[key] : undefined;
}

const FIB_RESULT_TYPES = { type: "fib_addrtype", oif: "iface_index", oifname: "ifname" } as const;

/**
 * `ct original saddr` is of the family of what it is compared with: nft lists it as `ip saddr` or `ip6 saddr`, and leaves that
 * out in JSON.
 *
 * @param isIpv6 of what stands on the right
 */
export function withCtFamily(expression: NftExpression, isIpv6: boolean): NftExpression {
  if (expression.kind !== "ct" || (expression.key !== "saddr" && expression.key !== "daddr"))
    return expression;
  return { ...expression, key: `${isIpv6 ? "ip6" : "ip"} ${expression.key}` };
}

/** Of an extension header's field, or an option: most are whole numbers. */
function optionType(text: string): string {
  // A header or an option by itself asks whether it is there.
  if (text.startsWith("exthdr ") || /^(?:tcp|ip) option \S+$|^sctp chunk \S+$/.test(text)) return "boolean";
  if (text === "socket mark") return "mark";
  if (text === "mh type") return "mh_type";
  if (text.startsWith("osf ")) return "string";
  if (text === "mh type") return "mh_type";
  if (/^(?:rt0|rt2|rt4|srh) (?:addr|sid)\b/.test(text)) return "ipv6_addr";
  return text.endsWith(" nexthdr") ? "inet_proto" : "integer";
}

/** The data types of an expression's value, one for each part of a concatenation. */
export function typesOf(expression: NftExpression): readonly string[] {
  switch (expression.kind) {
    case "concat":
      return expression.parts.flatMap(typesOf);
    case "constant":
      return [expression.type];
    case "payload":
      return [payloadType(expression.protocol, expression.field) ?? "integer"];
    case "raw-payload":
      return ["raw"];
    case "meta":
      return [metaType(expression.key) ?? "integer"];
    case "ct":
      return [ctType(expression.key) ?? "integer"];
    case "rt":
      if (expression.key === "nexthop") return [expression.family === "ip6" ? "ipv6_addr" : "ipv4_addr"];
      return [RT[expression.key] ?? "integer"];
    case "fib":
      return [FIB_RESULT_TYPES[expression.result]];
    case "binary":
      return typesOf(expression.left);
    case "prefix":
      return [expression.address.type];
    case "range":
      return [expression.from.type];
    case "other":
      return [optionType(expression.text)];
    case "list":
      return expression.values.slice(0, 1).map(({ type }) => type);
    default:
      return ["integer"];
  }
}
