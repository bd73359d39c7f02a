import type { Dice } from "./dice.ts";
import type { DraftHost } from "./draft.ts";
import type { RarityEntry } from "./random-faults.ts";
import type { Aim } from "./random-queries.ts";
import { putFirst } from "./rule-text.ts";
import type { Ground } from "./topology.ts";

/** What goes wrong with the tunnels between nodes, where a world has some. */
export const tunnelFaults: readonly RarityEntry[] = [
  [0.5, "tunnel into itself", (dice, ground) => mistaken(dice, ground, routeIntoItself)],
  [0.5, "other VNI", (dice, ground) => mistaken(dice, ground, renumber)],
  [0.5, "congested tunnel", (dice, ground) => mistaken(dice, ground, congest)],
];

interface Tunnel {
  readonly ifname: string;
  readonly linkinfo: { readonly info_data: { id: number } };
}

/** Packets from a node and its pods to the pods of the others. */
function mistaken(
  dice: Dice,
  { draft: { hosts, wires } }: Ground,
  mistake: (node: DraftHost) => void,
): Aim[] {
  const nodes = [...hosts.values()].filter(({ fdb }) => fdb.length > 0);
  if (nodes.length === 0) return [];
  const node = dice.pick(nodes);
  mistake(node);
  const pods = wires.flatMap(([on, , pod]) => (hosts.get(pod)?.kind === "pod" ? [{ on, pod }] : []));
  const own = pods.filter(({ on }) => on === node.name).map(({ pod }) => pod);
  const others = pods.filter(({ on }) => on !== node.name);
  return others.flatMap(({ pod }) => {
    const dst = hosts
      .get(pod)
      ?.addresses.find(({ dev, address }) => dev === "eth0" && !address.includes(":"));
    return dst === undefined ? [] : [node.name, ...own].map((from) => ({ from, dst: dst.address }));
  });
}

/** The way to the other end leads into the tunnel. */
function routeIntoItself({ fdb, routes }: DraftHost): void {
  const [{ dst }] = fdb as unknown as [{ readonly dst: string }];
  routes[4].push({ dst, dev: "flannel.1", scope: "link" });
}

/** The others' frames are of a network that the node has no device of. */
function renumber({ links }: DraftHost): void {
  const tunnel = links.find(({ ifname }) => ifname === "flannel.1") as unknown as Tunnel;
  tunnel.linkinfo.info_data.id = 7;
}

/** What leaves in the tunnel bears a mark of congestion, and what is in it does not know of such (`INET_ECN_decapsulate`). */
function congest(node: DraftHost): void {
  putFirst(node, 4, "mangle", ["-A OUTPUT -p udp -m udp --dport 8472 -j TOS --set-tos 0x03/0x03"]);
}
