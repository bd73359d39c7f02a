import { explainIpv4 } from "../../address/ipv4.ts";
import { explainPrefix4, type Prefix4, parseAddressOrPrefix4 } from "../../address/prefix.ts";
import type { Device } from "../../kernel/device/device.ts";
import type { Host } from "../../kernel/host.ts";
import { suggestion } from "../../kernel/nearest-word.ts";
import { invalid, ok, type Result } from "../result.ts";

/** iproute2 takes any beginning of a word (`matches`). */
export function isShort(text: string, word: string, least: number): boolean {
  return text.length >= least && word.startsWith(text);
}

export function readPrefix(text: string): Result<Prefix4> {
  const prefix = parseAddressOrPrefix4(text);
  if (prefix !== undefined) return ok(prefix);
  return invalid(text.includes("/") ? explainPrefix4(text) : explainIpv4(text));
}

export function findDevice(host: Host, name: string): Result<Device> {
  const device = host.devices.find((each) => each.name === name);
  if (device !== undefined) return ok(device);
  const near = suggestion(
    name,
    host.devices.map((each) => each.name),
  );
  return invalid(`host ${host.name} has no device ${JSON.stringify(name)}${near}`);
}
