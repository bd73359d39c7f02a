import { formatIpv4, type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import { integer, text } from "../json.ts";
import type { NodeFiles } from "../machine.ts";

/** A lease as the daemon remembers it; instants are seconds of the virtual clock. */
export interface KnownLease {
  /** The client identifier it asked with. */
  readonly id: string;
  readonly netns: string;
  readonly ifName: string;
  readonly address: Ipv4;
  /** The server that gave it. */
  readonly identifier: Ipv4;
  readonly acquired: number;
  readonly renewal: number;
  readonly rebinding: number;
  readonly expires: number;
}

/** Where the daemon's memory is kept between calls: the real one has it in its process. */
const FOLDER = "dhcp/";

function pathOf(key: string): string {
  return `${FOLDER}${key.replaceAll("/", "_")}.json`;
}

export function remember(files: NodeFiles, key: string, lease: KnownLease): void {
  const { address, identifier, ...rest } = lease;
  const json: Json = { key, ...rest, address: formatIpv4(address), server: formatIpv4(identifier) };
  files.write(pathOf(key), JSON.stringify(json));
}

export function forget(files: NodeFiles, key: string): void {
  files.remove(pathOf(key));
}

export function leaseOf(files: NodeFiles, key: string): KnownLease | undefined {
  return parse(files.read(pathOf(key)))?.lease;
}

/** Every lease by its key. */
export function allLeases(files: NodeFiles): readonly { readonly key: string; readonly lease: KnownLease }[] {
  return files.list(FOLDER).flatMap((path) => parse(files.read(path)) ?? []);
}

function parse(
  content: string | undefined,
): { readonly key: string; readonly lease: KnownLease } | undefined {
  const json: unknown = content === undefined ? undefined : JSON.parse(content);
  if (!isJsonObject(json)) return undefined;
  const lease = {
    ...{ id: text(json, "id"), netns: text(json, "netns"), ifName: text(json, "ifName") },
    address: parseIpv4(text(json, "address")) ?? 0,
    identifier: parseIpv4(text(json, "server")) ?? 0,
    ...{ acquired: integer(json, "acquired"), renewal: integer(json, "renewal") },
    ...{ rebinding: integer(json, "rebinding"), expires: integer(json, "expires") },
  };
  return { key: text(json, "key"), lease };
}
