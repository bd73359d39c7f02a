import { readArguments } from "../arguments.ts";
import { fail } from "../cni-error.ts";
import { parseIp } from "../ip.ts";
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
  const ip = parseIp(given) ?? fail(`invalid IP address: ${given}`);
  const address = { ip, length: ip.family === 4 ? 32 : 128 };
  return { ips: [{ interface: null, address, gateway: null }], routes: [], dns: NO_DNS };
}
