import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import {
  checkFields,
  type Fields,
  flag,
  integer,
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
  IPv6Network: prefix,
  EnableIPv4: flag,
  EnableIPv6: flag,
  SubnetLen: integer(1, 128, "the length of a subnet"),
  Backend: object({
    ...optional({
      Type: word("", ...FLANNEL_BACKENDS),
      VNI: integer(0, 16_777_215, "a VNI from 0 to 16777215"),
      Port: integer(0, 65_535, "a port"),
      MTU: integer(0, 65_535, "an MTU"),
      DirectRouting: flag,
      Learning: flag,
      GBP: flag,
    }),
  }),
});

/** The fields that are read here, of the document and of its back end; flannel passes over others. */
function known(json: Json, fields: Fields): Json {
  return Object.fromEntries(
    Object.entries(json).flatMap(([name, value]) => {
      const type = Object.hasOwn(fields, name) ? fields[name]?.type : undefined;
      if (type === undefined) return [];
      return [[name, type.kind === "object" && isJsonObject(value) ? known(value, type.fields) : value]];
    }),
  );
}

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
    const told = report("net-conf.json");
    checkFields(known(value, FLANNEL), FLANNEL, [], told);
    for (const [field, isOn] of [
      ["Network", value["EnableIPv4"] !== false],
      ["IPv6Network", value["EnableIPv6"] === true],
    ] as const) {
      if (isOn && (value[field] ?? "") === "")
        told.error([field], "is missing: flanneld does not start without the network that it is to divide");
    }
  }
  if (kind === "cni") checkConflist(document, findings);
  return findings.errors.length === before;
}
