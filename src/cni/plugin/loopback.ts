import { fail } from "../cni-error.ts";
import { type CniResult, NO_DNS } from "../result.ts";
import { openNetns, type Plugin, type PluginCall } from "./plugin.ts";

/** The `loopback` plugin: `lo` of a container up and down, whatever interface the call names. */
export const LOOPBACK: Plugin = { add, del, check, isUnconverted: true };

const LO = "lo";

function add(call: PluginCall): CniResult {
  openNetns(call).setUp(LO);
  if (call.prevResult !== null) return call.prevResult;
  return {
    interfaces: [{ name: LO, mac: "00:00:00:00:00:00", sandbox: call.netns, mtu: 0 }],
    ips: [
      { interface: 0, address: { ip: { family: 4, value: 0x7f00_0001n }, length: 8 }, gateway: null },
      { interface: 0, address: { ip: { family: 6, value: 1n }, length: 128 }, gateway: null },
    ],
    routes: [],
    dns: NO_DNS,
  };
}

function del({ machine, netns }: PluginCall): void {
  machine.netns(netns)?.setDown(LO);
}

function check(call: PluginCall): void {
  if (openNetns(call).device(LO)?.up !== true) fail("loopback interface is down");
}
