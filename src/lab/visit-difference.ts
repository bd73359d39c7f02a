import { socketAddressText, splitSocketAddress } from "../address/socket-address.ts";
import type { HookVisit, PacketView } from "../walk/trace.ts";
import type { RecordedVisit } from "./recorded.ts";
import type { Renaming } from "./renaming.ts";

/** The first thing a recorded way through a hook and one of ours differ in, in words; null where they agree. */
export function visitDifference(recorded: RecordedVisit, ours: HookVisit, renaming: Renaming): string | null {
  for (const key of ["in", "out", "physin", "physout"] as const) {
    // The recorders tell no bridge port in OUTPUT, where only a packet that IPVS sends on has one.
    if (key.startsWith("phys") && recorded.hook === "OUTPUT") continue;
    if (recorded[key] !== ours[key])
      return `${key} ${recorded[key] ?? "none"} recorded, ${ours[key] ?? "none"} modelled`;
  }
  const packet = recorded.packet === undefined ? null : packetWords(recorded.packet, ours.before, renaming);
  if (packet !== null) return packet;
  const theirs = recorded.steps;
  let mark = 0;
  for (let i = 0; i < Math.max(theirs.length, ours.steps.length); i++) {
    const step = ours.steps[i];
    let text: string | undefined;
    if (step !== undefined) {
      text = stepText(step);
      if (step.mark !== mark) text += ` mark=0x${step.mark.toString(16)}`;
      mark = step.mark;
    }
    const recordedStep = theirs[i]?.replace(/ LOG .*$/, "");
    if (recordedStep !== text)
      return `step ${i + 1}: ${recordedStep ?? "none"} recorded, ${text ?? "none"} modelled`;
  }
  return null;
}

/** Is a recorded visit that of the same packet by its words? */
export function samePacket(recorded: RecordedVisit, ours: HookVisit, renaming: Renaming): boolean {
  return recorded.packet !== undefined && packetWords(recorded.packet, ours.before, renaming.fork()) === null;
}

/** `tcp 10.0.0.1:40000>10.0.0.2:80 ttl=64`, `tcp [fd00::1]:40000>[fd00::2]:80 hlim=64`: the packet as it entered the hook. */
function packetWords(text: string, ours: PacketView, renaming: Renaming): string | null {
  const match = /^\S+ (?:(\d+)(?:\/(\d+))? )?([^\s>]+)>(\S+) (?:ttl|hlim)=(\d+)/.exec(text);
  if (match === null) return null;
  const [, type, code, from = "", to = "", ttl] = match;
  const { address: src, port: sport } = splitSocketAddress(from);
  const { address: dst, port: dport } = splitSocketAddress(to);
  const ports = ours.tcp ?? ours.udp;
  const agrees =
    src === ours.ip.src &&
    dst === ours.ip.dst &&
    Number(ttl) === ours.ip.ttl &&
    (type === undefined || Number(type) === ours.icmp?.type) &&
    (code === undefined || Number(code) === ours.icmp?.code) &&
    (sport === null || renaming.accepts(ports?.sport ?? -1, sport)) &&
    (dport === null || renaming.accepts(ports?.dport ?? -1, dport));
  return agrees ? null : `packet ${text} recorded, ${wordsOf(ours)} modelled`;
}

function wordsOf(packet: PacketView): string {
  const ports = packet.tcp ?? packet.udp;
  const end = (address: string, port: number | undefined): string =>
    port === undefined ? address : socketAddressText(address, port);
  const { src, dst, ttl } = packet.ip;
  return `${end(src, ports?.sport)}>${end(dst, ports?.dport)} ttl=${ttl}`;
}

export function stepText(step: {
  readonly table: string;
  readonly chain: string;
  readonly kind: string;
  readonly index: number;
}): string {
  return `${step.table}:${step.chain}:${step.kind}:${step.index}`;
}

/** The family of a recorded visit or counter. */
export function familyOf({ family }: { readonly family?: number }): number {
  return family ?? 4;
}

export function familyOfVisit({ before }: HookVisit): number {
  return before.ip.src.includes(":") ? 6 : 4;
}
