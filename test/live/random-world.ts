import type { Family } from "../../src/address/ip.ts";
import type { RecordedQuery } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { Dice } from "./dice.ts";
import { type DraftHost, snapshotText } from "./draft.ts";
import { randomCluster } from "./random-cluster.ts";
import { addFaults, isOfTunnels, type Met } from "./random-faults.ts";
import { addRandomNft } from "./random-nft.ts";
import { randomQueries } from "./random-queries.ts";
import { addRandomRules } from "./random-rules.ts";
import { SELDOM_CONNECTIONS } from "./seldom-connections.ts";
import { NFT_HEADERS } from "./seldom-nft-headers.ts";
import { SELDOM_NFT } from "./seldom-nft-rules.ts";
import { SELDOM_NFT6 } from "./seldom-nft6-rules.ts";
import { SELDOM_PROTOCOLS } from "./seldom-protocols.ts";
import { NFT_PROXIES } from "./seldom-proxies.ts";
import { SELDOM_RULES } from "./seldom-rules.ts";
import { inTurn, putShowcases, type Showcase } from "./showcase.ts";
import { SHOWCASES } from "./showcases.ts";
import { NFT_VERDICTS } from "./showcases-nft.ts";
import { type Ground, randomTopology } from "./topology.ts";

/**
 * `plain`: of IPv4; `faults`: with what goes wrong below IP, and with rarer devices and packets besides; `nft`: with tables of nftables besides; `v6`: of IPv6 alone or of both; `nft6`: those with tables of nftables besides; `cluster`: what our agents write;
 * `all`: each in turn.
 */
export const WORLD_KINDS = ["plain", "faults", "nft", "v6", "nft6", "cluster", "all"] as const;
export type WorldKind = (typeof WORLD_KINDS)[number];

/** What `all` takes in turn. */
export const IN_TURN = ["plain", "v6", "cluster", "nft", "faults", "nft6"] as const;

/** A world and what is sent in it: all of it follows from the seed. */
export interface LiveWorld {
  readonly seed: number;
  readonly world: World;
  readonly queries: readonly RecordedQuery[];
}

/** Tables of nftables for most hosts, beside iptables or alone. */
function addNft(dice: Dice, grounds: readonly [Ground, ...Ground[]], host: DraftHost): void {
  if (dice.chance(0.7)) addRandomNft(dice, grounds, host);
  if (host.nftRuleset !== "" && dice.chance(0.5))
    for (const { plan } of grounds) host.iptablesSave[plan.family] = "";
}

/** What a world shall have besides what chance puts there. */
interface Besides {
  /** A group of showcases, or a rarity. */
  readonly favour?: string | null;
  /** The how manieth world of its kind it is: what is seldom met has its turn. */
  readonly round?: number;
}

/**
 * @throws Error where the generator wrote something that the project's own readers refuse
 */
export function randomWorld(
  seed: number,
  packets: number,
  kind: WorldKind = "plain",
  besides: Besides = {},
): LiveWorld {
  const dice = new Dice(seed, besides.favour);
  switch (kind) {
    case "all": {
      const turn = seed % IN_TURN.length;
      const round = Math.floor(seed / IN_TURN.length);
      // Counted on their own, clusters have their networks of pods in turn too.
      const own = IN_TURN[turn] === "cluster" ? round : seed;
      return { ...randomWorld(own, packets, IN_TURN[turn], { round }), seed };
    }
    case "cluster":
      return { seed, ...randomCluster(seed, packets) };
    case "v6":
    case "nft6":
      return ruledWorld(seed, packets, dice, dice.chance(0.6) ? [6] : [4, 6], kind, besides);
    case "faults": {
      const { favour = null, round } = besides;
      const isOf4 = round === undefined ? dice.chance(0.75) || favour !== null : round % ROUNDS_OF_6 !== 0;
      return ruledWorld(seed, packets, dice, isOf4 ? [4] : [4, 6], kind, besides);
    }
    default:
      return ruledWorld(seed, packets, dice, [4], kind, besides);
  }
}

const NOTHING_MET: Met = { aims: [], first: [] };

/** Every third world of faults that has its turn is of both families. */
const ROUNDS_OF_6 = 3;
const AIMS_IN_TURN = 2;

/** Hosts with random rule sets. */
function ruledWorld(
  seed: number,
  packets: number,
  dice: Dice,
  families: readonly Family[],
  kind: WorldKind,
  { favour = null, round }: Besides,
): LiveWorld {
  const tunnels = kind === "faults" && round !== undefined && isOfTunnels(round) ? true : undefined;
  const grounds = randomTopology(dice, families, tunnels);
  const [ground] = grounds;
  for (const name of new Set(ground.ruled)) {
    const host = ground.draft.hosts.get(name) as DraftHost;
    for (const each of grounds) addRandomRules(dice, each, host);
    if (kind === "nft" || kind === "nft6") addNft(dice, grounds, host);
  }
  const { aims, first } = kind === "faults" ? addFaults(dice, grounds, round) : NOTHING_MET;
  const last = grounds.at(-1) ?? ground;
  const meant = favour === null ? [] : (SHOWCASES[favour] ?? []);
  const seldom = round === undefined ? [] : inTurn(seldomIn(kind, last.plan.family), round);
  const shown = [
    ...first,
    ...putShowcases(dice, last, meant),
    ...putShowcases(dice, last, seldom, AIMS_IN_TURN),
  ];
  const snapshot = readSnapshot(`seed ${seed}`, snapshotText(ground.draft));
  if (snapshot.kind === "invalid") {
    const [first] = snapshot.errors;
    throw new Error(`seed ${seed}: ${first?.field ?? ""}: ${first?.message ?? ""}`);
  }
  return { seed, world: snapshot.world, queries: randomQueries(dice, grounds, packets, aims, shown) };
}

export function seldomIn(kind: WorldKind, family: Family): readonly Showcase[] {
  if (kind === "nft") return [...SELDOM_NFT, ...NFT_VERDICTS, ...NFT_HEADERS[4], ...NFT_PROXIES];
  if (kind === "nft6") return SELDOM_NFT6;
  if (kind !== "plain" && kind !== "v6") return [];
  return [...SELDOM_RULES[family], ...SELDOM_PROTOCOLS[family], ...SELDOM_CONNECTIONS];
}
