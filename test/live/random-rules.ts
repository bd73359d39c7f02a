import type { Dice } from "./dice.ts";
import type { DraftHost } from "./draft.ts";
import { idleNeighbours } from "./idle-neighbours.ts";
import { type Proto, randomConditions, type Spot, someone } from "./random-matches.ts";
import { randomSets } from "./random-sets.ts";
import { TABLE_HOOKS } from "./rule-text.ts";
import { type Ground, PORTS } from "./topology.ts";

/** The kernel takes it for SYNs alone (`tcpmss_tg4_check`). */
const SET_MSS = "-j TCPMSS --set-mss 1404";
const CLAMP = "-j TCPMSS --clamp-mss-to-pmtu";

/** Gives a host a rule set, as `iptables-save` would print it, and the sets that it asks. */
export function addRandomRules(dice: Dice, ground: Ground, host: DraftHost): void {
  const { sets, text } = dice.chance(0.5) ? randomSets(dice, ground) : { sets: [], text: "" };
  host.ipsetSave += text;
  host.backend = dice.chance(0.5) ? "legacy" : "nft";
  let counter = 0;
  const tables = ["filter", "nat", "mangle", "raw"].filter((table) =>
    dice.chance({ filter: 0.85, nat: 0.75, mangle: 0.45, raw: 0.3 }[table] as number),
  );
  host.iptablesSave[ground.plan.family] = tables
    .map((table) => {
      const spotOf = (hooks: readonly string[]): Spot => ({
        dice,
        ground,
        devices: ground.devices.get(host.name) ?? [],
        host,
        sets,
        table,
        hooks,
        unique: () => counter++,
      });
      return tableText(dice, table, spotOf);
    })
    .join("");
}

function tableText(dice: Dice, table: string, spotOf: (hooks: readonly string[]) => Spot): string {
  const hooks = TABLE_HOOKS[table] as readonly string[];
  const chains: string[] = [];
  const rules: string[] = [];
  const isOf6 = spotOf(hooks).ground.plan.family === 6;
  const letsDiscover = isOf6 && dice.chance(0.6);
  // A user's chain belongs to one hook, so that its rules may hold whatever is allowed there.
  for (const hook of hooks) {
    const policy = table === "filter" && dice.chance(0.05) ? "DROP" : "ACCEPT";
    chains.push(`:${hook} ${policy} [0:0]`);
  }
  for (const hook of hooks) {
    const spot = spotOf([hook]);
    // Where a rule translates a tunnel's packet whose inner checksum is left to the card, the kernel spoils the outer one.
    if (table === "nat") rules.push(`-A ${hook} -p udp -m udp --dport 8472 -j ACCEPT`);
    // What hosts ask of routers and tell of their groups when they like, between the packets that are sent: rules that count would.
    const untimely = isOf6 && table !== "nat" ? [133, 143] : [];
    // Else few worlds of IPv6 would have a neighbour.
    const discovery = letsDiscover && table === "filter" ? [135, 136] : [];
    for (const type of [...untimely, ...discovery])
      rules.push(`-A ${hook} -p ipv6-icmp -m icmp6 --icmpv6-type ${type} -j ACCEPT`);
    const own = dice.chance(0.5) ? Array.from({ length: dice.between(1, 2) }, (_, i) => `${hook}-u${i}`) : [];
    for (const chain of own) chains.push(`:${chain} - [0:0]`);
    const count = dice.weighted([
      [2, 0],
      [3, 2],
      [3, 4],
      [1, 7],
    ]);
    for (let i = 0; i < count; i++) rules.push(ruleText(spot, hook, own));
    own.forEach((chain, depth) => {
      const deeper = own.slice(depth + 1);
      if (count === 0) rules.push(`-A ${hook} -j ${chain}`);
      for (let i = dice.between(1, 3); i > 0; i--) rules.push(ruleText(spot, chain, deeper));
    });
  }
  return [`*${table}`, ...chains, ...rules, "COMMIT", ""].join("\n");
}

function ruleText(spot: Spot, chain: string, deeper: readonly string[]): string {
  const { dice } = spot;
  if (deeper.length > 0 && dice.chance(0.3)) {
    const proto = dice.weighted<Proto>([
      [3, "all"],
      [1, "tcp"],
      [1, "udp"],
    ]);
    const way = dice.chance(0.3) ? "-g" : "-j";
    return join(`-A ${chain}`, randomConditions(spot, proto), `${way} ${dice.pick(deeper)}`);
  }
  const proto = dice.weighted<Proto>([
    [4, "tcp"],
    [3, "udp"],
    [2, "icmp"],
    [3, "all"],
  ]);
  const target = targetText(spot, proto);
  if (target === CLAMP || target === SET_MSS)
    return `-A ${chain} -p tcp -m tcp --tcp-flags SYN,RST SYN ${target}`;
  const conditions = randomConditions(spot, proto);
  // What takes packets away, or elsewhere, is aimed at some of them: else nothing in the world arrives.
  const aim =
    DIVERTING.test(target) && !/-[sd] /.test(conditions) ? `-${dice.pick(["s", "d"])} ${someone(spot)}` : "";
  return join(`-A ${chain}`, aim, conditions, target);
}

const DIVERTING = /^-j (DROP|REJECT|DNAT|REDIRECT|NETMAP|SNAT|TTL|HL|SET --del)/;

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

function targetText(spot: Spot, proto: Proto): string {
  const { dice, table, hooks, ground } = spot;
  const { words } = ground.plan;
  const [hook = ""] = hooks;
  const common: (readonly [number, string])[] = [
    [3, "-j ACCEPT"],
    [2, "-j RETURN"],
    [2, ""],
    [0.5, '-j LOG --log-prefix "live "'],
    [0.5, `-j NFLOG --nflog-group ${dice.between(1, 9)}`],
    [0.3, `-j AUDIT --type ${dice.pick(["accept", "drop", "reject"])}`],
    [0.6, `-j CONNMARK ${connmarkText(dice)}`],
    ...setTargets(spot),
  ];
  switch (table) {
    case "filter": {
      const reject = proto === "tcp" && dice.chance(0.4) ? "tcp-reset" : dice.pick(words.rejects);
      return dice.weighted([...common, [1.2, "-j DROP"], [2, `-j REJECT --reject-with ${reject}`]]);
    }
    case "nat":
      return natTarget(spot, proto, common, hook);
    case "mangle":
      return dice.weighted([...common, [0.4, "-j DROP"], ...mangleTargets(spot, proto, hook)]);
    default:
      return dice.weighted([
        ...common,
        [0.3, "-j DROP"],
        [2, "-j CT --notrack"],
        [1, "-j NOTRACK"],
        [0.5, "-j TRACE"],
      ]);
  }
}

function connmarkText(dice: Dice): string {
  return dice.pick([
    "--set-xmark 0x1/0xffffffff",
    "--set-xmark 0x2/0x3",
    "--save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
    "--restore-mark --nfmask 0xffffffff --ctmask 0xffffffff",
    "--restore-mark --nfmask 0x1 --ctmask 0x3",
  ]);
}

function setTargets({ dice, sets }: Spot): (readonly [number, string])[] {
  const simple = sets.filter(({ type }) => type === "hash:ip" || type === "hash:ip,port");
  if (simple.length === 0) return [];
  const { name, dimensions } = dice.pick(simple);
  const sides = Array.from({ length: dimensions }, () => dice.pick(["src", "dst"])).join(",");
  const act = dice.chance(0.3) ? "--del-set" : "--add-set";
  const exist = act === "--add-set" && dice.chance(0.3) ? " --exist" : "";
  return [[1.2, `-j SET ${act} ${name} ${sides}${exist}`]];
}

function mangleTargets(
  { dice, ground, host }: Spot,
  proto: Proto,
  hook: string,
): (readonly [number, string])[] {
  const { target, option } = ground.plan.words.hopCount;
  const isIpv4 = ground.plan.family === 4;
  const hex = (value: number) => `0x${value.toString(16)}`;
  if (proto === "tcp" && dice.chance(0.1))
    return [
      [
        4,
        dice.pick([
          ...(isIpv4 ? ["-j ECN --ecn-tcp-remove"] : []),
          "-j TCPOPTSTRIP --strip-options 2",
          "-j TCPOPTSTRIP --strip-options 3,8",
        ]),
      ],
    ];
  const idle = idleNeighbours(ground, host);
  const list: (readonly [number, string])[] = [
    [4, `-j MARK --set-xmark ${hex(dice.between(0, 3))}/${dice.pick(["0xffffffff", "0x3", "0x1"])}`],
    [1.5, `-j ${target} --${option}-${dice.pick(["set 1", "set 2", "set 40", "dec 1", "dec 70", "inc 5"])}`],
    [0.7, `-j DSCP --set-dscp ${hex(dice.pick([0, 10, 46]))}`],
    [0.7, `-j TOS --set-tos ${dice.pick(["0x10/0xff", "0x02/0x3f"])}`],
    [0.3, "-j CHECKSUM --checksum-fill"],
    // Of a connection both ends would hear everything twice, and say so when they have time; who forwards a copy may bring
    // it back to be copied again, and so may those it is sent through. Of IPv6 two answers alike are one to who records them, and who
    // is on link is sent the copy himself, whatever the gateway (`rt6_nexthop`).
    [
      idle.length > 0 && (isIpv4 ? proto === "udp" || proto === "icmp" : proto === "udp" && passesBy(hook))
        ? 0.9
        : 0,
      `-j TEE --gateway ${idle.length > 0 ? dice.pick(idle) : ""}`,
    ],
    [isIpv4 ? 0.5 : 0, `-j ECN --ecn-ip-ect ${dice.pick([0, 2])}`],
    [
      1,
      `-j HMARK --hmark-tuple ${hmarkTuple(dice, proto)} --hmark-mod 4 --hmark-rnd 0x${dice.between(1, 999)}`,
    ],
    [0.3, `-j IDLETIMER --timeout 600 --label i${dice.between(0, 9)}`],
    [
      0.3,
      `-j RATEEST --rateest-name e${dice.between(0, 99)} --rateest-interval 250ms --rateest-ewmalog 500ms`,
    ],
  ];
  if (hook === "FORWARD" || hook === "OUTPUT" || hook === "POSTROUTING") {
    list.push([0.5, `-j CLASSIFY --set-class 1:${dice.between(1, 9)}`]);
    if (proto === "tcp") list.push([0.5, CLAMP], [0.5, SET_MSS]);
  }
  return list;
}

/** A tunnel's source port is the kernel's free choice, and so would be the mark of what it carries. */
function hmarkTuple(dice: Dice, proto: Proto): string {
  const drawn = dice.some(["src", "dst", "sport", "dport", "proto", "ct"], dice.between(1, 4));
  const known = proto === "tcp" || proto === "icmp" ? drawn : drawn.filter((field) => field !== "sport");
  return known.length === 0 ? "src" : known.join(",");
}

function natTarget(
  { dice, ground }: Spot,
  proto: Proto,
  common: readonly (readonly [number, string])[],
  hook: string,
): string {
  const ported = proto === "tcp" || proto === "udp";
  const bare = () => dice.pick(ground.addresses);
  const port = () => (ported && dice.chance(0.6) ? String(dice.pick(PORTS)) : "");
  const withPort = (address: string, ports: string) =>
    ports === "" ? address : `${address.includes(":") ? `[${address}]` : address}:${ports}`;
  const address = () => withPort(bare(), port());
  const random = () => dice.pick(["", "", "", " --random-fully"]);
  if (hook === "PREROUTING" || hook === "OUTPUT") {
    const toPorts = ported ? ` --to-ports ${dice.pick([...PORTS, "8080-8081"])}` : "";
    return dice.weighted([
      ...common.slice(0, 3),
      [4, `-j DNAT --to-destination ${address()}`],
      [0.7, `-j DNAT --to-destination ${address()} --persistent`],
      [2, `-j REDIRECT${toPorts}`],
      [1, `-j NETMAP --to ${dice.pick(ground.networks)}`],
    ]);
  }
  const sources = hook === "INPUT" ? [] : ([[5, `-j MASQUERADE${random()}`]] as const);
  const to = ported && dice.chance(0.2) ? "40000-40100" : "";
  return dice.weighted([
    ...common.slice(0, 3),
    ...sources,
    [3, `-j SNAT --to-source ${withPort(bare(), to)}${random()}`],
    ...(hook === "INPUT" ? [] : ([[1, `-j NETMAP --to ${dice.pick(ground.networks)}`]] as const)),
  ]);
}

function passesBy(hook: string): boolean {
  return hook === "PREROUTING" || hook === "FORWARD";
}
