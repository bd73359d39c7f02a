import { inetNtop } from "../../address/ip.ts";
import { formatIpv4 } from "../../address/ipv4.ts";
import { maskOf } from "../../address/prefix.ts";
import { socketAddressText } from "../../address/socket-address.ts";
import {
  addressBits,
  type Forwarding,
  NO_FLAGS,
  type RealServer,
  type SchedulerFlags,
  type ServerName,
  type VirtualService,
  type VirtualServiceSelector,
} from "./virtual-service.ts";

/** Services and servers in the words of ipvsadm(8), as it prints them (print_service_entry of ipvsadm.c). */

/** `-t 10.0.0.1:80`, `-t [fd00::1]:80`, `-f 7`, `-f 7 -6`. */
export function selectorWords(selector: VirtualServiceSelector): string {
  if (selector.kind === "fwmark") return `-f ${selector.mark}${selector.family === 6 ? " -6" : ""}`;
  const option = { tcp: "-t", udp: "-u", sctp: "--sctp-service" }[selector.protocol];
  return `${option} ${endText(selector)}`;
}

export function endText({ address, port }: ServerName): string {
  return socketAddressText(inetNtop(address), port);
}

/** The netmask of a persistent service's clients, in IPv6 its length; null for one that makes each address a client. */
export function netmaskText({ selector: { family }, persistence }: VirtualService): string | null {
  if (persistence === null || persistence.prefixLength === addressBits(family)) return null;
  const { prefixLength } = persistence;
  return family === 6 ? String(prefixLength) : formatIpv4(maskOf(prefixLength));
}

/** What follows the selector of a service: `-s rr -p 300 -M 255.255.255.0`. */
export function serviceWords(service: VirtualService): string {
  const { scheduler, persistence, engine, onePacket } = service;
  const flags = flagsText(service);
  const netmask = netmaskText(service);
  return [
    `-s ${scheduler}`,
    ...(flags === "" ? [] : [`-b ${flags}`]),
    ...(persistence === null ? [] : [`-p ${persistence.timeoutS}`]),
    ...(netmask === null ? [] : [`-M ${netmask}`]),
    ...(engine === null ? [] : [`--pe ${engine}`]),
    ...(onePacket ? ["-o"] : []),
  ].join(" ");
}

/** What follows a server's address; ipvsadm prints no thresholds, but reads them. */
export function serverWords(server: RealServer): string {
  const { upper, lower, weight } = server;
  return [
    ...[forwardingSwitch(server.forwarding), `-w ${weight}`],
    ...(upper === 0 ? [] : [`-x ${upper}`]),
    ...(lower === 0 ? [] : [`-y ${lower}`]),
    ...tunnelWords(server.forwarding),
  ].join(" ");
}

function forwardingSwitch(forwarding: Forwarding): string {
  return { masq: "-m", gate: "-g", tunnel: "-i" }[forwarding.kind];
}

function tunnelWords(forwarding: Forwarding): string[] {
  if (forwarding.kind !== "tunnel") return [];
  const { type, port, checksum } = forwarding.tunnel;
  return [
    `--tun-type ${type}`,
    ...(type === "gue" ? [`--tun-port ${port}`] : []),
    ...(type === "ipip"
      ? []
      : [{ none: "--tun-nocsum", full: "--tun-csum", remote: "--tun-remcsum" }[checksum]]),
  ];
}

/** Names of a scheduler's flags, in the order of their bits. */
function flagNames(scheduler: string): readonly [string, string, string] {
  if (scheduler === "sh" || scheduler === "mh")
    return [`${scheduler}-fallback`, `${scheduler}-port`, "flag-3"];
  return ["flag-1", "flag-2", "flag-3"];
}

export function flagsText({ scheduler, flags }: Pick<VirtualService, "scheduler" | "flags">): string {
  const [first, second, third] = flagNames(scheduler);
  return [flags.fallback && first, flags.port && second, flags.third && third].filter(Boolean).join(",");
}

/** The flags named, or the name that is none. */
export function parseFlags(text: string): SchedulerFlags | { readonly unknown: string } {
  let flags = NO_FLAGS;
  for (const name of text.split(",")) {
    if (/^(sh-fallback|mh-fallback|flag-1)$/.test(name)) flags = { ...flags, fallback: true };
    else if (/^(sh-port|mh-port|flag-2)$/.test(name)) flags = { ...flags, port: true };
    else if (name === "flag-3") flags = { ...flags, third: true };
    else return { unknown: name };
  }
  return flags;
}
