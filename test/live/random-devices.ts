import type { Dice } from "./dice.ts";
import { addAddress, addLink, type DraftHost } from "./draft.ts";
import type { RarityEntry } from "./random-faults.ts";
import type { Aim } from "./random-queries.ts";
import type { Ground } from "./topology.ts";

/** Devices that few nodes have: macvlans on the card, and a TUN with a daemon behind it. */
export const rareDevices: readonly RarityEntry[] = [
  [1.5, "macvlans", addMacvlans],
  [1.5, "TUN", addTun],
];

function onSwitch({ hosts }: Ground["draft"]): DraftHost[] {
  return [...hosts.values()].filter(({ kind }) => kind === "node" || kind === "router");
}

/** Every host in the switch has a second address, on a device with a MAC of its own upon its card. */
function addMacvlans(dice: Dice, ground: Ground): Aim[] {
  // Which of IPv6's groups a macvlan takes besides its own is a hash's affair (`mc_hash`).
  if (ground.draft.hosts.get("router")?.addresses.some(({ address }) => address.includes(":"))) return [];
  const hosts = onSwitch(ground.draft);
  const own = hosts.map((_, i) => `10.77.0.${i + 1}`);
  for (const [i, host] of hosts.entries()) {
    const mode = dice.pick(["bridge", "bridge", "private", "vepa", "passthru"]);
    const card = host.links.find(({ ifname }) => ifname === "eth0");
    const mac = mode === "passthru" ? card?.address : undefined;
    const linkinfo = { info_kind: "macvlan", info_data: { mode } };
    addLink(host, dice, "mac0", { link: "eth0", linkinfo, ...(mac === undefined ? {} : { mac }) });
    addAddress(host, "mac0", own[i] as string, 24);
    // The card does not answer for it.
    host.sysctl["net.ipv4.conf.all.arp_ignore"] = "1";
  }
  return hosts.flatMap(({ name }, i) => own.filter((_, k) => k !== i).map((dst) => ({ from: name, dst })));
}

/** flannel's daemon, whom the networks of nobody, or of somebody out of reach, are left to. */
function addTun(dice: Dice, ground: Ground): Aim[] {
  const node = dice.pick(onSwitch(ground.draft).filter(({ kind }) => kind === "node"));
  const linkinfo = { info_kind: "tun", info_data: { type: "tun" } };
  addLink(node, dice, "flannel0", { linkinfo, noArp: true, mtu: 1472, mac: "00:00:00:00:00:00" });
  addAddress(node, "flannel0", "10.78.0.1", 16);
  const lost = "192.0.2.98";
  node.routes[4].push({ type: "unreachable", dst: lost });
  const peers = [{ subnet: "10.78.2.0/24", address: lost }];
  node.tunDaemons.push({ device: "flannel0", port: 8285, peers });
  return [
    { from: node.name, dst: "10.78.1.2" },
    { from: node.name, dst: "10.78.2.2" },
  ];
}
