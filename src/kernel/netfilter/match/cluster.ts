import { isMulticast6, word6 } from "../../../address/ip6-handle.ts";
import { PACKET_HOST, PACKET_MULTICAST, type Packet } from "../../../packet/packet.ts";
import { jhashWords, reciprocalScale, swap32 } from "../../nat/jhash.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { Match, MatchModule } from "./match.ts";

/** The share of all connections that one node of a cluster takes (net/netfilter/xt_cluster.c). */
export interface ClusterMatch extends Match {
  readonly kind: "cluster";
  readonly total: number;
  /** Nodes this one stands for, a bit each. */
  readonly nodes: number;
  readonly invert: boolean;
  readonly seed: number;
}

/** `XT_CLUSTER_NODES_MAX` */
const MAX_NODES = 32;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const cluster: MatchModule<ClusterMatch> = {
  kind: "cluster",
  needsConntrack: true,

  parse(reader) {
    const match: Mutable<ClusterMatch> = { kind: "cluster", total: 0, nodes: 0, invert: false, seed: 0 };
    let named = 0;
    let local = 0;
    let seeded = false;
    reader.options({
      "--cluster-total-nodes": () => {
        match.total = reader.uint(MAX_NODES, 1);
      },
      "--cluster-local-node": () => {
        named++;
        match.invert = reader.negated();
        local = reader.uint(MAX_NODES, 1);
        match.nodes = 1 << (local - 1);
      },
      "--cluster-local-nodemask": () => {
        named++;
        match.invert = reader.negated();
        match.nodes = reader.uint(0xffffffff, 1) | 0;
      },
      "--cluster-hash-seed": () => {
        seeded = true;
        match.seed = reader.uint(0xffffffff) | 0;
      },
    });
    if (match.total === 0 || named !== 1 || !seeded) {
      reader.fail(
        "it needs --cluster-total-nodes, --cluster-hash-seed and one of --cluster-local-node and --cluster-local-nodemask",
      );
    } else if (local > match.total || 32 - Math.clz32(match.nodes) > match.total)
      reader.fail(`there are only ${match.total} nodes`);
    return match;
  },

  format: ({ total, nodes, invert, seed }) =>
    `${invert ? "! " : ""}--cluster-local-nodemask ${hexWord(nodes)} --cluster-total-nodes ${total} --cluster-hash-seed ${hexWord(seed)}`,

  compile: (match) => new ClusterTest(match),
};

function hexWord(word: number): string {
  return `0x${(word >>> 0).toString(16).padStart(8, "0")}`;
}

const word = new Int32Array(1);

/** `xt_cluster_mt`. Runs per packet. */
class ClusterTest implements MatchTest {
  private readonly match: ClusterMatch;

  constructor(match: ClusterMatch) {
    this.match = match;
  }

  test(packet: Packet, { conntrack }: RuleContext): boolean {
    const { total, nodes, invert, seed } = this.match;
    // All nodes share a group's hardware address: what comes by it is this host's own.
    if (packet.pktType === PACKET_MULTICAST && !isGroup(packet)) packet.pktType = PACKET_HOST;
    const { ct } = packet;
    if (ct < 0) return false;
    const source = conntrack.origSrc(ct);
    // Of IPv6 the first word alone: the length is divided once too often (`xt_cluster_hash_ipv6`).
    word[0] = swap32(conntrack.family(ct) === 6 ? word6(source, 0) : source);
    const hash = jhashWords(word, 0, 4, seed);
    return (((1 << reciprocalScale(hash, total)) & nodes) !== 0) !== invert;
  }
}

function isGroup({ family, dst }: Packet): boolean {
  return family === 6 ? isMulticast6(dst) : dst >>> 28 === 14;
}
