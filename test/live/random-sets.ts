import type { AddressPlan } from "./address-plan.ts";
import type { Dice } from "./dice.ts";
import { type Ground, PORTS } from "./topology.ts";

/** A set that rules can ask: its name, and how many values of a packet it looks at. */
export interface DraftSet {
  readonly name: string;
  readonly type: string;
  readonly dimensions: number;
}

const HASHES = [
  "hash:ip",
  "hash:net",
  "hash:ip,port",
  "hash:net,port",
  "hash:ip,port,ip",
  "hash:ip,port,net",
  "hash:net,iface",
] as const;

function kindsOf({ family, words }: AddressPlan): (readonly [type: string, head: string])[] {
  return [
    ...HASHES.map((type, i): readonly [string, string] => [
      type,
      `${type} family ${words.ipset} hashsize 64 maxelem 64 bucketsize 12 initval 0x${i + 1}`,
    ]),
    ["bitmap:port", "bitmap:port range 0-9000"],
    // Of IPv4 alone.
    ...(family === 4 ? [["bitmap:ip", "bitmap:ip range 10.244.64.0-10.244.127.255"] as const] : []),
    ["list:set", "list:set size 8"],
  ];
}

/** `ipset save` of a few sets, with entries that packets of this world can be in. */
export function randomSets(dice: Dice, ground: Ground): { readonly sets: DraftSet[]; readonly text: string } {
  const { plan } = ground;
  // Each family's have names of their own: a host's sets are one list.
  const head = plan.family === 6 ? "s6" : "s";
  const sets: DraftSet[] = [];
  const lines: string[] = [];
  for (const [type, made] of dice.some(kindsOf(plan), dice.between(1, 4))) {
    if (type === "list:set") continue;
    const name = `${head}-${type.replaceAll(/[:,]/g, "-")}`;
    sets.push({ name, type, dimensions: type.split(":")[1]?.split(",").length ?? 1 });
    lines.push(`create ${name} ${made}`);
    const elements = new Map<string, string>();
    for (let i = dice.between(2, 5); i > 0; i--) {
      const element = elementOf(dice, ground, type);
      if (element === null) continue;
      const nomatch = type.startsWith("hash:net") && dice.chance(0.2) ? " nomatch" : "";
      elements.set(element.replaceAll(`/${plan.single}`, ""), `add ${name} ${element}${nomatch}`);
    }
    lines.push(...elements.values());
  }
  const members = sets.filter(({ dimensions }) => dimensions === 1 && dice.chance(0.6));
  if (members.length > 0 && dice.chance(0.5)) {
    const name = `${head}-list`;
    sets.push({ name, type: "list:set", dimensions: 1 });
    lines.push(`create ${name} list:set size 8`, ...members.map((member) => `add ${name} ${member.name}`));
  }
  return { sets, text: lines.map((line) => `${line}\n`).join("") };
}

function elementOf(dice: Dice, ground: Ground, type: string): string | null {
  const ip = () => dice.pick([...ground.addresses, ...ground.virtual]);
  const net = () => dice.pick([...ground.networks, ...ground.addresses]);
  const port = () => `${dice.pick(["tcp", "udp"])}:${dice.pick(PORTS)}`;
  switch (type) {
    case "hash:ip":
      return ip();
    case "hash:net":
      return net();
    case "hash:ip,port":
      return `${ip()},${port()}`;
    case "hash:net,port":
      return `${net()},${port()}`;
    case "hash:ip,port,ip":
      return `${ip()},${port()},${ip()}`;
    case "hash:ip,port,net":
      return `${ip()},${port()},${net()}`;
    case "hash:net,iface":
      return `${net()},${dice.pick(["eth0", "cni0", "eth1"])}`;
    case "bitmap:port":
      return String(dice.pick(PORTS));
    default: {
      const within = ground.addresses.filter((address) => {
        const third = Number(address.split(".")[2]);
        return address.startsWith("10.244.") && third >= 64 && third < 128;
      });
      return within.length === 0 ? null : dice.pick(within);
    }
  }
}
