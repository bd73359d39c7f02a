import type { NetDevice } from "../device/net-device.ts";
import { ambiguousFilters, compileTcFilter, longestOfTbf } from "./compile-filter.ts";
import type { TrafficControl } from "./traffic-control.ts";

/** Give devices what traffic control does at them: `ingress` and `clsact` alone have filters where frames come in and leave. */
export function attachTrafficControl(
  { qdiscs, filters }: TrafficControl,
  deviceNamed: (name: string) => NetDevice | null,
): void {
  for (const { dev, kind, place, options } of qdiscs) {
    const device = deviceNamed(dev);
    if (device !== null && kind === "tbf" && place === "root") device.tbfLongest = longestOfTbf(options);
  }
  const shown = ambiguousFilters(filters);
  filters.forEach((plain, index) => {
    const device = deviceNamed(plain.dev);
    const holds = qdiscs.some(
      ({ dev, kind }) =>
        dev === plain.dev && (kind === "clsact" || (kind === "ingress" && plain.hook === "ingress")),
    );
    const read = device === null || !holds ? null : compileTcFilter(plain, index);
    if (device === null || read === null) return;
    const compiled = shown.has(plain) ? { ...read, test: null } : read;
    if (plain.hook === "ingress") device.tcIngress = [...device.tcIngress, compiled];
    else device.tcEgress = [...device.tcEgress, compiled];
  });
}
