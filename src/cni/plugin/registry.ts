import { BANDWIDTH } from "./bandwidth.ts";
import { BRIDGE } from "./bridge.ts";
import { CALICO } from "./calico.ts";
import { FIREWALL } from "./firewall.ts";
import { FLANNEL } from "./flannel.ts";
import { HOST_DEVICE } from "./host-device.ts";
import { IPVLAN } from "./ipvlan.ts";
import { LOOPBACK } from "./loopback.ts";
import { MACVLAN } from "./macvlan.ts";
import type { Plugin } from "./plugin.ts";
import { PORTMAP } from "./portmap.ts";
import { PTP } from "./ptp.ts";
import { SBR } from "./sbr.ts";
import { TUNING } from "./tuning.ts";
import { VLAN } from "./vlan.ts";
import { VRF } from "./vrf.ts";

/** Every plugin that is modelled, by the `type` of a configuration. */
export const PLUGINS: ReadonlyMap<string, Plugin> = new Map([
  ["bandwidth", BANDWIDTH],
  ["bridge", BRIDGE],
  ["calico", CALICO],
  ["firewall", FIREWALL],
  ["flannel", FLANNEL],
  ["host-device", HOST_DEVICE],
  ["ipvlan", IPVLAN],
  ["loopback", LOOPBACK],
  ["macvlan", MACVLAN],
  ["portmap", PORTMAP],
  ["ptp", PTP],
  ["sbr", SBR],
  ["tuning", TUNING],
  ["vlan", VLAN],
  ["vrf", VRF],
]);
