import { createHash } from "node:crypto";
import { formatIpv4 } from "../src/address/ipv4.ts";
import { type Endpoint, endpointText, type Service } from "./services.ts";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The first characters of base32 of SHA-256. */
export function hashOf(text: string, characters: number): string {
  const bytes = createHash("sha256").update(text).digest();
  let result = "";
  for (let i = 0; i < characters; i++) {
    const bit = i * 5;
    const two = ((bytes[bit >> 3] as number) << 8) | (bytes[(bit >> 3) + 1] as number);
    result += BASE32[(two >> (11 - (bit & 7))) & 31];
  }
  return result;
}

/** Chains of the iptables mode. */
export function serviceHash(service: Service): string {
  return hashOf(`${service.name}udp`, 16);
}

export function endpointHash(service: Service, endpoint: Endpoint): string {
  return hashOf(`${service.name}udp${endpointText(endpoint)}`, 16);
}

/** Chains of the nftables mode, without what they begin with. */
export function nftServiceBase(service: Service): string {
  const key = `${service.name}/udp/`;
  return `${hashOf(key, 8)}-${key}`;
}

export function nftEndpointBase(service: Service, endpoint: Endpoint): string {
  const key = `${service.name}/udp/__${formatIpv4(endpoint.address)}/${endpoint.port}`;
  return `${hashOf(key, 8)}-${key}`;
}
