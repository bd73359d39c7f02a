import { type Family, formatIp } from "../../address/ip.ts";
import { formatMac, parseMac } from "../../address/mac.ts";
import type { Device } from "../../kernel/device/device.ts";
import type { Host } from "../../kernel/host.ts";
import { type Case, type Diagnosis, fault, hostOf, ipOf } from "./fault.ts";
import { commonNetwork } from "./missing-route.ts";

/** A VXLAN device that is not told behind which node a MAC address lies. */
export const noForwardingEntry: Diagnosis = (at) => {
  const { decision, host } = at;
  const { device, packet } = decision;
  const mac = packet?.eth?.dst;
  if (decision.reason !== "vxlan-no-remote" || device === null) return undefined;
  const there = mac === undefined ? undefined : holderOfMac(at, mac);
  const here = hostOf(at);
  const end =
    there === undefined || here === undefined ? undefined : underlayOf(here, there.host, there.device);
  const whose =
    there === undefined
      ? (mac ?? "the destination's MAC")
      : `${mac}, ${there.device.name} of ${there.host.name}`;
  return fault(`${device} of ${host} has no forwarding entry for ${whose}`, {
    text: `Tell ${device} of ${host} behind which node ${mac ?? "it"} lies (flanneld does, while it runs there).`,
    ...(mac === undefined || end === undefined
      ? {}
      : { command: `bridge fdb append ${mac} dev ${device} dst ${end}` }),
    host,
  });
};

/** Through a VXLAN device nobody answers ARP: flannel writes a permanent entry for each peer. */
export const noTunnelNeighbour: Diagnosis = (at) => {
  const asked = unanswered(at);
  if (asked === undefined) return undefined;
  const { address, host, device } = asked;
  if (device.detail.kind !== "vxlan") return undefined;
  const holds = (host: Host, dev?: string): boolean =>
    [...host.addresses, ...host.addresses6].some(
      (own) => formatIp(own.address) === address && (dev === undefined || own.dev === dev),
    );
  const there = [...at.names.world.hosts.values()].find((each) => holds(each));
  const far = there?.devices.find(({ name }) => holds(there, name));
  const six = address.includes(":");
  const whose = there === undefined ? "" : `, ${far?.name} of ${there.name}`;
  return fault(`${host} has no neighbour entry for ${address}${whose} on ${device.name}`, {
    text: `Write the entry that flanneld would (nobody answers ${six ? "neighbour discovery" : "ARP"} through the tunnel).`,
    ...(far === undefined
      ? {}
      : {
          command: `${ipOf(six ? 6 : 4)} neigh replace ${address} lladdr ${formatMac(far.mac)} dev ${device.name} nud permanent`,
        }),
    host,
  });
};

/** Nobody on the network has the address that was asked for. */
export const nobodyHas: Diagnosis = (at) => {
  const asked = unanswered(at);
  if (asked === undefined) return undefined;
  const { address, host, device } = asked;
  const network = at.names.networkOf(address);
  const holder = at.names.hostAt(address);
  const who = `Look whether whoever has ${address} is up, and reachable by ${device.name} of ${host}.`;
  if (holder !== undefined)
    return fault(
      `${at.names.host(holder.name)} has ${address}, but does not answer ${address.includes(":") ? "neighbour discovery" : "ARP"} on ${device.name} of ${host}`,
      {
        text: who,
        host: holder.name,
      },
    );
  const what =
    network === undefined
      ? "nobody"
      : network.startsWith("pods of ")
        ? `no pod has ${address}, and nobody`
        : "nobody";
  return fault(`${what} answers for ${address} on ${device.name} of ${host}`, {
    text: network?.startsWith("pods of ")
      ? `Ask a pod that is there: ${address} is an address of the ${network}, and free; or ask a Service, which knows its pods' present ones.`
      : who,
    host,
  });
};

/** Both ends of a tunnel must agree. */
export const tunnelMismatch: Diagnosis = ({ decision: { packet, reason }, host }) => {
  const vni = reason === "vxlan-no-vni";
  // A datagram to a port that no device here has is any program's, and refused as such.
  if (!vni && (reason !== "no-listener-udp" || packet?.vxlan === undefined)) return undefined;
  const carried = vni ? packet?.vxlan?.vni : packet?.udp?.dport;
  const what = vni ? "VNI" : "UDP port";
  const told = carried === undefined ? "" : ` ${carried}`;
  return fault(`no VXLAN device of ${host} has the ${what}${told} that the packet comes with`, {
    text: `Give the VXLAN devices of both ends the same ${what}${carried === undefined ? "" : `: what arrives carries ${carried}`}.`,
    host,
  });
};

interface Unanswered {
  readonly address: string;
  readonly host: string;
  readonly device: Device;
}

/** The address that nobody has answered for, and by which device of which host it was asked for. */
export function unanswered({ outcome, decision, names }: Case): Unanswered | undefined {
  if (decision.reason !== "no-neighbour") return undefined;
  const said = "nobody has ";
  const step = outcome.steps.find(({ kind, text }) => kind === "neighbour" && text.startsWith(said));
  const device = names.world.hosts.get(step?.host ?? "")?.devices.find(({ name }) => name === step?.device);
  return step === undefined || device === undefined
    ? undefined
    : { address: step.text.slice(said.length), host: step.host, device };
}

function holderOfMac(
  { names }: Case,
  text: string,
): { readonly host: Host; readonly device: Device } | undefined {
  const mac = parseMac(text);
  for (const host of names.world.hosts.values()) {
    const device = host.devices.find((each) => each.detail.kind === "vxlan" && each.mac === mac);
    if (device !== undefined) return { host, device };
  }
  return undefined;
}

/** What the other end of a tunnel sends from. */
function underlayOf(here: Host, there: Host, device: Device): string | undefined {
  const local = device.detail.kind === "vxlan" ? device.detail.local : null;
  const families: readonly Family[] = [4, 6];
  const [common] = families.flatMap((family) => commonNetwork(here, there, family) ?? []);
  const address = local ?? common?.address;
  return address === undefined ? undefined : formatIp(address);
}
