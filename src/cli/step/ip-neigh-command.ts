import { IPV6 } from "../../address/family.ts";
import { explainIp, parseIp } from "../../address/ip.ts";
import { parseMac } from "../../address/mac.ts";
import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { invalid, ok, type Result } from "../result.ts";
import { findDevice, isShort } from "./ip-words.ts";

const FORM = "ADDRESS lladdr MAC dev DEVICE [nud permanent] is expected";

/** `ip neigh add|replace ADDRESS lladdr MAC dev DEVICE [nud permanent]` */
export function readNeighbour(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const [command = "", text = "", ...rest] = words;
  const adds = isShort(command, "add", 1);
  if (!adds && !isShort(command, "replace", 1))
    return invalid(`ip neigh ${command}: is not built yet: add and replace are`);
  const dst = parseIp(text);
  if (dst === undefined) return invalid(`ip neigh: ${explainIp(text)}: ${FORM}`);
  const given = new Map<string, string>();
  for (let at = 0; at < rest.length; at += 2) given.set(rest[at] as string, rest[at + 1] ?? "");
  const unknown = [...given].find(
    ([word, value]) => !["lladdr", "dev"].includes(word) && !(word === "nud" && value === "permanent"),
  );
  if (unknown !== undefined)
    return invalid(`ip neigh: ${JSON.stringify(unknown.join(" "))} is not built yet: ${FORM}`);
  const device = findDevice(host, given.get("dev") ?? "");
  if (device.kind === "invalid") return device;
  const dev = device.value.name;
  const lladdr = parseMac(given.get("lladdr") ?? "");
  if (lladdr === undefined)
    return invalid(`ip neigh: ${JSON.stringify(given.get("lladdr") ?? "")} is no MAC address: ${FORM}`);
  const exists =
    typeof dst === "number"
      ? host.neighbours.some((other) => other.dst === dst && other.dev === dev && !other.proxy)
      : host.neighbours6.some((other) => IPV6.same(other.dst, dst) && other.dev === dev && !other.proxy);
  if (adds && exists) return invalid("ip neigh add: the entry exists already");
  const entry = { dev, lladdr, state: "permanent", proxy: false, origin } as const;
  const neighbour = typeof dst === "number" ? { ...entry, dst } : { ...entry, dst, router: false };
  return ok([{ kind: "neighbour-replace", neighbour }]);
}
