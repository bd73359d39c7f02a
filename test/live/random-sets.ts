import type { Dice } from "./dice.ts";
import { type Ground, PORTS } from "./topology.ts";

/** A set that rules can ask: its name, and how many values of a packet it looks at. */
export interface DraftSet {
  readonly name: string;
  readonly type: string;
  readonly dimensions: number;
}

const KINDS: readonly (readonly [type: string, head: string])[] = [
  ["hash:ip", "hash:ip family inet hashsize 64 maxelem 64 bucketsize 12 initval 0x1"],
  ["hash:net", "hash:net family inet hashsize 64 maxelem 64 bucketsize 12 initval 0x2"],
  ["hash:ip,port", "hash:ip,port family inet hashsize 64 maxelem 64 bucketsize 12 initval 0x3"],
  ["hash:net,port", "hash:net,port family inet hashsize 64 maxelem 64 bucketsize 12 initval 0x4"],
  ["hash:ip,port,ip", "hash:ip,port,ip family inet hashsize 64 maxelem 64 bucketsize 12 initval 0x5"],
  ["hash:ip,port,net", "hash:ip,port,net family inet hashsize 64 maxelem 64 bucketsize 12 initval 0x6"],
  ["hash:net,iface", "hash:net,iface family inet hashsize 64 maxelem 64 bucketsize 12 initval 0x7"],
  ["bitmap:port", "bitmap:port range 0-9000"],
  ["bitmap:ip", "bitmap:ip range 10.244.64.0-10.244.127.255"],
  ["list:set", "list:set size 8"],
];

/** `ipset save` of a few sets, with entries that packets of this world can be in. */
export function randomSets(dice: Dice, ground: Ground): { readonly sets: DraftSet[]; readonly text: string } {
  const sets: DraftSet[] = [];
  const lines: string[] = [];
  for (const [type, head] of dice.some(KINDS, dice.between(1, 4))) {
    if (type === "list:set") continue;
    const name = `s-${type.replaceAll(/[:,]/g, "-")}`;
    sets.push({ name, type, dimensions: type.split(":")[1]?.split(",").length ?? 1 });
    lines.push(`create ${name} ${head}`);
    const elements = new Map<string, string>();
    for (let i = dice.between(2, 5); i > 0; i--) {
      const element = elementOf(dice, ground, type);
      if (element === null) continue;
      const nomatch = type.startsWith("hash:net") && dice.chance(0.2) ? " nomatch" : "";
      elements.set(element.replaceAll("/32", ""), `add ${name} ${element}${nomatch}`);
    }
    lines.push(...elements.values());
  }
  const members = sets.filter(({ dimensions }) => dimensions === 1 && dice.chance(0.6));
  if (members.length > 0 && dice.chance(0.5)) {
    sets.push({ name: "s-list", type: "list:set", dimensions: 1 });
    lines.push("create s-list list:set size 8", ...members.map(({ name }) => `add s-list ${name}`));
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
