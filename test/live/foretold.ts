import { replay } from "../../src/lab/compare.ts";
import type { RecordedProbe, RecordedQuery, RecordedRuleHit } from "../../src/lab/recorded.ts";
import type { Outcome } from "../../src/walk/trace.ts";
import type { World } from "../../src/world/world.ts";
import type { Probed } from "./probing.ts";

/**
 * What the model alone says of a world's packets, in a recording's words: no kernel is asked. It tells in seconds what a world
 * is good for, not whether it is true.
 */
export function foretold(world: World, queries: readonly RecordedQuery[]): Probed[] {
  const probes = queries.map((query): RecordedProbe => ({ query, outcome: { result: "" } }));
  const recording = {
    file: "foretold",
    name: "foretold",
    description: "",
    setup: [],
    probes: probes.map((recorded) => ({ query: { ...recorded.query }, recorded: { ...recorded } })),
  };
  return [...replay(world, recording)].map(({ recorded, outcomes }): Probed => {
    const [outcome] = outcomes;
    if (outcome === undefined) return { recorded, difference: "no outcome", outcome };
    const frames = outcome.frames.map(({ host, device, direction, packet }) => ({
      ...{ ns: host, if: device, dir: direction, pkt: packet },
    })) as unknown as NonNullable<RecordedProbe["frames"]>;
    return { recorded: { ...recorded, frames, rulesHit: hits(world, outcome) }, difference: null, outcome };
  });
}

/** As counters tell them: rules of nftables have one only where they say so. */
function hits({ hosts }: World, { rules, hooks }: Outcome): RecordedRuleHit[] {
  const found = new Map<string, RecordedRuleHit>();
  for (const { host, packet, hook, table, chain, index } of rules) {
    const ofNft = /^\S+ /.test(table);
    const plain = hosts.get(host)?.nft?.tables.find((each) => `${each.family} ${each.name}` === table);
    const rule = plain?.chains.find(({ name }) => name === chain)?.rules[index - 1];
    if (ofNft && rule?.statements.some(({ kind }) => kind === "counter") !== true) continue;
    const visit = hooks.find((each) => each.host === host && each.packet === packet && each.hook === hook);
    const isOf6 = !ofNft && visit?.before.ip.src.includes(":") === true;
    const hit = { ns: host, table, chain, rule: index, packets: 1, ...(isOf6 ? { family: 6 } : {}) };
    found.set(JSON.stringify(hit), hit);
  }
  return [...found.values()];
}
