import { familyOfAddress, formatIp } from "../../address/ip.ts";
import type { Origin } from "../origin.ts";
import { IpvsadmOptions, LineFault } from "./ipvsadm-options.ts";
import {
  addressBits,
  type Forwarding,
  type IpvsTimeouts,
  type RealServer,
  type ServerName,
  type VirtualService,
  type VirtualServiceSelector,
} from "./virtual-service.ts";

/** One command line of ipvsadm(8), without the program's name: what changes a table, and what prints it. */
export type IpvsadmCommand =
  | { readonly kind: "add-service" | "edit-service"; readonly service: VirtualService }
  | { readonly kind: "delete-service"; readonly selector: VirtualServiceSelector }
  | {
      readonly kind: "add-server" | "edit-server";
      readonly selector: VirtualServiceSelector;
      readonly server: RealServer;
    }
  | {
      readonly kind: "delete-server";
      readonly selector: VirtualServiceSelector;
      readonly server: ServerName;
    }
  | { readonly kind: "clear" }
  | { readonly kind: "set"; readonly timeouts: IpvsTimeouts }
  | {
      readonly kind: "list";
      readonly what: "services" | "connections" | "timeouts";
      readonly sorted: boolean;
    }
  | { readonly kind: "save" }
  | { readonly kind: "zero" };

export type IpvsadmLine =
  | { readonly kind: "ok"; readonly command: IpvsadmCommand }
  | { readonly kind: "invalid"; readonly message: string };

/** Read the words that follow `ipvsadm`. One sentence where they are wrong. */
export function parseIpvsadm(words: readonly string[], origin: Origin): IpvsadmLine {
  try {
    return { kind: "ok", command: commandOf(new IpvsadmOptions(words), origin) };
  } catch (fault) {
    if (fault instanceof LineFault) return { kind: "invalid", message: fault.message };
    throw fault;
  }
}

function commandOf(options: IpvsadmOptions, origin: Origin): IpvsadmCommand {
  switch (options.command) {
    case "-A":
      return { kind: "add-service", service: serviceOf(options, origin) };
    case "-E":
      return { kind: "edit-service", service: serviceOf(options, origin) };
    case "-D":
      return { kind: "delete-service", selector: selectorOf(options) };
    case "-a":
      return { kind: "add-server", selector: selectorOf(options), server: serverOf(options, origin) };
    case "-e":
      return { kind: "edit-server", selector: selectorOf(options), server: serverOf(options, origin) };
    case "-d":
      return { kind: "delete-server", selector: selectorOf(options), server: endOf(options) };
    case "-C":
      return { kind: "clear" };
    case "-S":
      return { kind: "save" };
    case "-Z":
      return { kind: "zero" };
    case "--set":
      return { kind: "set", timeouts: options.times };
    case "":
    case "-L": {
      const what = options.connections ? "connections" : options.timeouts ? "timeouts" : "services";
      if (options.command === "" && (options.selector !== null || options.server !== null))
        throw new LineFault("a command is expected, such as -A, -a, -e, -d or -L");
      return { kind: "list", what, sorted: options.sorted };
    }
    default:
      throw new Error("unknown command");
  }
}

function selectorOf({ selector, command }: IpvsadmOptions): VirtualServiceSelector {
  if (selector === null) throw new LineFault(`${command}: a service is expected: -t, -u or -f`);
  return selector;
}

function serviceOf(options: IpvsadmOptions, origin: Origin): VirtualService {
  const selector = selectorOf(options);
  const { scheduler, flags, timeoutS, prefixLength, onePacket, engine } = options;
  if (selector.kind === "address" && selector.port === 0 && timeoutS === null)
    throw new LineFault("a service on every port (port 0) must be persistent: add -p");
  if (prefixLength !== null && timeoutS === null)
    throw new LineFault("-M: a netmask is a persistent service's: add -p");
  const persistence =
    timeoutS === null ? null : { timeoutS, prefixLength: prefixLength ?? addressBits(selector.family) };
  return {
    selector,
    scheduler,
    flags,
    persistence,
    onePacket,
    engine,
    servers: [],
    ordered: true,
    origin,
  };
}

/** Without a port a server has its service's. */
function endOf(options: IpvsadmOptions): ServerName {
  const { server, command } = options;
  if (server === null) throw new LineFault(`${command}: a real server is expected: -r ADDRESS:PORT`);
  const selector = selectorOf(options);
  if (familyOfAddress(server.address) !== selector.family)
    throw new LineFault(
      `${command}: a real server of another family than its service's (a tunnel's) is not built yet: ${formatIp(server.address)}`,
    );
  const port = server.port ?? (selector.kind === "address" ? selector.port : 0);
  return { address: server.address, port };
}

function serverOf(options: IpvsadmOptions, origin: Origin): RealServer {
  const { address, port } = endOf(options);
  const selector = selectorOf(options);
  const { forwarding, tunnel, weight, upper, lower } = options;
  // "With the tunneling and direct routing methods, port must be equal to that of the service address."
  const own = forwarding === "masq" || selector.kind === "fwmark" ? port : selector.port;
  const way: Forwarding = forwarding === "tunnel" ? { kind: "tunnel", tunnel } : { kind: forwarding };
  return { address, port: own, forwarding: way, weight, upper, lower, active: 0, inactive: 0, origin };
}
