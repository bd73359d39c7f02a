import { confSysctl, type Diagnosis, fault, hostOf } from "./fault.ts";

/** A router that does not route, by one setting for all or by one for a device. */
export const notForwarding: Diagnosis = (at) => {
  const { decision, host } = at;
  const sysctl = hostOf(at)?.sysctl;
  // A host that does not forward finds no route for what is not its own (`ip_route_input_slow`).
  const isOff =
    decision.reason === "no-route" && host !== at.sender && sysctl?.get("net.ipv4.ip_forward") === "0";
  if (decision.reason !== "not-forwarding" && !isOff) return undefined;
  const device = decision.device;
  const isOwn = sysctl?.get("net.ipv4.ip_forward") === "1" && device !== null;
  const name = isOwn ? confSysctl(device, "forwarding") : "net.ipv4.ip_forward";
  return fault(`${host} does not forward (${name} is 0)`, {
    text: `Let ${host} forward.`,
    command: `sysctl -w ${name}=1`,
    host,
  });
};
