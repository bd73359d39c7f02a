import type { IpAddress } from "../../address/ip.ts";
import type { KnownPort } from "../../inventory/services.ts";
import { serviceText } from "../../inventory/services.ts";
import type { Host } from "../../kernel/host.ts";
import {
  type Advice,
  type Case,
  type Diagnosis,
  fault,
  hostOf,
  kubectlPatch,
  listing,
  portOf,
  portProtocol,
} from "./fault.ts";

/** A Service leads to a port on which its pod does not listen. */
export const wrongTargetPort: Diagnosis = (at) => {
  const { decision, translation } = at;
  const host = hostOf(at);
  const { packet } = decision;
  if (!/^no-listener-/.test(decision.reason) || decision.isAnswer || packet === null) return undefined;
  const target = portOf(packet);
  if (translation === undefined || host === undefined || target === null) return undefined;
  const port = at.port ?? portOfOwner(at);
  const proto = portProtocol(packet);
  const [from] = translation.from.split("/");
  const sends = port === undefined ? `${from} leads` : serviceText(port.service);
  const place = `${packet.ip.dst}:${target} of ${at.names.host(host.name)}`;
  const listens = listeningPorts(host, proto);
  const others = at.outcomes.filter(
    ({ verdict, server }) => verdict.disposition === "DELIVERED" && server?.port === target,
  );
  if (others.length > 0) {
    return fault(
      `${at.names.host(host.name)} behind ${sends} does not listen on ${proto.toUpperCase()} port ${target}, as others behind it do`,
      start(`Start what should listen there, or take the pod out of the Service: ${place}.`, place, proto),
    );
  }
  if (port === undefined) {
    return fault(`${sends} to ${place}, where nothing listens`, start(undefined, place, proto));
  }
  const said = listens.length === 0 ? "on no port of that protocol" : `on ${listing(listens.map(String))}`;
  const whose = namesItsPort(port, target) ? `port ${target} of its pods` : `targetPort ${target}`;
  const headline = `${sends} sends to ${whose}, but ${its(at)} ${said}`;
  const wanted = wantedPort(port, host, listens);
  if (wanted === null) return fault(headline, start(undefined, place, proto));
  return fault(headline, {
    text: `Set targetPort of port ${port.port} of ${serviceText(port.service)} to ${wanted}.`,
    command: targetPortPatch(port, wanted),
  });
};

function its({ outcomes }: Case): string {
  const refusing = new Set(outcomes.map(({ verdict }) => verdict.host));
  return refusing.size === 1 ? "its pod listens" : "its pods listen";
}

/** A named targetPort has become a number on the way. */
function namesItsPort({ service, index }: KnownPort, target: number): boolean {
  const written = index === null ? undefined : service.object?.spec.ports?.[index]?.targetPort;
  return written !== undefined && written !== target;
}

/** Where the address says nothing (a node port that rules alone tell of), the owner of the rule that translated. */
function portOfOwner({ outcome, names, asked }: Case): KnownPort | undefined {
  for (const { owner, phase, text } of outcome.rules) {
    if (phase !== "request" || owner?.kind !== "Service" || !/ -j DNAT\b/.test(text)) continue;
    const service = names.services.named(owner.namespace ?? "", owner.name);
    const [, place] = /^spec\.ports\[(\w[-\w]*|name=[-\w]+)\]$/.exec(owner.field ?? "") ?? [];
    const name = /^name=(.*)$/.exec(place ?? "")?.[1];
    return service?.ports.find(
      (port) =>
        (name === undefined ? String(port.index) === place : port.name === name) &&
        port.proto === asked.proto,
    );
  }
  return undefined;
}

/** The ports on which others are heard, in order. */
export function listeningPorts(host: Host, proto: string): readonly number[] {
  if (host.sockets.kind !== "listed") return [];
  const heard = host.sockets.sockets.filter(
    (socket) => socket.proto === proto && (socket.address === null || !isLoopbackAddress(socket.address)),
  );
  return [...new Set(heard.map(({ port }) => port))].sort((a, b) => a - b);
}

/** The one port that must have been meant: the only one, the Service's own number, or the one of its name. */
function wantedPort(port: KnownPort, host: Host, listens: readonly number[]): number | null {
  if (listens.length === 1) return listens[0] ?? null;
  return host.kind !== "node" && listens.includes(port.port) ? port.port : null;
}

/** A strategic patch finds a port by its number, which must then be the only one. */
export function targetPortPatch({ service, port, index }: KnownPort, wanted: number | string): string {
  const { namespace, name } = service;
  const isOnly = service.ports.filter((other) => other.port === port).length === 1;
  if (isOnly || index === null)
    return kubectlPatch(namespace, "service", name, { spec: { ports: [{ port, targetPort: wanted }] } });
  const patch = [{ op: "replace", path: `/spec/ports/${index}/targetPort`, value: wanted }];
  return kubectlPatch(namespace, "service", name, patch, "json");
}

function start(text: string | undefined, place: string, proto: string): Advice {
  const told = (items: readonly string[]): string =>
    `Start what should listen on ${listing(items)}, or let the Service lead to the port that does.`;
  return {
    text: text ?? told([place]),
    ...(text === undefined ? { together: { key: `listen ${proto}`, item: place, text: told } } : {}),
  };
}

/** Nobody listens where the packet was sent to as it is. */
export const nobodyListens: Diagnosis = (at) => {
  const { decision } = at;
  const { packet } = decision;
  if (!/^no-listener-/.test(decision.reason) || decision.isAnswer || packet === null) return undefined;
  const host = hostOf(at);
  const target = portOf(packet);
  if (target === null || host === undefined) return undefined;
  const proto = portProtocol(packet);
  const listens = listeningPorts(host, proto);
  const other = (["tcp", "udp", "sctp"] as const).find(
    (each) => each !== proto && listeningPorts(host, each).includes(target),
  );
  const said = other
    ? `, only on ${other.toUpperCase()} port ${target}`
    : listens.length > 0 && listens.length <= 6
      ? `, only on ${listing(listens.map(String))}`
      : "";
  return fault(
    `${at.names.host(host.name)} does not listen on ${proto.toUpperCase()} port ${target}${said}`,
    {
      text: `Start what should listen on ${packet.ip.dst}:${target} of ${at.names.host(host.name)}, or ask the port that does.`,
      host: host.name,
    },
  );
};

function isLoopbackAddress(address: IpAddress): boolean {
  if (typeof address === "number") return address >>> 24 === 127;
  return address.every((word, i) => word === (i === 3 ? 1 : 0));
}
