import { ConntrackTable } from "../../src/kernel/conntrack/table.ts";
import { LINUX_PATH } from "../../src/kernel/path/linux-path.ts";
import type { Packet } from "../../src/packet/packet.ts";
import {
  devices,
  hosts,
  isUsual,
  type Misreading,
  matches,
  nftTables,
  policies,
  settings,
  statements,
  targets,
} from "./misreading.ts";
import type { WorldKind } from "./random-world.ts";

/**
 * Ways in which the model could be wrong, each of which the live truth must find: a mutated model walks the very packets that
 * the kernel was recorded with. Most misread the world, as a model that forgets something would; the others replace a part of
 * it while they run.
 */
export interface Mutation {
  readonly name: string;
  /** The worlds in which it is looked for. */
  readonly kind: WorldKind;
  /** Which group of showcases those worlds have, or which rarity. */
  readonly favour?: string;
  /** The world as a model with this mistake takes it. */
  readonly misread?: Misreading;
  /** Breaks the model; what it returns mends it again. */
  readonly broken?: () => () => void;
}

type Unplaced = Omit<Mutation, "kind">;

const VERDICTS: readonly Unplaced[] = [
  { name: "RETURN is taken for ACCEPT", misread: targets("RETURN", () => ({ kind: "ACCEPT" })) },
  { name: "goto is taken for a jump", misread: targets("goto", (target) => ({ ...target, kind: "jump" })) },
  {
    name: "a mark's mask is ignored",
    misread: matches("mark", (match) => ({ ...match, mask: -1 })),
  },
  {
    name: "REJECT answers with another code",
    misread: targets("REJECT", (target) => ({ ...target, rejectWith: "icmp-net-unreachable" })),
  },
  { name: "REJECT says nothing", misread: targets("REJECT", () => ({ kind: "DROP" })) },
  {
    name: "statistic nth is off by one",
    misread: matches("statistic", (match) => {
      const { packet, every } = match as {
        readonly packet?: number;
        readonly every?: { readonly value: number };
      };
      return packet === undefined || every === undefined
        ? match
        : { ...match, packet: (packet + 1) % Math.max(1, every.value + 1) };
    }),
  },
  {
    name: "limit lets one packet more through",
    misread: matches("limit", (match) => ({
      ...match,
      burst: (match as unknown as { burst: number }).burst + 1,
    })),
  },
  { name: "a policy DROP is ignored", misread: policies },
  { name: "conntrack forgets to confirm", broken: unconfirmed },
  {
    name: "conntrack matches nothing",
    misread: matches("conntrack", (match) => ({ ...match, state: { invert: false, value: 0 } })),
  },
  {
    name: "exceptions of a set are entries",
    misread: hosts((host) => ({
      ...host,
      ipsets:
        host.ipsets?.map((set) => ({
          ...set,
          entries: set.entries.map((entry) => ({ ...entry, nomatch: false })),
        })) ?? null,
    })),
  },
];

const CHANGES: readonly Unplaced[] = [
  {
    name: "MARK sets every bit",
    misread: targets("MARK", (target) => ({ ...target, mask: -1 })),
  },
  {
    name: "DNAT leaves the port",
    misread: targets("DNAT", (target) => {
      const { range } = target as unknown as { readonly range: object };
      return { ...target, range: { ...range, portMin: null, portMax: null } };
    }),
  },
  { name: "MASQUERADE does nothing", misread: targets("MASQUERADE", () => ({ kind: "ACCEPT" })) },
  { name: "a target TTL does nothing", misread: targets("TTL", () => null) },
  {
    name: "NOTRACK is ignored",
    misread: (world) => targets("NOTRACK", () => null)(targets("CT", () => null)(world)),
  },
];

const PATHS: readonly Unplaced[] = [
  {
    name: "blackholes answer",
    misread: hosts((host) => ({
      ...host,
      routes: host.routes.map((route) =>
        route.type === "blackhole" ? { ...route, type: "unreachable" as const } : route,
      ),
    })),
  },
  {
    name: "policy rules are ignored",
    misread: hosts((host) => ({ ...host, rules: host.rules.filter(isUsual) })),
  },
  { name: "rp_filter is ignored", misread: settings((name) => name.endsWith(".rp_filter")) },
  {
    name: "bridged packets are spared by iptables",
    misread: settings((name) => name.includes("bridge-nf-call"), "0"),
  },
  {
    name: "hairpin is the other way round",
    misread: devices((device) =>
      device.port === null ? device : { ...device, port: { ...device.port, hairpin: !device.port.hairpin } },
    ),
  },
  { name: "a device's MTU is ignored", misread: devices((device) => ({ ...device, mtu: 65_535 })) },
  { name: "the TTL is not decremented", broken: () => onTransmit(({ rtInput }) => (rtInput !== 0 ? 1 : 0)) },
  { name: "a tunnel knows no other end", misread: hosts((host) => ({ ...host, fdb: [] })) },
  {
    name: "nobody's neighbours are configured",
    misread: hosts((host) => ({ ...host, neighbours: [] })),
  },
];

const OF_IPV6: readonly Unplaced[] = [
  {
    name: "IPv6: RETURN is taken for ACCEPT",
    misread: targets("RETURN", () => ({ kind: "ACCEPT" }), "ip6tables"),
  },
  {
    name: "IPv6: REJECT answers with another code",
    misread: targets(
      "REJECT",
      (target) => ({ ...target, rejectWith: "icmp6-addr-unreachable" }),
      "ip6tables",
    ),
  },
  { name: "IPv6: HL does nothing", misread: targets("HL", () => null, "ip6tables") },
  {
    name: "IPv6: MASQUERADE does nothing",
    misread: targets("MASQUERADE", () => ({ kind: "ACCEPT" }), "ip6tables"),
  },
  {
    name: "IPv6: policy rules are ignored",
    misread: hosts((host) => ({ ...host, rules6: host.rules6.filter(isUsual) })),
  },
  {
    name: "IPv6: the hop limit is not decremented",
    broken: () => onTransmit(({ rtInput, family }) => (family === 6 && rtInput !== 0 ? 1 : 0)),
  },
  {
    name: "IPv6: hosts have a hop limit of 64 whatever is set",
    misread: settings((name) => name.endsWith(".hop_limit"), "64"),
  },
];

const OF_NFT: readonly Unplaced[] = [
  {
    name: "nft: goto is taken for a jump",
    misread: statements((statement) =>
      statement.kind === "verdict" && statement.verdict.kind === "goto"
        ? { ...statement, verdict: { ...statement.verdict, kind: "jump" } }
        : statement,
    ),
  },
  {
    name: "nft: return is taken for accept",
    misread: statements((statement) =>
      statement.kind === "verdict" && statement.verdict.kind === "return"
        ? { ...statement, verdict: { kind: "accept" } }
        : statement,
    ),
  },
  {
    name: "nft: drop is overlooked",
    misread: statements((statement) =>
      statement.kind === "verdict" && statement.verdict.kind === "drop" ? null : statement,
    ),
  },
  {
    name: "nft: comparisons hold",
    misread: statements((statement) => (statement.kind === "match" ? null : statement)),
  },
  {
    name: "nft: != is taken for ==",
    misread: statements((statement) =>
      statement.kind === "match" && statement.op === "!=" ? { ...statement, op: "==" } : statement,
    ),
  },
  {
    name: "nft: a verdict map says nothing",
    misread: statements((statement) => (statement.kind === "vmap" ? null : statement)),
  },
  {
    name: "nft: what is set of a packet stays",
    misread: statements((statement) => (statement.kind === "mangle" ? null : statement)),
  },
  {
    name: "nft: limits are never reached",
    misread: statements((statement) => (statement.kind === "limit" ? null : statement)),
  },
  {
    name: "nft: nothing is translated",
    misread: statements((statement) => (statement.kind === "nat" ? null : statement)),
  },
  {
    name: "nft: reject says nothing",
    misread: statements((statement) =>
      statement.kind === "reject" ? { kind: "verdict", verdict: { kind: "drop" } } : statement,
    ),
  },
  {
    name: "nft: chains of one hook run as they were made",
    misread: nftTables((table) => ({
      ...table,
      chains: table.chains.map((chain) =>
        chain.base === null ? chain : { ...chain, base: { ...chain.base, priority: 0 } },
      ),
    })),
  },
  {
    name: "nft: frames pass by tables of netdev and bridge",
    misread: nftTables((table) => (table.family === "netdev" || table.family === "bridge" ? null : table)),
  },
];

const OF_DEVICES: readonly Unplaced[] = [
  {
    name: "a frame redirected to an ifb is lost",
    favour: "filters: redirect",
    misread: hosts((host) => ({
      ...host,
      tc: {
        ...host.tc,
        filters: host.tc.filters.map((filter) => ({
          ...filter,
          lines: filter.lines.map((line) =>
            line.replace("Redirect to device ifb0", "Redirect to device nowhere"),
          ),
        })),
      },
    })),
  },
  {
    name: "a bridge gives frames back to the port they came by",
    favour: "own MAC",
    misread: devices((device) =>
      device.port === null ? device : { ...device, port: { ...device.port, hairpin: true } },
    ),
  },
  {
    name: "isolated ports speak to each other",
    favour: "isolated ports",
    misread: devices((device) =>
      device.port === null ? device : { ...device, port: { ...device.port, isolated: false } },
    ),
  },
  {
    name: "ports forward whatever their state",
    favour: "ports out of use",
    misread: devices((device) =>
      device.port === null ? device : { ...device, port: { ...device.port, state: "forwarding" } },
    ),
  },
  {
    name: "filters of traffic control are not asked",
    favour: "filters: drop",
    misread: hosts((host) => ({ ...host, tc: { ...host.tc, filters: [] } })),
  },
  {
    name: "a token bucket takes frames of any length",
    favour: "small burst",
    misread: hosts((host) => ({
      ...host,
      tc: { ...host.tc, qdiscs: host.tc.qdiscs.filter(({ kind }) => kind !== "tbf") },
    })),
  },
  {
    name: "every host answers ARP for all its addresses",
    favour: "macvlans",
    misread: settings((name) => name.endsWith(".arp_ignore")),
  },
];

const of = (kind: WorldKind, favour: string | null, list: readonly Unplaced[]): Mutation[] =>
  list.map((mutation) => ({ ...mutation, kind, ...(favour === null ? {} : { favour }) }));

export const MUTATIONS: readonly Mutation[] = [
  ...of("plain", "verdicts", VERDICTS),
  ...of("plain", "changes", CHANGES),
  ...of("plain", "paths", PATHS),
  ...of("v6", "IPv6", OF_IPV6),
  ...of("nft", "nftables", OF_NFT),
  ...of("faults", null, OF_DEVICES),
];

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Frames leave with so much more TTL. */
function onTransmit(more: (packet: Packet) => number): () => void {
  const path = LINUX_PATH as Writable<typeof LINUX_PATH>;
  const { transmit } = path;
  path.transmit = (stack, dev, packet) => {
    packet.ttl += more(packet);
    transmit(stack, dev, packet);
  };
  return () => {
    path.transmit = transmit;
  };
}

function unconfirmed(): () => void {
  const { confirm } = ConntrackTable.prototype;
  ConntrackTable.prototype.confirm = () => true;
  return () => {
    ConntrackTable.prototype.confirm = confirm;
  };
}
