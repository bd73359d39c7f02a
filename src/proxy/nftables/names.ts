import { base32Hash } from "../names.ts";
import type { ServicePort } from "../service-ports.ts";

/**
 * The names of chains and sets that nftables mode makes for a port of a Service. They may be long, so what they are for
 * stands in them, behind a hash that tells apart what had to be cut.
 */
export interface PortNames {
  /** To the Cluster list of endpoints. */
  readonly service: string;
  /** To the Local list. */
  readonly local: string;
  /** Traffic from outside: external IPs, load balancer addresses, node ports. */
  readonly external: string;
  /** `loadBalancerSourceRanges` */
  readonly firewall: string;
}

export function portNames(port: ServicePort): PortNames {
  const base = nameBase(portKey(port));
  return {
    service: `service-${base}`,
    local: `local-${base}`,
    external: `external-${base}`,
    firewall: `firewall-${base}`,
  };
}

/** What an endpoint of a port has: its chain, and with session affinity the set of its clients. */
export interface EndpointNames {
  readonly endpoint: string;
  readonly affinity: string;
}

export function endpointNames(
  port: ServicePort,
  { ip, port: number }: { readonly ip: string; readonly port: number },
): EndpointNames {
  const base = nameBase(`${portKey(port)}__${ip.replaceAll(":", ".")}/${number}`);
  return { endpoint: `endpoint-${base}`, affinity: `affinity-${base}` };
}

/** Is it made for one Service? kube-proxy's own chains have no slash in their names. */
export function isServiceChain(name: string): boolean {
  return name.includes("/");
}

function portKey({ namespace, service, protocol, portName }: ServicePort): string {
  return `${namespace}/${service}/${protocol}/${portName}`;
}

/** `NFT_NAME_MAXLEN` of 256 less sixteen for the prefix. */
const NAME_LENGTH = 240;
const HASH_LENGTH = 8;

function nameBase(key: string): string {
  const name = `${base32Hash(key, HASH_LENGTH)}-${key}`;
  return name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 3)}...` : name;
}
