import { isJsonObject } from "../kernel/json-fields.ts";
import {
  checkFields,
  type Fields,
  object,
  optional,
  prefix,
  prefixes,
  text,
  word,
} from "../object/field-table.ts";
import { type Findings, ObjectReport } from "../object/object-report.ts";
import type { TextDocument } from "../object/yaml.ts";
import { checkKubeProxyConfiguration } from "../proxy/kube-proxy-fields.ts";
import { FLANNEL_BACKENDS } from "./clues.ts";
import { checkConflist } from "./conflist.ts";
import type { DocumentKind } from "./document-kind.ts";

/** The part of kubeadm's ClusterConfiguration that speaks of the network; its other fields are kubeadm's own affair. */
const KUBEADM_NETWORKING: Fields = optional({
  podSubnet: prefixes,
  serviceSubnet: prefixes,
  dnsDomain: text,
});

/** Of flannel's `net-conf.json` (`subnet.Config`). */
const FLANNEL: Fields = optional({
  Network: prefix,
  Backend: object({ ...optional({ Type: word("", ...FLANNEL_BACKENDS) }) }),
});

/** Whether a configuration document is right as far as it is read here; every mistake is told. */
export function checkConfiguration(kind: DocumentKind, document: TextDocument, findings: Findings): boolean {
  const { value } = document;
  if (!isJsonObject(value)) return false;
  const before = findings.errors.length;
  const report = (name: string) => new ObjectReport(document, [], name, findings);
  if (kind === "kube-proxy") checkKubeProxyConfiguration(value, report("KubeProxyConfiguration"));
  else if (kind === "kubeadm") {
    const { networking } = value;
    if (isJsonObject(networking)) {
      checkFields(networking, KUBEADM_NETWORKING, ["networking"], report("ClusterConfiguration"));
    }
  } else if (kind === "flannel") {
    const { Network: network, Backend: backend } = value;
    const type = isJsonObject(backend) ? { Type: backend["Type"] } : backend;
    checkFields({ Network: network, Backend: type }, FLANNEL, [], report("net-conf.json"));
  }
  if (kind === "cni") checkConflist(document, findings);
  return findings.errors.length === before;
}
