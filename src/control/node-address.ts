import { formatIpv4, parseIpv4 } from "../address/ipv4.ts";
import { AddressPool, block4 } from "../address/pool.ts";
import { firstOf, lastOf } from "../address/prefix.ts";
import type { Node } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import { inNaturalOrder } from "./natural-order.ts";
import type { ClusterSettings } from "./settings.ts";

/** Nodes of which no address is known get one of the node network, .2 first: .1 is its router. */
export function nodeAddressController({ nodeNetwork }: ClusterSettings): Controller {
  return {
    name: "node address controller",
    keys: () => [CLUSTER_KEY],
    reconcile(_key, lister, writer) {
      const nodes = inNaturalOrder(lister.list("Node"));
      const without = nodes.filter((node) => internalIpOf(node) === undefined);
      if (without.length === 0) return;
      const pool = new AddressPool(block4(nodeNetwork));
      pool.exclude(firstOf(nodeNetwork), (firstOf(nodeNetwork) + 1) | 0);
      pool.exclude(lastOf(nodeNetwork));
      for (const address of addressesInUse(lister)) pool.claim(address);
      for (const node of without) {
        const given = pool.next();
        if (given.kind === "exhausted") return;
        const addresses = [
          { type: "InternalIP", address: formatIpv4(given.address) },
          ...(node.status?.addresses ?? []),
        ];
        writer.put({ ...node, status: { ...node.status, addresses } } as Node);
      }
    },
  };
}

/** The address that stands first among a node's `InternalIP`s, IPv4. */
export function internalIpOf({ status }: Node): string | undefined {
  const addresses = status?.addresses ?? [];
  return addresses.find(({ type, address }) => type === "InternalIP" && parseIpv4(address) !== undefined)
    ?.address;
}

function addressesInUse(lister: Lister): number[] {
  return lister
    .list("Node")
    .flatMap(({ status }) => status?.addresses ?? [])
    .flatMap(({ address }) => parseIpv4(address) ?? []);
}
