import type { RecordedQuery } from "../../src/lab/recorded.ts";
import type { Dice } from "./dice.ts";
import { type Ground, NOWHERE, PORTS } from "./topology.ts";

const SIZES = [0, 8, 100, 1300, 1372, 1400, 1428, 1472, 1473, 2000, 3000] as const;
/** Below the ports that the kernel picks for itself. */
const FIRST_PORT = 20_000;

/** Packets of all makes, aimed at what the world has and at what it has not. */
export function randomQueries(dice: Dice, ground: Ground, count: number): RecordedQuery[] {
  return Array.from({ length: count }, (_, i) => randomQuery(dice, ground, FIRST_PORT + i));
}

function randomQuery(dice: Dice, ground: Ground, sport: number): RecordedQuery {
  const from = dice.pick(ground.clients);
  const proto = dice.weighted<"tcp" | "udp" | "icmp">([
    [4, "tcp"],
    [4, "udp"],
    [3, "icmp"],
  ]);
  const dst = dice.weighted([
    [12, () => dice.pick(ground.addresses)],
    [1.2, () => dice.pick(ground.virtual)],
    [0.6, () => dice.pick(NOWHERE)],
    [0.3, () => "127.0.0.1"],
    // Nobody has it, so that the question who does stays unanswered.
    [0.15, () => `${dice.pick(ground.networks).split(".").slice(0, 3).join(".")}.199`],
  ])();
  const dport = dice.chance(0.93) ? dice.pick(PORTS) : dice.between(1, 1000);
  const base: RecordedQuery = {
    from,
    proto,
    dst,
    sport,
    count: 1,
    ...(proto === "icmp" ? {} : { dport }),
    ...(dice.chance(0.1) ? { ttl: dice.between(1, 6) } : {}),
    ...(dice.chance(0.35) ? { mark: dice.between(1, 3) } : {}),
  };
  if (dice.chance(0.09)) return forged(dice, ground, base);
  const own = ground.draft.hosts.get(from)?.addresses.filter(({ address }) => address !== "127.0.0.1") ?? [];
  return {
    ...base,
    ...(dice.chance(0.15) ? { uid: 1000 } : {}),
    ...(proto !== "tcp" && dice.chance(0.3) ? { size: dice.pick(SIZES) } : {}),
    ...(proto !== "tcp" && dice.chance(0.3) ? { df: true } : {}),
    ...(own.length > 0 && dice.chance(0.12) ? { src: dice.pick(own).address } : {}),
  };
}

/** Sent as it is, whatever its source and flags. */
function forged(dice: Dice, ground: Ground, base: RecordedQuery): RecordedQuery {
  // Its checksum covers its source, which is therefore given; a TTL, since no socket gives one.
  const own = ground.draft.hosts.get(base.from)?.addresses.map(({ address }) => address) ?? [];
  const any = [...ground.addresses, ...NOWHERE, "127.0.0.1", "224.0.0.5", "255.255.255.255"];
  return {
    ttl: 64,
    ...base,
    raw: true,
    listens: true,
    src: dice.pick(dice.chance(0.7) ? any : own),
    ...(base.proto === "tcp" ? { flags: dice.pick(["S", "SA", "A", "R", "F", "FA", "PA"]) } : {}),
    ...(base.proto !== "tcp" && dice.chance(0.3) ? { size: dice.pick(SIZES) } : {}),
    ...(dice.chance(0.2) ? { df: true } : {}),
  };
}
