import { parseMac } from "../../address/mac.ts";
import type { Device } from "../../kernel/device/device.ts";
import { goQuote } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { text } from "../json.ts";
import { requestedMac } from "../veth-pair.ts";
import type { Plugin } from "./plugin.ts";
import { subInterfacePlugin } from "./sub-interface.ts";

const MODES = ["", "bridge", "private", "vepa", "passthru"];

function modeOf({ detail }: Device): string {
  return detail.kind === "macvlan" ? detail.mode : "";
}

/** The `macvlan` plugin: a device with a link address of its own on one of the node's devices. */
export const MACVLAN: Plugin = subInterfacePlugin({
  type: "macvlan",
  mayLackIpam: true,
  checkFirst: () => {},
  checkArguments: (call) => void requestedMac(call),
  readsMaster: true,
  missingMaster: () => "Link not found",
  checkMode: ({ config }) => {
    const mode = text(config, "mode");
    if (!MODES.includes(mode)) fail(`unknown macvlan mode: ${goQuote(mode)}`);
  },
  link: (call, master) => {
    const mode = text(call.config, "mode");
    const { network, containerId, ifName, machine } = call;
    const drawn = machine.names.mac(`${network} ${containerId} ${ifName} container`);
    const named = requestedMac(call) ?? (text(call.config, "mac") || null);
    const asked =
      named === null
        ? drawn
        : (parseMac(named) ??
          fail(`invalid args ${named} for MAC addr: address ${named}: invalid MAC address`));
    const others = machine.macvlansOn({ host: machine.node.name, device: master.name });
    // `macvlan_common_newlink`: one of this mode has its card for itself.
    const isAlone = mode === "passthru" || others.some((other) => modeOf(other) === "passthru");
    if (isAlone && others.length > 0) fail("failed to create macvlan: invalid argument");
    // `eth_hw_addr_inherit`: whatever was asked for.
    const mac = mode === "passthru" ? master.mac : asked;
    return { mac, noArp: false, data: { mode: mode || "bridge" } };
  },
});
