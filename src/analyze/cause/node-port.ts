import { type Family, formatIp } from "../../address/ip.ts";
import { addressOnPath } from "../../address/ip6-handle.ts";
import { formatMasked, type Masked } from "../../address/masked.ts";
import { socketAddressText } from "../../address/socket-address.ts";
import { addressOfHost } from "../../inventory/names.ts";
import { chainAfter } from "../../inventory/owner/placed-rule.ts";
import { serviceText } from "../../inventory/services.ts";
import type { Host } from "../../kernel/host.ts";
import { MaskedAddress } from "../../kernel/netfilter/masked-address.ts";
import { alone, type Diagnosis, familyOf, fault, hostOf, listing } from "./fault.ts";

/** A node port asked on an address of the node that kube-proxy does not serve (`nodePortAddresses`). */
export const nodePortElsewhere: Diagnosis = (at) => {
  const { asked, decision, names, translation } = at;
  const node = names.hostAt(asked.address);
  if (!/^no-listener-/.test(decision.reason) || translation !== undefined || asked.port === null)
    return undefined;
  const port = names.services.atNodePort(asked.port, asked.proto);
  const host = hostOf(at);
  if (port === undefined || host?.kind !== "node" || node?.name !== host.name) return undefined;
  const family = familyOf(at);
  const prefixes = servedPrefixes(host, family);
  const served = (family === 6 ? host.addresses6 : host.addresses).filter(
    ({ address, scope }) =>
      scope === "global" &&
      prefixes.some((prefix) => new MaskedAddress(prefix).holds(addressOnPath(address))),
  );
  const told = listing(prefixes.map(formatMasked));
  const text =
    served[0] === undefined
      ? `Let nodePortAddresses of kube-proxy's configuration (ConfigMap kube-system/kube-proxy) take in ${alone(asked.address)}.`
      : `Ask ${socketAddressText(formatIp(served[0].address), asked.port)}, or let nodePortAddresses of kube-proxy's configuration take in ${alone(asked.address)}.`;
  return fault(
    told === ""
      ? `no address of ${host.name} is among kube-proxy's nodePortAddresses, so node port ${asked.port} of ${serviceText(port.service)} is served on none`
      : `${host.name} serves node port ${asked.port} of ${serviceText(port.service)} on ${told} only, and ${asked.address} is outside (nodePortAddresses)`,
    { text },
  );
};

/** Where kube-proxy's last rule leads to the node ports: every local address, or the prefixes it was given. */
function servedPrefixes({ iptables, ip6tables }: Host, family: Family): readonly Masked[] {
  const rules =
    (family === 6 ? ip6tables : iptables)?.tables.get("nat")?.chains.get("KUBE-SERVICES")?.rules ?? [];
  return rules.flatMap((rule) =>
    chainAfter(rule) === "KUBE-NODEPORTS" && rule.dst !== null && !rule.dst.invert ? [rule.dst.value] : [],
  );
}

/** A host port asked on a node where the pod that has it does not run. */
export const hostPortElsewhere: Diagnosis = (at) => {
  const { asked, decision, names, translation } = at;
  const node = names.hostAt(asked.address);
  if (!/^no-listener-/.test(decision.reason) || translation !== undefined || node?.kind !== "node")
    return undefined;
  const holders = (names.objects?.list("Pod") ?? []).filter(({ spec }) =>
    spec.containers.some((container) =>
      (container.ports ?? []).some(
        ({ hostPort, containerPort, protocol = "TCP" }) =>
          (hostPort ?? (spec.hostNetwork === true ? containerPort : undefined)) === asked.port &&
          protocol.toLowerCase() === asked.proto,
      ),
    ),
  );
  const nodes = [
    ...new Set(holders.flatMap(({ spec }) => (spec.nodeName === undefined ? [] : [spec.nodeName]))),
  ];
  const [first] = holders;
  if (first === undefined || nodes.includes(node.name)) return undefined;
  const other = names.world.hosts.get(nodes[0] ?? "");
  const address = other === undefined ? undefined : addressOfHost(other, familyOf(at));
  return fault(
    `host port ${asked.port} is taken on ${listing(nodes)} only (pod ${names.hostOfPod(first) ?? first.metadata.name}), not on ${node.name}`,
    {
      text: `Ask ${address === undefined ? (nodes[0] ?? "a node that has it") : socketAddressText(address, asked.port ?? 0)}.`,
    },
  );
};
