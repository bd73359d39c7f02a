import { familyOfAddress, parseIp } from "../../address/ip.ts";
import { socketAddressText } from "../../address/socket-address.ts";
import { addressOfHost } from "../../inventory/names.ts";
import { type KnownPort, type KnownService, serviceText } from "../../inventory/services.ts";
import { nearestWord } from "../../kernel/nearest-word.ts";
import { type Diagnosis, fault, kubectlPatch, listing } from "./fault.ts";

/** Faults in what was asked of a Service's address: nothing in the cluster is broken. */

/** No rule takes ICMP to a cluster IP, so a ping leaves by the default route. */
export const pingToService: Diagnosis = ({ asked, names, translation }) => {
  const service = names.services.at(asked.address);
  if (asked.proto !== "icmp" || service === undefined || translation !== undefined) return undefined;
  return fault(
    `${asked.address} is an address of ${serviceText(service)}, which answers on its ports only: a ping proves nothing`,
    { text: `Ask a port instead: ${askable(service)}.` },
  );
};

/** A port that the Service does not offer is translated by no rule. */
export const portNotOffered: Diagnosis = ({ asked, names, port, translation }) => {
  const service = names.services.at(asked.address);
  if (service === undefined || port !== undefined || asked.port === null || translation !== undefined)
    return undefined;
  const sameNumber = service.ports.find((each) => each.port === asked.port);
  const near = nearestPort(asked.port, asked.proto, service.ports);
  const offers =
    service.ports.length === 0 ? "no port at all" : `only ${listing(service.ports.map(portText))}`;
  const text =
    sameNumber !== undefined
      ? `Ask ${sameNumber.proto.toUpperCase()}: ${referenceTo(sameNumber)}.`
      : near === undefined
        ? `Ask a port it offers: ${askable(service)}.`
        : `Ask ${referenceTo(near)}, or add the port to spec.ports of ${serviceText(service)}.`;
  return fault(`${serviceText(service)} has no port ${asked.port}/${asked.proto}, ${offers}`, { text });
};

/** Only nodes and their pods know what a cluster IP means. */
export const clusterIpFromOutside: Diagnosis = ({ asked, names, sender, translation, outcome }) => {
  const service = names.services.at(asked.address);
  if (service === undefined || translation !== undefined || !service.clusterIps.has(asked.address))
    return undefined;
  const meetsNode = outcome.steps.some(({ host }) => names.isInCluster(host));
  if (names.isInCluster(sender) || meetsNode) return undefined;
  const node = [...names.world.hosts.values()].find(({ kind }) => kind === "node");
  const own = parseIp(asked.address);
  const address =
    node === undefined || own === undefined ? undefined : addressOfHost(node, familyOfAddress(own));
  const offered = service.ports.find(({ nodePort, proto }) => nodePort !== null && proto === asked.proto);
  const headline = `${asked.address} is the cluster IP of ${serviceText(service)}: only nodes and pods know it, and ${sender} is outside`;
  if (offered !== undefined && address !== undefined)
    return fault(headline, {
      text: `Ask its node port on any node: ${socketAddressText(address, offered.nodePort ?? 0)}.`,
    });
  const { namespace, name } = service;
  return fault(headline, {
    text: `Give ${serviceText(service)} a node port (or a load balancer), and ask that.`,
    command: kubectlPatch(namespace, "service", name, { spec: { type: "NodePort" } }),
  });
};

/** An address out of the Services' range that no Service has. */
export const unallocated: Diagnosis = ({ asked, names, translation }) => {
  const address = parseIp(asked.address);
  if (address === undefined || names.serviceRangeOf(address) === undefined || translation !== undefined)
    return undefined;
  if (names.services.at(asked.address) !== undefined || names.hostAt(asked.address) !== undefined)
    return undefined;
  const offering = names.services.list.filter(({ ports }) =>
    ports.some(({ port, proto }) => port === asked.port && proto === asked.proto),
  );
  const near = [offering, names.services.list].flatMap((services) => {
    const addresses = services.flatMap(({ clusterIps }) => [...clusterIps]);
    return nearestWord(asked.address, addresses, 2) ?? [];
  })[0];
  const service = near === undefined ? undefined : names.services.at(near);
  const text =
    service === undefined
      ? "Ask a Service's name or present address: a Service made anew has a new one."
      : `Ask ${near}, the address of ${serviceText(service)}, if that was meant.`;
  return fault(`${asked.address} lies in the Services' range, but no Service has it`, { text });
};

function askable(service: KnownService): string {
  return service.ports.length === 0 ? "it has none yet" : listing(service.ports.map(referenceTo), "or");
}

/** `svc/shop/db:5432` */
function referenceTo({ service, port, proto }: KnownPort): string {
  return `svc/${service.namespace}/${service.name}:${port}${proto === "tcp" ? "" : `/${proto}`}`;
}

/** `8080/tcp (http)` */
function portText({ name, port, proto }: KnownPort): string {
  return `${port}/${proto}${name === "" ? "" : ` (${name})`}`;
}

/** The one port of the protocol, the target the number stands for, or the number typed wrong. */
function nearestPort(asked: number, proto: string, ports: readonly KnownPort[]): KnownPort | undefined {
  const same = ports.filter((each) => each.proto === proto);
  if (same.length < 2) return same[0];
  const target = same.find(
    ({ service, index }) => index !== null && service.object?.spec.ports?.[index]?.targetPort === asked,
  );
  const near = nearestWord(
    String(asked),
    same.map(({ port }) => String(port)),
    1,
  );
  return target ?? same.find(({ port }) => String(port) === near);
}
