import { sha1 } from "@noble/hashes/legacy.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Family } from "../../address/ip.ts";
import { internMac, internMacNumber, type Mac } from "../../address/mac.ts";

/** What the name of every workload's device begins with (FelixConfiguration `interfacePrefix`). */
const WORKLOAD_PREFIX = "cali";

/** The node's end of every pod's cable has this address: the pods take it for their gateway's. */
export const WORKLOAD_MAC: Mac = internMac("ee:ee:ee:ee:ee:ee");

/** Name of the node's end of a pod's cable: a hash of `namespace.name` (`VethNameForWorkload`). */
export function workloadDevice(namespace: string, pod: string): string {
  return WORKLOAD_PREFIX + bytesToHex(sha1(utf8ToBytes(`${namespace}.${pod}`))).slice(0, 11);
}

/**
 * Link address of a node's VXLAN device: `66:` and the first five bytes of a hash of its name, for IPv6 with `-v6` behind
 * it (felix `vtepMACForHost`).
 */
export function vtepMac(node: string, family: Family): Mac {
  const bytes = sha1(utf8ToBytes(family === 6 ? `${node}-v6` : node));
  let bits = 0x66;
  for (let i = 0; i < 5; i++) bits = bits * 256 + (bytes[i] as number);
  return internMacNumber(bits);
}
