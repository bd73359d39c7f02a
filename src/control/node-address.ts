import { type FamilyName, familyNamed, familyOfText } from "../address/family-name.ts";
import type { IpAddress } from "../address/ip.ts";
import { AddressPool, type Block, block4, block6 } from "../address/pool.ts";
import { sizeOf } from "../address/prefix.ts";
import type { Node } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import { inNaturalOrder } from "./natural-order.ts";
import type { ClusterSettings } from "./settings.ts";

/** Nodes of which no address of a family of the cluster is known get one of the node network, .2 first: .1 is its router. */
export function nodeAddressController(settings: ClusterSettings): Controller {
  const { families, six, nodeNetwork } = settings;
  return {
    name: "node address controller",
    keys: () => [CLUSTER_KEY],
    reconcile(_key, lister, writer) {
      for (const [i, family] of families.entries()) {
        const nodes = inNaturalOrder(lister.list("Node"));
        const without = nodes.filter((node) => internalIpOf(node, family) === undefined);
        if (without.length === 0) continue;
        const block = family === "IPv4" ? block4(nodeNetwork) : six === null ? null : block6(six.nodeNetwork);
        if (block === null) continue;
        const last = family === "IPv4" ? sizeOf(nodeNetwork) - 1 : null;
        const pool = poolOf(block as Block<IpAddress>, last);
        const { format } = familyNamed(family);
        for (const address of addressesInUse(lister, family)) pool.claim(address);
        for (const node of without) {
          const given = pool.next();
          if (given.kind === "exhausted") return;
          const before = node.status?.addresses ?? [];
          // The primary family's stands first, by which the node is known.
          const at = i === 0 ? 0 : before.findLastIndex(({ type }) => type === "InternalIP") + 1;
          const own = { type: "InternalIP", address: format(given.address) };
          const addresses = [...before.slice(0, at), own, ...before.slice(at)];
          writer.put({ ...node, status: { ...node.status, addresses } } as Node);
        }
      }
    },
  };
}

/** Without the network's own address, its router's, and the broadcast one where it has one. */
function poolOf(block: Block<IpAddress>, last: number | null): AddressPool<IpAddress> {
  const pool = new AddressPool(block);
  pool.exclude(block.at(0), block.at(1));
  if (last !== null) pool.exclude(block.at(last));
  return pool;
}

/** The address of a family that stands first among a node's `InternalIP`s. */
export function internalIpOf({ status }: Node, family: FamilyName): string | undefined {
  const { parse } = familyNamed(family);
  return (status?.addresses ?? []).find(
    ({ type, address }) =>
      type === "InternalIP" && familyOfText(address) === family && parse(address) !== undefined,
  )?.address;
}

function addressesInUse(lister: Lister, family: FamilyName): IpAddress[] {
  const { parse } = familyNamed(family);
  return lister
    .list("Node")
    .flatMap(({ status }) => status?.addresses ?? [])
    .flatMap(({ address }) => (familyOfText(address) === family ? (parse(address) ?? []) : []));
}
