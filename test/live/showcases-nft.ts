import type { Aim } from "./random-queries.ts";
import { datagram, forwarded, received, type Scene, sceneOf, sent } from "./scene.ts";
import type { Showcase, Way } from "./showcase.ts";

/** A chain of a table of its own: before conntrack, where nothing else has come yet. */
interface ShownChain {
  readonly type?: "filter" | "nat";
  readonly hook: string;
  readonly priority: number;
}

const AT_OUTPUT: ShownChain = { hook: "output", priority: -310 };

/** Rules of a chain, and of chains that they go to. */
function rules(
  chain: ShownChain,
  way: Way,
  made: (asked: string, scene: Scene) => readonly string[],
  further: Readonly<Record<string, (asked: string) => readonly string[]>> = {},
  more: Partial<Aim> = {},
): Showcase {
  return (port) => (dice, ground) => {
    const scene = sceneOf(dice, ground);
    const asked = `${more.proto ?? "udp"} dport ${port}`;
    const { type = "filter", hook, priority } = chain;
    const base = `type ${type} hook ${hook} priority ${priority}; policy accept;`;
    scene.node.nftRuleset += table("ip", port, {
      ...Object.fromEntries(Object.entries(further).map(([name, own]) => [name, own(asked)])),
      base: [base, ...made(asked, scene)],
    });
    return way(scene, datagram(port, more));
  };
}

/** A table of its own, with what it declares before its chains. */
export function table(
  family: string,
  port: number,
  chains: Readonly<Record<string, readonly string[]>>,
  declared: readonly string[] = [],
): string {
  return [
    `table ${family} shown${port} {`,
    ...declared.map((text) => `\t${text}\n`),
    ...Object.entries(chains).flatMap(([name, lines]) => [
      `\tchain ${name} {`,
      ...lines.map((line) => `\t\t${line}`),
      "\t}",
    ]),
    "}",
    "",
  ].join("\n");
}

export const NFT_VERDICTS: readonly Showcase[] = [
  rules(AT_OUTPUT, sent, (asked) => [`${asked} counter jump returning`, `${asked} counter drop`], {
    returning: (asked) => [`${asked} counter return`, `${asked} counter accept`],
  }),
  rules(AT_OUTPUT, sent, (asked) => [`${asked} counter jump dropping`], {
    dropping: (asked) => [`${asked} counter drop`],
  }),
  rules(AT_OUTPUT, sent, (asked) => [`${asked} counter goto going`, `${asked} counter drop`], {
    going: (asked) => [`${asked} meta mark 0x77 counter accept`],
  }),
  rules(AT_OUTPUT, sent, (asked) => [`${asked} meta mark != 0x77 counter drop`]),
  rules(AT_OUTPUT, sent, (asked) => [`udp dport vmap { ${asked.split(" ").at(-1)} : drop }`]),
  rules(AT_OUTPUT, sent, (asked) => [`${asked} meta mark set 0x55 counter`, "meta mark 0x55 counter drop"]),
  rules(AT_OUTPUT, sent, (asked) => [
    `${asked} limit rate 1/day burst 1 packets counter accept`,
    `${asked} counter drop`,
  ]),
  rules({ type: "nat", hook: "output", priority: -110 }, sent, (asked, { gateway }) => [
    `${asked} counter dnat to ${gateway}:53`,
  ]),
  rules({ hook: "forward", priority: -10 }, forwarded, (asked) => [`${asked} counter reject`]),
  // The chain that is made last comes first.
  (port) => (dice, ground) => {
    const scene = sceneOf(dice, ground);
    scene.node.nftRuleset += table("ip", port, {
      later: ["type filter hook output priority -305; policy accept;", "meta mark 0x66 counter drop"],
      sooner: [
        "type filter hook output priority -310; policy accept;",
        `udp dport ${port} meta mark set 0x66 counter`,
      ],
    });
    return sent(scene, datagram(port));
  },
  (port) => (dice, ground) => {
    const scene = sceneOf(dice, ground);
    const base = `type filter hook ingress device "${scene.port}" priority 0; policy accept;`;
    scene.node.nftRuleset += table("netdev", port, { base: [base, `udp dport ${port} counter drop`] });
    return received(scene, datagram(port));
  },
];
