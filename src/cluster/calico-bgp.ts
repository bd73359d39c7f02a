import type { Family } from "../address/ip.ts";
import type { RouteExchange } from "../cni/calico/mesh.ts";
import { parseIp, peerAddressOf, sameIp } from "../cni/ip.ts";
import { calicoSelector, selects } from "../object/calico-selector.ts";
import type { KubernetesObject, Node } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { calicoAddress, type Member } from "./member.ts";

/** A node that reflects routes says of which cluster of reflectors it is. */
const CLUSTER_ID = "projectcalico.org/RouteReflectorClusterID";

interface BgpPeerSpec {
  /** The one node it is for; else those of `nodeSelector`, else all. */
  readonly node?: string;
  readonly nodeSelector?: string;
  readonly peerIP?: string;
  readonly peerSelector?: string;
}

/**
 * Who hears of whose blocks over iBGP: each of each in the mesh of all nodes (`nodeToNodeMeshEnabled`, which reflectors take
 * no part in), and along the sessions that BGPPeers make. A node tells its peers of its own blocks; only a reflector passes
 * on what it heard: from a client to all, from another reflector of its cluster to its clients (RFC 4456 6, 8). Each family
 * has sessions of its own, so that a peer named by an address is one of that address's family alone.
 */
export function bgpExchange(members: readonly Member[], objects: Lister, family: Family): RouteExchange {
  const mesh = meshEnabled(objects);
  const peerings = objects.list("BGPPeer").map((object) => specOf<BgpPeerSpec>(object));
  const clusterOf = new Map(members.map(({ name, node }) => [name, clusterId(node)]));
  if (mesh && peerings.length === 0 && [...clusterOf.values()].every((id) => id === null)) return () => true;
  const sessions = new Map<string, Set<string>>(members.map(({ name }) => [name, new Set()]));
  const join = (a: string, b: string): void => {
    if (a === b) return;
    sessions.get(a)?.add(b);
    sessions.get(b)?.add(a);
  };
  if (mesh) {
    const meshed = members.filter(({ name }) => clusterOf.get(name) === null);
    for (const a of meshed) for (const b of meshed) join(a.name, b.name);
  }
  for (const peering of peerings) {
    const peers = members.filter((member) => isPeer(peering, member, family));
    for (const member of members) {
      if (isFor(peering, member)) for (const peer of peers) join(member.name, peer.name);
    }
  }
  const heard = new Map<string, ReadonlySet<string>>();
  return (listener, speaker) => {
    let listeners = heard.get(speaker);
    if (listeners === undefined) {
      listeners = listenersOf(speaker, sessions, clusterOf);
      heard.set(speaker, listeners);
    }
    return listeners.has(listener);
  };
}

/** Everybody whom a node's routes reach. */
function listenersOf(
  speaker: string,
  sessions: ReadonlyMap<string, ReadonlySet<string>>,
  clusterOf: ReadonlyMap<string, string | null>,
): ReadonlySet<string> {
  const reached = new Set<string>();
  interface Announcement {
    readonly at: string;
    readonly from: string | null;
    readonly clusters: readonly string[];
  }
  const waiting: Announcement[] = [{ at: speaker, from: null, clusters: [] }];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { at, from, clusters } = next;
    const own = clusterOf.get(at) ?? null;
    // Of the same cluster of reflectors: no client of this one.
    const isClient = (peer: string): boolean => own !== null && clusterOf.get(peer) !== own;
    for (const peer of sessions.get(at) ?? []) {
      if (peer === from || peer === speaker || reached.has(peer)) continue;
      if (from !== null && !(isClient(from) || isClient(peer))) continue;
      reached.add(peer);
      const cluster = clusterOf.get(peer) ?? null;
      if (cluster === null || clusters.includes(cluster)) continue;
      waiting.push({ at: peer, from: at, clusters: [...clusters, cluster] });
    }
  }
  return reached;
}

function meshEnabled(objects: Lister): boolean {
  const found = objects.list("BGPConfiguration").find(({ metadata }) => metadata.name === "default");
  return (
    found === undefined || specOf<{ nodeToNodeMeshEnabled?: boolean }>(found).nodeToNodeMeshEnabled !== false
  );
}

function isFor({ node, nodeSelector }: BgpPeerSpec, member: Member): boolean {
  if (node !== undefined && node !== "") return node === member.name;
  return selectsNode(nodeSelector ?? "all()", member.node);
}

function isPeer({ peerIP = "", peerSelector }: BgpPeerSpec, member: Member, family: Family): boolean {
  if (peerSelector !== undefined && peerSelector !== "") return selectsNode(peerSelector, member.node);
  const wanted = parseIp(peerAddressOf(peerIP));
  const own = calicoAddress(member, family);
  return wanted !== undefined && own !== null && sameIp(wanted, own);
}

function selectsNode(selector: string, node: Node): boolean {
  return selects(calicoSelector(selector), node.metadata.labels ?? {});
}

function clusterId({ metadata }: Node): string | null {
  return metadata.annotations?.[CLUSTER_ID] || null;
}

function specOf<T>(object: KubernetesObject): Partial<T> {
  return (object as KubernetesObject & { readonly spec?: Partial<T> }).spec ?? {};
}
