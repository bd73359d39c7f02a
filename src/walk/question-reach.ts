import type { Outcome } from "./trace.ts";

/** How far the questions for one neighbour went: what bridged networks pay, and routed ones do not. */
export interface QuestionReach {
  /** The address asked for. */
  readonly address: string;
  /** Devices that heard a question, each once; the asker's own only where a bridge sent it back. */
  readonly devices: number;
  /** Hosts that those devices are of. */
  readonly hosts: number;
}

/** For each address that ARP or neighbour discovery asked for, in the order of the first questions. */
export function questionReach({ arp, ndp }: Pick<Outcome, "arp" | "ndp">): readonly QuestionReach[] {
  const reached = new Map<string, { readonly devices: Set<string>; readonly hosts: Set<string> }>();
  const heard = (address: string, host: string, device: string, direction: string): void => {
    const found = reached.get(address) ?? { devices: new Set(), hosts: new Set() };
    reached.set(address, found);
    if (direction === "out") return;
    found.devices.add(`${host} ${device}`);
    found.hosts.add(host);
  };
  for (const { arp: said, host, device, direction } of arp) {
    if (said.op === "request") heard(said.tpa, host, device, direction);
  }
  for (const { nd, host, device, direction } of ndp) {
    if (nd.type === SOLICITATION && nd.target !== undefined) heard(nd.target, host, device, direction);
  }
  return [...reached].map(([address, { devices, hosts }]) => ({
    address,
    devices: devices.size,
    hosts: hosts.size,
  }));
}

const SOLICITATION = 135;
