import { confSysctl, type Diagnosis, familyOf, fault, hostOf } from "./fault.ts";

/** A router that does not route, by one setting for all or by one for a device. */
export const notForwarding: Diagnosis = (at) => {
  const { decision, host } = at;
  const sysctl = hostOf(at)?.sysctl;
  const six = familyOf(at) === 6;
  // A host that does not forward finds no route for what is not its own (`ip_route_input_slow`).
  const isOff =
    !six &&
    decision.reason === "no-route" &&
    host !== at.sender &&
    sysctl?.get("net.ipv4.ip_forward") === "0";
  if (decision.reason !== "not-forwarding" && !isOff) return undefined;
  const device = decision.device;
  // In IPv6 the one setting for all says whether a host forwards (`ip6_forward`).
  const isOwn = !six && sysctl?.get("net.ipv4.ip_forward") === "1" && device !== null;
  const ofAll = six ? confSysctl("all", "forwarding", 6) : "net.ipv4.ip_forward";
  const name = isOwn ? confSysctl(device, "forwarding") : ofAll;
  return fault(`${host} does not forward (${name} is 0)`, {
    text: `Let ${host} forward.`,
    command: `sysctl -w ${name}=1`,
    host,
  });
};
