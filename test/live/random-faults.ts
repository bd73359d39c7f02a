import type { Dice } from "./dice.ts";
import { type Draft, type DraftHost, randomMac } from "./draft.ts";

/** What goes wrong below IP, seldom, so that packets end there too. */

interface Port {
  readonly node: DraftHost;
  readonly dev: string;
  readonly pod: DraftHost;
}

interface Link {
  readonly ifname: string;
  mtu: number;
  readonly linkinfo: { readonly info_slave_data: { flood: boolean; isolated?: boolean } };
}

/** Puts a few faults into a world of IPv4. */
export function addFaults(dice: Dice, draft: Draft): void {
  const ports = podPorts(draft);
  if (dice.chance(0.12)) mistakeNeighbour(dice, dice.pick(ports));
  if (dice.chance(0.1)) {
    // Nobody is asked who it is that a frame is for, and no port is told what is for nobody known.
    const { node } = mistakeNeighbour(dice, dice.pick(ports));
    for (const port of ports) if (port.node === node) settingsOf(port).flood = false;
  }
  if (dice.chance(0.1)) shorten(dice, dice.pick(ports));
  if (dice.chance(0.15)) isolate(ports);
  if (dice.chance(0.3)) forgetTunnel(dice, draft);
}

function podPorts({ hosts, wires }: Draft): Port[] {
  return wires.flatMap(([nodeName, dev, podName]) => {
    const [node, pod] = [hosts.get(nodeName), hosts.get(podName)];
    return node === undefined || pod?.kind !== "pod" ? [] : [{ node, dev, pod }];
  });
}

/** A node believes in a pod's MAC that nobody has. */
function mistakeNeighbour(dice: Dice, port: Port): Port {
  const dst = port.pod.addresses.find(({ dev }) => dev === "eth0")?.address;
  port.node.neigh.push({ dst, dev: "cni0", lladdr: randomMac(dice), state: ["PERMANENT"] });
  return port;
}

/** A pod's end of its cable takes less than the node's. */
function shorten(dice: Dice, { pod }: Port): void {
  linkOf(pod, "eth0").mtu = dice.pick([1000, 1280]);
}

/** The pods of a node may not speak to each other. */
function isolate(ports: readonly Port[]): void {
  for (const port of ports) if (port.node === ports[0]?.node) settingsOf(port).isolated = true;
}

/** A tunnel's forwarding database has lost an end. */
function forgetTunnel(dice: Dice, { hosts }: Draft): void {
  const nodes = [...hosts.values()].filter(({ fdb }) => fdb.length > 0);
  if (nodes.length > 0) dice.pick(nodes).fdb.pop();
}

function linkOf({ links }: DraftHost, name: string): Link {
  return links.find(({ ifname }) => ifname === name) as unknown as Link;
}

function settingsOf({ node, dev }: Port): Link["linkinfo"]["info_slave_data"] {
  return linkOf(node, dev).linkinfo.info_slave_data;
}
