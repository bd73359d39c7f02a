import { confSysctl, type Diagnosis, fault, hostOf } from "./fault.ts";

/** A router that does not route, by one setting for all or by one for a device. */
export const notForwarding: Diagnosis = (at) => {
  const { decision, host } = at;
  if (decision.reason !== "not-forwarding") return undefined;
  const sysctl = hostOf(at)?.sysctl;
  const device = decision.device;
  const isOwn = sysctl?.get("net.ipv4.ip_forward") === "1" && device !== null;
  const name = isOwn ? confSysctl(device, "forwarding") : "net.ipv4.ip_forward";
  return fault(`${host} does not forward (${name} is 0)`, {
    text: `Let ${host} forward.`,
    command: `sysctl -w ${name}=1`,
    host,
  });
};
