import { explainIp, parseIp } from "../../address/ip.ts";
import { parseMac } from "../../address/mac.ts";
import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { invalid, ok, type Result } from "../result.ts";
import { findDevice, isShort } from "./ip-words.ts";

const FORM = "MAC dev DEVICE dst ADDRESS is expected";

/** `bridge fdb append|add MAC dev DEVICE dst ADDRESS [self] [permanent]`: an entry of a VXLAN device. */
export function readBridge(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const [object = "", command = "", mac = "", ...rest] = words;
  if (!isShort(object, "fdb", 1))
    return invalid(`bridge: ${JSON.stringify(object)} is not built yet: fdb is`);
  if (!isShort(command, "append", 2) && !isShort(command, "add", 1))
    return invalid(`bridge fdb ${command}: is not built yet: append and add are`);
  const lladdr = parseMac(mac);
  if (lladdr === undefined) return invalid(`bridge fdb: ${JSON.stringify(mac)} is no MAC address: ${FORM}`);
  const given = new Map<string, string>();
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] as string;
    if (word === "self" || word === "permanent") continue;
    const value = rest[++at];
    if ((word !== "dev" && word !== "dst") || value === undefined)
      return invalid(`bridge fdb: ${JSON.stringify(word)} is not built yet: ${FORM}`);
    given.set(word, value);
  }
  const device = findDevice(host, given.get("dev") ?? "");
  if (device.kind === "invalid") return device;
  const text = given.get("dst") ?? "";
  const dst = parseIp(text);
  if (dst === undefined) return invalid(`bridge fdb: dst ${explainIp(text)}`);
  if (device.value.detail.kind !== "vxlan")
    return invalid(`bridge fdb: ${device.value.name} is no VXLAN device, and others have no dst`);
  const entry = { mac: lladdr, dev: device.value.name, master: null, state: "permanent", dst } as const;
  return ok([{ kind: "fdb-append", entry: { ...entry, vlan: null, origin } }]);
}
