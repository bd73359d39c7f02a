import type { Host } from "../host.ts";
import type { Operation } from "../operation.ts";
import { formatConnections } from "./connection-list.ts";
import type { IpvsState } from "./ipvs-state.ts";
import type { IpvsadmCommand } from "./ipvsadm-line.ts";
import { formatIpvsadmList, formatTimeouts } from "./ipvsadm-list.ts";
import { formatIpvsadmSave } from "./ipvsadm-save.ts";
import { NO_SERVICES } from "./virtual-service.ts";

/** What an ipvsadm command line does to a host; nothing for one that only prints, or zeroes counters that are not kept. */
export function ipvsadmOperations(command: IpvsadmCommand): Operation[] {
  switch (command.kind) {
    case "add-service":
      return [{ kind: "virtual-server-add", service: command.service }];
    case "edit-service":
      return [{ kind: "virtual-server-edit", service: command.service }];
    case "delete-service":
      return [{ kind: "virtual-server-delete", selector: command.selector }];
    case "add-server":
      return [{ kind: "real-server-add", selector: command.selector, server: command.server }];
    case "edit-server":
      return [{ kind: "real-server-edit", selector: command.selector, server: command.server }];
    case "delete-server":
      return [{ kind: "real-server-delete", selector: command.selector, server: command.server }];
    case "clear":
      return [{ kind: "ipvs-clear" }];
    case "set":
      return [{ kind: "ipvs-timeouts", timeouts: command.timeouts }];
    case "list":
    case "save":
    case "zero":
      return [];
    default:
      command satisfies never;
      throw new Error("unknown command");
  }
}

/** What it prints, `""` for one that changes something. */
export function ipvsadmOutput(command: IpvsadmCommand, host: Host, state: IpvsState, now: number): string {
  const { services, timeouts } = host.ipvs ?? NO_SERVICES;
  if (command.kind === "save") return formatIpvsadmSave(services);
  if (command.kind !== "list") return "";
  if (command.what === "timeouts") return formatTimeouts(timeouts);
  if (command.what === "connections") return formatConnections(state, now);
  state.expire(now);
  const { sorted } = command;
  return formatIpvsadmList(services, {
    sorted,
    countsOf: (service, server) => state.counts(service, server),
  });
}
