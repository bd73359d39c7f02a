import type { AddressFamily, PrefixOf } from "../../address/family.ts";
import type { Device } from "../../kernel/device/device.ts";
import type { Host } from "../../kernel/host.ts";
import { suggestion } from "../../kernel/nearest-word.ts";
import { invalid, ok, type Result } from "../result.ts";

/** iproute2 takes any beginning of a word (`matches`). */
export function isShort(text: string, word: string, least: number): boolean {
  return text.length >= least && word.startsWith(text);
}

export function readPrefix<Address>(of: AddressFamily<Address>, text: string): Result<PrefixOf<Address>> {
  const prefix = of.parsePrefix(text);
  if (prefix !== undefined) return ok(prefix);
  return invalid(text.includes("/") ? of.explainPrefix(text) : of.explain(text));
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
