import type { IpAddress } from "../../address/ip.ts";
import { ORIGIN_NONE, type Origin } from "../origin.ts";
import type { LineError } from "../tool-text.ts";
import { parseIpvsadm } from "./ipvsadm-line.ts";
import { endText, selectorWords, serverWords, serviceWords } from "./ipvsadm-words.ts";
import {
  PROTOCOL_NUMBER,
  type RealServer,
  selectorKey,
  serverKey,
  type VirtualService,
  type VirtualServiceSelector,
} from "./virtual-service.ts";

/**
 * What `ipvsadm -Sn` prints, and back:
 *
 *     -A -t 10.96.0.10:80 -s rr
 *     -a -t 10.96.0.10:80 -r 10.244.1.5:8080 -m -w 1
 *
 * ipvsadm sorts it, so the kernel's order of the servers is not told (`ordered` is false); `ipvsadm-list.ts` tells it. All
 * faults of a text are collected.
 */
export function parseIpvsadmSave(
  text: string,
  originOf: (line: number) => Origin = () => ORIGIN_NONE,
): IpvsadmText {
  const services = new Map<
    string,
    { readonly service: VirtualService; readonly servers: Map<string, RealServer> }
  >();
  const errors: LineError[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const words = line
      .trim()
      .split(/\s+/)
      .filter((word) => word !== "");
    if (words.length === 0) continue;
    if (words[0] === "ipvsadm") words.shift();
    const fault = (message: string): void => void errors.push({ line: i + 1, text: line, message });
    const parsed = parseIpvsadm(words, originOf(i + 1));
    if (parsed.kind === "invalid") {
      fault(parsed.message);
      continue;
    }
    const { command } = parsed;
    if (command.kind === "add-service") {
      const key = selectorKey(command.service.selector);
      if (services.has(key)) fault(`there is a service ${selectorWords(command.service.selector)} already`);
      else services.set(key, { service: command.service, servers: new Map() });
    } else if (command.kind === "add-server") {
      const found = services.get(selectorKey(command.selector));
      const key = serverKey(command.server);
      if (found === undefined)
        fault(`there is no service ${selectorWords(command.selector)}: -A … comes first`);
      else if (found.servers.has(key)) fault(`the service has a server ${endText(command.server)} already`);
      else found.servers.set(key, command.server);
    } else fault("only -A and -a are lines of a dump");
  }
  if (errors.length > 0) return { kind: "invalid", errors };
  return {
    kind: "ok",
    services: [...services.values()].map(({ service, servers }) => ({
      ...service,
      servers: [...servers.values()],
      ordered: servers.size < 2,
    })),
  };
}

export type IpvsadmText =
  | { readonly kind: "ok"; readonly services: readonly VirtualService[] }
  | { readonly kind: "invalid"; readonly errors: readonly LineError[] };

/** What `ipvsadm -R` takes. In ipvsadm's order, which is what a dump has. */
export function formatIpvsadmSave(services: readonly VirtualService[]): string {
  return sortedVirtualServices(services)
    .flatMap((service) => {
      const words = selectorWords(service.selector);
      return [
        `-A ${words} ${serviceWords(service)}\n`,
        ...sortedServers(service.servers).map(
          (server) => `-a ${words} -r ${endText(server)} ${serverWords(server)}\n`,
        ),
      ];
    })
    .join("");
}

/** `ipvs_cmp_services`: by mark, family, protocol, address, port; addresses by their differences as signed ints. */
export function sortedVirtualServices(services: readonly VirtualService[]): VirtualService[] {
  return [...services].sort((a, b) => compareSelectors(a.selector, b.selector));
}

function compareSelectors(a: VirtualServiceSelector, b: VirtualServiceSelector): number {
  const markA = a.kind === "fwmark" ? a.mark : 0;
  const markB = b.kind === "fwmark" ? b.mark : 0;
  const mark = (markA - markB) | 0;
  if (mark !== 0) return mark;
  if (a.kind === "fwmark" || b.kind === "fwmark" || a.family !== b.family) return a.family - b.family;
  const protocol = PROTOCOL_NUMBER[a.protocol] - PROTOCOL_NUMBER[b.protocol];
  if (protocol !== 0) return protocol;
  return compareAddresses(a.address, b.address) || a.port - b.port;
}

function compareAddresses(a: IpAddress, b: IpAddress): number {
  if (typeof a === "number" || typeof b === "number")
    return typeof a === typeof b ? ((a as number) - (b as number)) | 0 : 0;
  for (const [i, word] of a.entries()) {
    const difference = (word - (b[i] as number)) | 0;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `ipvs_cmp_dests`. */
export function sortedServers(servers: readonly RealServer[]): RealServer[] {
  return [...servers].sort((a, b) => compareAddresses(a.address, b.address) || a.port - b.port);
}
