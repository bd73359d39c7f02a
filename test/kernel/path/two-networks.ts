import type { World } from "../../../src/world/world.ts";
import { type HostSpec, smallWorld } from "../../walk/small-world.ts";

/** a – r – b: two networks and a router, which forwards. Everybody serves tcp 80 and udp 53. */

const LISTEN = ["tcp 80", "udp 53"];

export function twoNetworks(r: HostSpec = {}, a: HostSpec = {}, b: HostSpec = {}): World {
  return smallWorld(
    {
      a: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"], listen: LISTEN, ...a },
      r: { links: { eth0: "10.0.0.1/24", eth1: "10.1.0.1/24" }, forward: true, listen: LISTEN, ...r },
      b: { links: { eth0: "10.1.0.2/24" }, routes: ["default via 10.1.0.1"], listen: LISTEN, ...b },
    },
    ["a:eth0 r:eth0", "r:eth1 b:eth0"],
  );
}
