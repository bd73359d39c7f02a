import { type DraftHost, networkText } from "./draft.ts";
import type { Ground } from "./topology.ts";

/** Addresses on a host's own links of those that forward nothing: what is sent there goes no further. */
export function idleNeighbours({ draft, plan, addresses }: Ground, host: DraftHost): readonly string[] {
  const forwarding = [...draft.hosts.values()].filter(
    ({ sysctl }) =>
      sysctl[plan.family === 4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"] === "1",
  );
  const taken = new Set(
    [...forwarding, host].flatMap((each) => each.addresses.map(({ address }) => address)),
  );
  const networks = host.addresses
    .filter(({ address, length }) => address.includes(":") === (plan.family === 6) && length < plan.single)
    .map(({ address, length }) => ({ network: networkText(address, length), length }));
  return addresses.filter(
    (address) =>
      !taken.has(address) && networks.some(({ network, length }) => networkText(address, length) === network),
  );
}
