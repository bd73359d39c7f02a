import type { Dice } from "./dice.ts";
import type { DraftNftSet, NftSide } from "./nft-spot.ts";
import { distinct, intervals } from "./random-nft-matches.ts";
import { PORTS } from "./topology.ts";

/** What a table declares beside its chains. */
export interface DeclaredSets {
  readonly sets: readonly DraftNftSet[];
  readonly objects: ReadonlyMap<string, readonly string[]>;
  /** Blocks of nft's, each a list of lines. */
  readonly lines: readonly string[];
}

/**
 * A few named sets, maps and objects for a table.
 *
 * @param chains verdict maps may go to these, which are there before anything names them
 * @param suffix of their names
 */
export function randomNftSets(
  dice: Dice,
  { ground, words }: NftSide,
  { chains, suffix }: { readonly chains: readonly string[]; readonly suffix: string },
): DeclaredSets {
  const { type } = words;
  const address = () => dice.pick([...ground.addresses, ...ground.virtual]);
  const port = () => dice.pick(PORTS);
  const some = (make: () => string, count: number) =>
    distinct(Array.from({ length: count }, make)).join(", ");
  const sets: DraftNftSet[] = [];
  const lines: string[] = [];
  const declare = (set: DraftNftSet, head: string, ...body: readonly string[]): void => {
    sets.push(set);
    lines.push(`\t${head} ${set.name} {`, ...body.map((line) => `\t\t${line}`), "\t}", "");
  };
  const spot = { dice, ground, words } as never;
  const keyed = (name: string, key: string, data: string | null, dynamic = false): DraftNftSet => ({
    name: `${name}${suffix}`,
    key,
    data,
    dynamic,
    aging: name === "d-aged" || name === "d-pair" || name === "d-map",
  });
  const unlike = (keys: readonly string[], value: () => string): string =>
    [...new Set(keys)].map((each) => `${each} : ${value()}`).join(", ");
  const kinds: (() => void)[] = [
    () => declare(keyed("s-addr", "addr", null), "set", `type ${type}`, `elements = { ${some(address, 4)} }`),
    () =>
      declare(
        keyed("s-net", "addr", null),
        "set",
        `type ${type}`,
        "flags interval",
        `elements = { ${intervals(spot)} }`,
      ),
    () =>
      declare(
        keyed("s-merged", "addr", null),
        "set",
        `type ${type}`,
        "flags interval",
        "auto-merge",
        `elements = { ${some(() => dice.pick([...ground.networks, ...ground.addresses]), 3)} }`,
      ),
    () =>
      declare(
        keyed("s-addr-port", "addr . port", null),
        "set",
        `type ${type} . inet_service`,
        `elements = { ${some(() => `${address()} . ${port()}`, 4)} }`,
      ),
    () =>
      declare(
        keyed("s-net-port", "addr . port", null),
        "set",
        `type ${type} . inet_service`,
        "flags interval",
        `elements = { ${dice.pick(ground.networks)} . 1-1000, ${address()} . 8080 }`,
      ),
    () =>
      declare(
        keyed("s-all", "addr . proto . port", null),
        "set",
        `typeof ${words.ip} daddr . meta l4proto . th dport`,
        `elements = { ${some(() => `${address()} . ${dice.pick(["tcp", "udp"])} . ${port()}`, 4)} }`,
      ),
    () =>
      declare(
        keyed("s-port", "port", null),
        "set",
        "type inet_service",
        "flags interval",
        `elements = { 50-60, ${dice.pick([80, 443])}, 8000-9000 }`,
      ),
    () => declare(keyed("s-mark", "mark", null), "set", "type mark", "elements = { 0x1, 0x3 }"),
    () =>
      declare(
        keyed("s-counted", "addr", null),
        "set",
        `type ${type}`,
        "counter",
        `elements = { ${some(address, 3)} }`,
      ),
    () => declare(keyed("d-addr", "addr", null, true), "set", `type ${type}`, "size 4", "flags dynamic"),
    () =>
      declare(
        keyed("d-aged", "addr", null, true),
        "set",
        `type ${type}`,
        "size 64",
        "flags dynamic,timeout",
        "timeout 1h",
        "gc-interval 1h",
      ),
    () =>
      declare(
        keyed("d-pair", "addr . port", null, true),
        "set",
        `type ${type} . inet_service`,
        "size 64",
        "flags dynamic,timeout",
        "timeout 1h",
      ),
    () =>
      declare(
        keyed("d-map", "addr", "mark", true),
        "map",
        `type ${type} : mark`,
        "size 64",
        "flags dynamic,timeout",
        "timeout 1h",
      ),
    () =>
      declare(
        keyed("m-addr", "port", "addr"),
        "map",
        `type inet_service : ${type}`,
        `elements = { ${unlike(dice.some(PORTS, 3).map(String), address)} }`,
      ),
    () =>
      declare(
        keyed("m-both", "addr . port", "addr . port"),
        "map",
        `type ${type} . inet_service : ${type} . inet_service`,
        `elements = { ${unlike(
          [0, 1, 2].map(() => `${address()} . ${port()}`),
          () => `${address()} . ${port()}`,
        )} }`,
      ),
    () =>
      declare(
        keyed("m-net", "addr", "addr"),
        "map",
        `type ${type} : ${type}`,
        "flags interval",
        `elements = { ${dice.pick(ground.networks)} : ${address()} }`,
      ),
  ];
  if (chains.length > 0) {
    const verdict = () =>
      dice.pick([
        "accept",
        "return",
        ...chains.map((name) => `jump ${name}`),
        ...chains.map((name) => `goto ${name}`),
      ]);
    kinds.push(
      () =>
        declare(
          keyed("v-addr", "addr", "verdict"),
          "map",
          `type ${type} : verdict`,
          `elements = { ${unlike([address(), address(), address()], verdict)} }`,
        ),
      () =>
        declare(
          keyed("v-port", "proto . port", "verdict"),
          "map",
          "type inet_proto . inet_service : verdict",
          `elements = { ${unlike(
            ["tcp", "udp"].map((proto) => `${proto} . ${port()}`),
            verdict,
          )} }`,
        ),
      () =>
        declare(
          keyed("v-net", "addr", "verdict"),
          "map",
          `type ${type} : verdict`,
          "flags interval",
          `elements = { ${dice.pick(ground.networks)} : ${verdict()} }`,
        ),
    );
  }
  for (const make of dice.some(kinds, dice.between(1, 6))) make();
  return { sets, ...randomObjects(dice, { suffix, l3proto: words.ip }, lines) };
}

function randomObjects(
  dice: Dice,
  { suffix, l3proto }: { readonly suffix: string; readonly l3proto: string },
  lines: string[],
): { readonly objects: ReadonlyMap<string, readonly string[]>; readonly lines: readonly string[] } {
  const objects = new Map<string, readonly string[]>();
  const kinds: (readonly [string, string])[] = [
    ["counter", "packets 0 bytes 0"],
    ["quota", dice.pick(["over 300 bytes", "2 kbytes", "10 mbytes"])],
    ["limit", `rate ${dice.pick(["over ", ""])}1/day burst 4 packets`],
    ["ct helper", `type "ftp" protocol tcp\n\t\tl3proto ${l3proto}`],
    ["ct timeout", `protocol tcp\n\t\tl3proto ${l3proto}\n\t\tpolicy = { established : 3600, close : 4 }`],
    ["ct expectation", `protocol tcp\n\t\tdport 9876\n\t\ttimeout 1m\n\t\tsize 12\n\t\tl3proto ${l3proto}`],
  ];
  const body: string[] = [];
  for (const [kind, text] of dice.some(kinds, dice.between(0, 3))) {
    const name = `o-${kind.replace(" ", "-")}${suffix}`;
    objects.set(kind, [name]);
    body.push(`\t${kind} ${name} {`, `\t\t${text}`, "\t}", "");
  }
  return { objects, lines: [...body, ...lines] };
}
