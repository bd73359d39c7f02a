import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";

/**
 * The names kube-proxy gives to chains. A chain's name may have 28 characters, so namespace, name, port and endpoint go
 * through a hash: the first 16 characters of the base32 text of SHA-256.
 */

export type Protocol = "tcp" | "udp" | "sctp";

/** `ns/svc:port`, or `ns/svc` for a port without a name: how rules' comments call it, and what is hashed. */
export function servicePortName(namespace: string, service: string, portName: string): string {
  return portName === "" ? `${namespace}/${service}` : `${namespace}/${service}:${portName}`;
}

export function serviceHash(name: string, protocol: Protocol): string {
  return base32Hash(name + protocol, HASH_LENGTH);
}

/** `endpoint` is `ip:port`, an IPv6 address in brackets. */
export function endpointHash(name: string, protocol: Protocol, endpoint: string): string {
  return base32Hash(name + protocol + endpoint, HASH_LENGTH);
}

/** The chains of one port of a Service. */
export interface ServiceChains {
  /** To the Cluster list of endpoints. */
  readonly cluster: string;
  /** To the Local list. */
  readonly local: string;
  /** Traffic from outside: external IPs, load balancer addresses, node ports. */
  readonly external: string;
  /** `loadBalancerSourceRanges`; before 1.24 every load balancer's. */
  readonly firewall: string;
  /** Before 1.24: traffic from outside that may go to the Local list only. */
  readonly localExternal: string;
}

export function serviceChains(name: string, protocol: Protocol): ServiceChains {
  const of = serviceHash(name, protocol);
  return {
    cluster: `KUBE-SVC-${of}`,
    local: `KUBE-SVL-${of}`,
    external: `KUBE-EXT-${of}`,
    firewall: `KUBE-FW-${of}`,
    localExternal: `KUBE-XLB-${of}`,
  };
}

export function endpointChain(name: string, protocol: Protocol, endpoint: string): string {
  return `KUBE-SEP-${endpointHash(name, protocol, endpoint)}`;
}

/** Is it a chain made for one Service, so to be deleted when no Service needs it? `KUBE-XLB-` is of before 1.24. */
export function isServiceChain(chain: string): boolean {
  return /^KUBE-(SVC|SVL|EXT|FW|SEP|XLB)-/.test(chain);
}

const HASH_LENGTH = 16;

/** The first characters, a multiple of eight, of the base32 text of SHA-256. */
export function base32Hash(text: string, length: number): string {
  return base32(sha256(utf8ToBytes(text)).subarray(0, (length * 5) / 8));
}

/** RFC 4648, section 6. The input's bits divide by five, so there is no padding. */
function base32(bytes: Uint8Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return text;
}
