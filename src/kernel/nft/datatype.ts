/** A data type of nftables (nft(8), "Data types"). How a constant of it is read and written, `constant-text.ts` says. */
export interface DataType {
  readonly name: string;
  /** How values look: `number` decimal, `hex` eight digits, `raw` as many as it takes, `byte` two hexadecimal digits, the rest as named. */
  readonly form:
    | "number"
    | "hex"
    | "raw"
    | "byte"
    | "ipv4"
    | "ipv6"
    | "mac"
    | "name"
    | "quoted"
    | "protocol"
    | "classid"
    | "time";
  /** Bits, 0 where it has no width of its own. */
  readonly bits: number;
  /** A set of flags: a value without operator asks for any of its bits. */
  readonly isBitmask: boolean;
  readonly symbols: readonly (readonly [string, number])[];
  /** Elements of a named set that nft prints on one line. */
  readonly perLine: number;
}

type Symbols = readonly (readonly [string, number])[];

function type(
  name: string,
  form: DataType["form"],
  bits: number,
  symbols: Symbols = [],
  perLine = 1,
  isBitmask = false,
): DataType {
  return { name, form, bits, isBitmask, symbols, perLine };
}

const ICMP_TYPES: Symbols = [
  ["echo-reply", 0],
  ["destination-unreachable", 3],
  ["source-quench", 4],
  ["redirect", 5],
  ["echo-request", 8],
  ["router-advertisement", 9],
  ["router-solicitation", 10],
  ["time-exceeded", 11],
  ["parameter-problem", 12],
  ["timestamp-request", 13],
  ["timestamp-reply", 14],
  ["info-request", 15],
  ["info-reply", 16],
  ["address-mask-request", 17],
  ["address-mask-reply", 18],
];

const ICMPV6_TYPES: Symbols = [
  ["destination-unreachable", 1],
  ["packet-too-big", 2],
  ["time-exceeded", 3],
  ["parameter-problem", 4],
  ["echo-request", 128],
  ["echo-reply", 129],
  ["mld-listener-query", 130],
  ["mld-listener-report", 131],
  ["mld-listener-done", 132],
  ["mld-listener-reduction", 132],
  ["nd-router-solicit", 133],
  ["nd-router-advert", 134],
  ["nd-neighbor-solicit", 135],
  ["nd-neighbor-advert", 136],
  ["nd-redirect", 137],
  ["router-renumbering", 138],
  ["ind-neighbor-solicit", 141],
  ["ind-neighbor-advert", 142],
  ["mld2-listener-report", 143],
];

/** RFC 6275 6.1 and later ones (`IP6_MH_TYPE_*`). */
const MH_TYPES: Symbols = [
  ["binding-refresh-request", 0],
  ["home-test-init", 1],
  ["careof-test-init", 2],
  ["home-test", 3],
  ["careof-test", 4],
  ["binding-update", 5],
  ["binding-acknowledgement", 6],
  ["binding-error", 7],
  ["fast-binding-update", 8],
  ["fast-binding-acknowledgement", 9],
  ["fast-binding-advertisement", 10],
  ["experimental-mobility-header", 11],
  ["home-agent-switch-message", 12],
];

const ICMP_CODES: Symbols = [
  ["net-unreachable", 0],
  ["host-unreachable", 1],
  ["prot-unreachable", 2],
  ["port-unreachable", 3],
  ["frag-needed", 4],
  ["net-prohibited", 9],
  ["host-prohibited", 10],
  ["admin-prohibited", 13],
];

const ICMPV6_CODES: Symbols = [
  ["no-route", 0],
  ["admin-prohibited", 1],
  ["addr-unreachable", 3],
  ["port-unreachable", 4],
  ["policy-fail", 5],
  ["reject-route", 6],
];

/** `NFT_REJECT_ICMPX_*`. */
const ICMPX_CODES: Symbols = [
  ["no-route", 0],
  ["port-unreachable", 1],
  ["host-unreachable", 2],
  ["admin-prohibited", 3],
];

const DSCP: Symbols = [
  ["cs0", 0x00],
  ["cs1", 0x08],
  ["cs2", 0x10],
  ["cs3", 0x18],
  ["cs4", 0x20],
  ["cs5", 0x28],
  ["cs6", 0x30],
  ["cs7", 0x38],
  ["df", 0x00],
  ["be", 0x00],
  ["lephb", 0x01],
  ["af11", 0x0a],
  ["af12", 0x0c],
  ["af13", 0x0e],
  ["af21", 0x12],
  ["af22", 0x14],
  ["af23", 0x16],
  ["af31", 0x1a],
  ["af32", 0x1c],
  ["af33", 0x1e],
  ["af41", 0x22],
  ["af42", 0x24],
  ["af43", 0x26],
  ["va", 0x2c],
  ["ef", 0x2e],
];

const TCP_FLAGS: Symbols = [
  ["fin", 0x01],
  ["syn", 0x02],
  ["rst", 0x04],
  ["psh", 0x08],
  ["ack", 0x10],
  ["urg", 0x20],
  ["ecn", 0x40],
  ["cwr", 0x80],
];

/** `NF_CT_STATE_BIT`. */
const CT_STATES: Symbols = [
  ["invalid", 1],
  ["established", 2],
  ["related", 4],
  ["new", 8],
  ["untracked", 64],
];

const CT_STATUS: Symbols = [
  ["expected", 1],
  ["seen-reply", 2],
  ["assured", 4],
  ["confirmed", 8],
  ["snat", 16],
  ["dnat", 32],
  ["dying", 512],
];

/** `IPCT_*`. */
const CT_EVENTS: Symbols = [
  ["new", 0x001],
  ["related", 0x002],
  ["destroy", 0x004],
  ["reply", 0x008],
  ["assured", 0x010],
  ["protoinfo", 0x020],
  ["helper", 0x040],
  ["mark", 0x080],
  ["seqadj", 0x100],
  ["secmark", 0x200],
  ["label", 0x400],
];

const IGMP_TYPES: Symbols = [
  ["membership-query", 0x11],
  ["membership-report-v1", 0x12],
  ["membership-report-v2", 0x16],
  ["membership-report-v3", 0x22],
  ["leave-group", 0x17],
];

const DCCP_TYPES: Symbols = [
  ["request", 0],
  ["response", 1],
  ["data", 2],
  ["ack", 3],
  ["dataack", 4],
  ["closereq", 5],
  ["close", 6],
  ["reset", 7],
  ["sync", 8],
  ["syncack", 9],
];

const FIB_TYPES: Symbols = [
  ["unspec", 0],
  ["unicast", 1],
  ["local", 2],
  ["broadcast", 3],
  ["anycast", 4],
  ["multicast", 5],
  ["blackhole", 6],
  ["unreachable", 7],
  ["prohibit", 8],
];

const ETHER_TYPES: Symbols = [
  ["ip", 0x0800],
  ["arp", 0x0806],
  ["ip6", 0x86dd],
  ["8021q", 0x8100],
  ["8021ad", 0x88a8],
  ["vlan", 0x8100],
];

const LINK_TYPES: Symbols = [
  ["ether", 1],
  ["ppp", 512],
  ["ipip", 768],
  ["ipip6", 769],
  ["loopback", 772],
  ["sit", 776],
  ["ipgre", 778],
];

const ARP_OPERATIONS: Symbols = [
  ["request", 1],
  ["reply", 2],
  ["rrequest", 3],
  ["rreply", 4],
  ["inrequest", 8],
  ["inreply", 9],
  ["nak", 10],
];

const TYPES: readonly DataType[] = [
  type("integer", "number", 0, [], 5),
  type("boolean", "name", 1, [
    ["missing", 0],
    ["exists", 1],
  ]),
  type("string", "quoted", 0),
  type("raw", "raw", 0),
  type("mark", "hex", 32, [], 5),
  type("ipv4_addr", "ipv4", 32, [], 2),
  type("ipv6_addr", "ipv6", 128),
  type("ether_addr", "mac", 48),
  type("ether_type", "name", 16, ETHER_TYPES),
  type("inet_proto", "protocol", 8, [], 5),
  type("inet_service", "number", 16, [], 5),
  type("icmp_type", "name", 8, ICMP_TYPES),
  type("icmpv6_type", "name", 8, ICMPV6_TYPES),
  type("mh_type", "name", 8, MH_TYPES),
  type("icmp_code", "name", 8, ICMP_CODES),
  type("icmpv6_code", "name", 8, ICMPV6_CODES),
  type("icmpx_code", "name", 8, ICMPX_CODES),
  type("igmp_type", "name", 8, IGMP_TYPES),
  type("dccp_pkttype", "name", 4, DCCP_TYPES),
  type("tcp_flag", "name", 8, TCP_FLAGS, 5, true),
  type("dscp", "byte", 6, DSCP),
  type("ecn", "name", 2, [
    ["not-ect", 0],
    ["ect1", 1],
    ["ect0", 2],
    ["ce", 3],
  ]),
  type("ct_state", "name", 32, CT_STATES, 2, true),
  type("ct_status", "name", 32, CT_STATUS, 2, true),
  type("ct_dir", "name", 8, [
    ["original", 0],
    ["reply", 1],
  ]),
  type("ct_label", "number", 128, [], 1, true),
  type("ct_event", "name", 32, CT_EVENTS, 1, true),
  type(
    "nf_proto",
    "name",
    8,
    [
      ["ipv4", 2],
      ["ipv6", 10],
    ],
    5,
  ),
  type("fib_addrtype", "name", 32, FIB_TYPES),
  type(
    "pkt_type",
    "name",
    8,
    [
      ["host", 0],
      ["unicast", 0],
      ["broadcast", 1],
      ["multicast", 2],
      ["other", 3],
    ],
    2,
  ),
  type("iface_type", "name", 16, LINK_TYPES),
  type("iface_index", "quoted", 32, [], 5),
  type("ifname", "quoted", 128),
  type("arp_op", "name", 16, ARP_OPERATIONS, 5),
  type("uid", "number", 32, [], 5),
  type("gid", "number", 32, [], 5),
  type("devgroup", "name", 32, [["default", 0]]),
  type("realm", "name", 32, [["default", 0]]),
  type("classid", "classid", 32, [], 5),
  type("time", "time", 64),
  type("hour", "quoted", 32),
  type("day", "quoted", 8),
  type("date", "quoted", 64),
  type("cgroupsv2", "quoted", 64),
];

export const DATA_TYPES: ReadonlyMap<string, DataType> = new Map(TYPES.map((each) => [each.name, each]));

const INTEGER = DATA_TYPES.get("integer") as DataType;

/** A data type of a name; one nobody knows is a whole number. */
export function dataType(name: string): DataType {
  return DATA_TYPES.get(name) ?? INTEGER;
}

const symbolValues = new Map(TYPES.map((each) => [each.name, new Map(each.symbols)]));
const symbolNames = new Map(
  TYPES.map((each) => [
    each.name,
    new Map([...each.symbols].reverse().map(([name, value]) => [value, name])),
  ]),
);

/** What a symbol of a type stands for. */
export function symbolValue(typeName: string, symbol: string): number | undefined {
  return symbolValues.get(typeName)?.get(symbol);
}

/** The symbol of a value; of several the first, which is the one printed. */
export function symbolName(typeName: string, value: number): string | undefined {
  return symbolNames.get(typeName)?.get(value);
}
