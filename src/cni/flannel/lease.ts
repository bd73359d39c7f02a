import { type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import { type Ipv6Words, parseIpv6 } from "../../address/ipv6.ts";
import { type Mac, parseMac } from "../../address/mac.ts";
import { type Prefix4, parsePrefix4 } from "../../address/prefix.ts";
import { isJsonObject } from "../../kernel/json-fields.ts";

/** A node's lease as the kube subnet manager publishes it: the pod CIDR, and annotations of the Node. */
export interface FlannelLease {
  readonly subnet: Prefix4;
  /** Where the others send to. */
  readonly publicIp: Ipv4;
  /** `vxlan`, `host-gw`, `ipip` …, as written. */
  readonly backend: string;
  readonly vni: number;
  /** Link address of the tunnel end; null for a backend that has none. */
  readonly vtepMac: Mac | null;
}

export type ReadLease =
  | { readonly kind: "ok"; readonly value: FlannelLease }
  /** flanneld has not run on the node. */
  | { readonly kind: "none" }
  | { readonly kind: "invalid"; readonly annotation: string; readonly message: string };

const PREFIX = "flannel.alpha.coreos.com/";

/** `public-ip-overwrite`, which an administrator sets, goes before what flanneld found. */
export function readLease(
  podCidr: string | undefined,
  annotations: Readonly<Record<string, string>>,
): ReadLease {
  const backend = annotations[`${PREFIX}backend-type`];
  const name =
    annotations[`${PREFIX}public-ip-overwrite`] === undefined ? "public-ip" : "public-ip-overwrite";
  const address = annotations[PREFIX + name];
  if (backend === undefined || address === undefined || podCidr === undefined) return { kind: "none" };
  const subnet = parsePrefix4(podCidr);
  if (subnet === undefined) return { kind: "none" };
  const publicIp = parseIpv4(address);
  if (publicIp === undefined) {
    return {
      ...{ kind: "invalid", annotation: PREFIX + name },
      message: `${JSON.stringify(address)} is no IPv4 address`,
    };
  }
  const data = readBackendData(annotations[`${PREFIX}backend-data`] ?? "null");
  if (data === null) {
    return {
      ...{ kind: "invalid", annotation: `${PREFIX}backend-data` },
      message: 'is not as flannel writes it: {"VNI":1,"VtepMAC":"3e:85:1f:fc:43:52"}, or null',
    };
  }
  return { kind: "ok", value: { subnet, publicIp, backend, ...data } };
}

/** What flanneld published of its end of IPv6 (`public-ipv6`, `backend-v6-data`); null where it did not. */
export function readLease6(
  annotations: Readonly<Record<string, string>>,
): { readonly publicIp: Ipv6Words; readonly vtepMac: Mac | null } | null {
  const overwrite = annotations[`${PREFIX}public-ipv6-overwrite`];
  const publicIp = parseIpv6(overwrite ?? annotations[`${PREFIX}public-ipv6`] ?? "");
  const data = readBackendData(annotations[`${PREFIX}backend-v6-data`] ?? "null");
  return publicIp === undefined || data === null ? null : { publicIp, vtepMac: data.vtepMac };
}

function readBackendData(content: string): { readonly vni: number; readonly vtepMac: Mac | null } | null {
  let json: unknown;
  try {
    json = JSON.parse(content === "" ? "null" : content);
  } catch {
    return null;
  }
  if (json === null) return { vni: 1, vtepMac: null };
  if (!isJsonObject(json)) return null;
  const { VNI: vni = 1, VtepMAC: text } = json;
  const vtepMac = typeof text === "string" ? parseMac(text) : null;
  if (typeof vni !== "number" || vtepMac === undefined) return null;
  return { vni, vtepMac };
}
