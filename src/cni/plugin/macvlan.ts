import { parseMac } from "../../address/mac.ts";
import { goQuote } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { text } from "../json.ts";
import { requestedMac } from "../veth-pair.ts";
import type { Plugin } from "./plugin.ts";
import { subInterfacePlugin } from "./sub-interface.ts";

const MODES = ["", "bridge", "private", "vepa", "passthru"];

/** The `macvlan` plugin: a device with a link address of its own on one of the node's devices. */
export const MACVLAN: Plugin = subInterfacePlugin({
  type: "macvlan",
  mayLackIpam: true,
  checkMode: ({ config }) => {
    const mode = text(config, "mode");
    if (!MODES.includes(mode)) fail(`unknown macvlan mode: ${goQuote(mode)}`);
  },
  link: (call, master) => {
    const mode = text(call.config, "mode");
    const { network, containerId, ifName, machine } = call;
    const drawn = machine.names.mac(`${network} ${containerId} ${ifName} container`);
    const own = mode === "passthru" ? master.mac : drawn;
    const named = requestedMac(call);
    const mac = named === null ? own : (parseMac(named) ?? fail(`address ${named}: invalid MAC address`));
    return { mac, noArp: false, data: { mode: mode || "bridge" } };
  },
});
