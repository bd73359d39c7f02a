import { readArguments } from "../arguments.ts";
import { fail } from "../cni-error.ts";
import { bitsOf, parseIp } from "../ip.ts";
import { NO_DNS } from "../result.ts";
import type { Ipam, IpamCall, IpamResult } from "./ipam.ts";

/**
 * The `calico-ipam` plugin. Its memory is the cluster's datastore, where blocks belong to nodes: in a cluster the controller
 * has given the pod its address (`control/calico-ipam.ts`), which comes here as `IP`; the plugin alone has nothing to give.
 */
export const CALICO_IPAM: Ipam = { add, del: () => {}, check: (call) => void add(call) };

function add({ args }: IpamCall): IpamResult {
  const given = readArguments(args, ["IP", "K8S_POD_NAMESPACE", "K8S_POD_NAME"]).get("IP") ?? "";
  if (given === "") {
    fail(
      "calico-ipam keeps its blocks in the cluster's datastore, which is not at hand: name an address by CNI_ARGS IP=…, or use host-local",
    );
  }
  const ips = given.split(",").map((text) => {
    const ip = parseIp(text) ?? fail(`invalid IP address: ${text}`);
    return { interface: null, address: { ip, length: bitsOf(ip.family) }, gateway: null };
  });
  return { ips, routes: [], dns: NO_DNS };
}
