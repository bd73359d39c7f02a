import type { ConfigMap } from "../object/kubernetes-object.ts";
import { describeObject } from "../object/kubernetes-object.ts";
import { formatPlace } from "../object/place.ts";
import { readDocuments } from "../object/text-documents.ts";
import type { ReadDocuments } from "../object/yaml.ts";

/**
 * The documents that config maps carry: those of kubeadm, kube-proxy, flannel, Calico and CoreDNS. Told by the names of their
 * keys, whatever the map and its namespace are called: installers differ.
 */
export interface CarriedDocument {
  /** `ConfigMap kube-system/kube-proxy config.conf`, as messages and origins name it. */
  readonly where: string;
  readonly key: string;
  readonly text: string;
}

const KEYS: ReadonlySet<string> = new Set([
  ...["ClusterConfiguration", "config.conf", "kube-proxy-config.yaml", "kubeproxy-config.conf"],
  ...["cni-conf.json", "net-conf.json", "cni_network_config", "cni-config", "Corefile"],
]);

export function carriedDocuments(map: ConfigMap): CarriedDocument[] {
  return Object.entries(map.data ?? {})
    .filter(([key, text]) => KEYS.has(key) && typeof text === "string" && text.trim() !== "")
    .map(([key, text]) => ({
      where: `${describeObject(map)} ${key} (${formatPlace(map.place)})`,
      key,
      text,
    }));
}

/** A template of an installer has words such as `__CNI_MTU__` where numbers come. */
export function readCarried({ where, text }: CarriedDocument): ReadDocuments {
  return readDocuments(where, text.replace(/(?<!["\w])__[A-Z0-9_]+__(?![\w"])/g, "null"));
}

/** What an installer still has words to fill in of: Helm's, the shell's, or its own. */
export function isTemplate({ text }: CarriedDocument): boolean {
  return /\{\{|\$\{?[A-Za-z_(]|__[A-Z0-9_]+__|<[A-Za-z_-]+>/.test(text);
}
