import { describe, expect, it } from "vitest";
import { formatRoute } from "../../../src/kernel/route/ip-route.ts";
import { kernelRoutes, vrfTableOf } from "../../../src/kernel/route/kernel-routes.ts";
import type { Route } from "../../../src/kernel/route/route.ts";
import { readSnapshot } from "../../../src/world/snapshot-in.ts";
import { readRecordingText, recordingNames } from "../../fixtures.ts";

/** The shortened recordings have no local table, which is then made by the very function under test. */
const WHOLE = recordingNames().filter((name) => !name.includes("sched-"));

/** Where the CNI plugin ptp deleted the pod's network route again, as it does. */
const WITHOUT_NETWORK_ROUTE = [
  "g-ptp-plain",
  "g-ptp-rpf",
  "ipvs-ipip/kube-ipvs-masqall",
  "ipvs-ipip/kube-ipvs-ptp-old",
];

describe("the routes that the kernel makes with an address", () => {
  it.each(WHOLE)("as recorded: %s", (name) => {
    const snapshot = readSnapshot(name, readRecordingText(name));
    if (snapshot.kind !== "ok") throw new Error("unreadable");
    for (const host of snapshot.world.hosts.values()) {
      const recorded = host.routes.filter((route) => route.protocol === "kernel").map(textOf);
      const made = host.devices
        .flatMap((device) => kernelRoutes(device, host.addresses, vrfTableOf(device, host.devices)))
        .filter((route) => {
          const deleted = WITHOUT_NETWORK_ROUTE.includes(name) && route.type === "unicast";
          return !deleted || recorded.includes(textOf(route));
        });
      expect(made.map(textOf).sort(), host.name).toEqual(recorded.sort());
    }
  });
});

function textOf(route: Route): string {
  return JSON.stringify(formatRoute(route));
}
