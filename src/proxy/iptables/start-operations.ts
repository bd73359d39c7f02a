import type { Operation } from "../../kernel/operation.ts";
import type { ProxyConfiguration } from "../configuration.ts";
import { servesLocalhost } from "./fixed-rules.ts";

/** What kube-proxy sets once, when it starts: the kernel settings that its rules build upon. */
export function startOperations(configuration: ProxyConfiguration): Operation[] {
  const settings: [string, string][] = [];
  // A packet to a node port on 127.0.0.1 keeps that as its source, which the kernel would not route elsewhere.
  if (servesLocalhost(configuration)) settings.push(["net.ipv4.conf.all.route_localnet", "1"]);
  return settings.map(([name, value]) => ({ kind: "sysctl", name, value }));
}
