import { fail } from "../cni-error.ts";
import { integer, text } from "../json.ts";
import type { Plugin } from "./plugin.ts";
import { subInterfacePlugin } from "./sub-interface.ts";

/** The `vlan` plugin: a VLAN of one of the node's devices. */
export const VLAN: Plugin = subInterfacePlugin({
  type: "vlan",
  mayLackIpam: false,
  checkMode: () => {},
  checkArguments: () => {},
  readsMaster: true,
  missingMaster: () => "Link not found",
  checkFirst: ({ config }) => {
    if (text(config, "master") === "") {
      fail('"master" field is required. It specifies the host interface name to create the VLAN for.');
    }
    const id = integer(config, "vlanId");
    if (id < 0 || id > 4094) fail(`invalid VLAN ID ${id} (must be between 0 and 4095 inclusive)`);
  },
  link: ({ config }, master) => {
    const id = integer(config, "vlanId");
    return { mac: master.mac, noArp: false, data: { protocol: "802.1Q", id } };
  },
});
