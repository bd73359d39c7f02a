import { fail } from "../cni-error.ts";
import { object, text } from "../json.ts";
import type { PluginCall } from "../plugin/plugin.ts";
import { isAtLeast } from "../version.ts";
import { CALICO_IPAM } from "./calico-ipam.ts";
import { dhcpIpam } from "./dhcp.ts";
import { HOST_LOCAL } from "./host-local.ts";
import type { Ipam, IpamCall, IpamResult } from "./ipam.ts";
import { STATIC } from "./static.ts";

const IPAMS: ReadonlyMap<string, Ipam> = new Map([
  ["calico-ipam", CALICO_IPAM],
  ["host-local", HOST_LOCAL],
  ["static", STATIC],
]);

/** The IPAM plugin that a configuration names; empty where it names none. */
export function ipamType({ config }: PluginCall): string {
  return text(object(config, "ipam"), "type");
}

/** Finds the plugin as the runtime's path would be searched. */
export function ipamOf(call: PluginCall): Ipam {
  const ipam = pluginOf(call);
  if (isAtLeast(call.version, "0.3.0")) return ipam;
  return { ...ipam, add: (given) => inOldForm(ipam.add(given)) };
}

/** A result without addresses cannot be printed in the form before 0.3.0. */
function inOldForm(result: IpamResult): IpamResult {
  if (result.ips.length === 0) fail("cannot convert: no valid IP addresses");
  return result;
}

function pluginOf(call: PluginCall): Ipam {
  const type = ipamType(call);
  if (type === "") fail("no plugin name provided");
  if (type === "dhcp") return dhcpIpam(call);
  return IPAMS.get(type) ?? fail(`failed to find plugin ${JSON.stringify(type)} in path [/opt/cni/bin]`);
}

export function ipamCall({ machine, network, containerId, ifName, args, config }: PluginCall): IpamCall {
  return {
    ...{ network, containerId, ifName, args, config },
    store: (name, dataDir) => machine.files.store(name, dataDir),
  };
}
