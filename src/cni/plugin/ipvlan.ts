import { goQuote } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { text } from "../json.ts";
import type { Plugin } from "./plugin.ts";
import { subInterfacePlugin } from "./sub-interface.ts";

const MODES = ["", "l2", "l3", "l3s"];

/** The `ipvlan` plugin: a device with the link address of the node's device it sits on. */
export const IPVLAN: Plugin = subInterfacePlugin({
  type: "ipvlan",
  mayLackIpam: false,
  checkFirst: () => {},
  checkArguments: () => {},
  readsMaster: false,
  missingMaster: (name) => `failed to lookup master ${goQuote(name)}: Link not found`,
  checkMode: ({ config }) => {
    const mode = text(config, "mode");
    if (!MODES.includes(mode)) fail(`unknown ipvlan mode: ${goQuote(mode)}`);
  },
  link: ({ config }, master) => {
    const mode = text(config, "mode");
    return {
      mac: master.mac,
      noArp: mode === "l3" || mode === "l3s",
      data: { mode: mode || "l2", mode_flag: "bridge" },
    };
  },
});
