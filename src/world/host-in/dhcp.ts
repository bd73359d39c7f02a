import { contains } from "../../address/prefix.ts";
import { DHCP_FIELD, readDhcp } from "../dhcp/configuration.ts";
import type { HostReading } from "./reading.ts";

/** Read for its mistakes alone: it stays with the host as it was written. */
export function checkDhcp(reading: HostReading): void {
  const json = reading.json.object(DHCP_FIELD);
  if (json === undefined) return;
  const { servers, clients } = readDhcp(json);
  if (!reading.knowsDevices) return;
  const check = (name: string, path: string): void => {
    if (name !== "" && !reading.devices.has(name)) {
      json.faults.add(path, reading.noDevice(name));
    }
  };
  for (const [i, { device, identifier, subnet }] of servers.entries()) {
    const path = `${json.path}.servers[${i}]`;
    check(device, `${path}.device`);
    const isNear = reading.addresses.some(({ dev, address }) => dev === device && contains(subnet, address));
    if (identifier === null && reading.devices.has(device) && !isNear) {
      json.faults.add(`${path}.subnet`, `${device} has no address of it, so the server could not answer`);
    }
  }
  for (const [i, name] of clients.entries()) check(name, `${json.path}.clients[${i}]`);
}
