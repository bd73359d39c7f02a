import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import {
  checkFields,
  count,
  explainPrefix,
  type Fields,
  flag,
  integer,
  list,
  names,
  object,
  optional,
  prefixes,
  required,
  text,
  word,
} from "../object/field-table.ts";
import type { ObjectReport } from "../object/object-report.ts";
import { secondsOf } from "./kube-proxy-configuration.ts";

/** The fields of KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1); of what no rule shows, the names alone. */
const FIELDS: Fields = {
  ...required({ apiVersion: text, kind: text }),
  ...optional({
    mode: word("", "iptables", "ipvs", "nftables", "userspace"),
    clusterCIDR: prefixes,
    detectLocalMode: word("", "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"),
    detectLocal: object(optional({ bridgeInterface: text, interfaceNamePrefix: text })),
    iptables: object({
      ...optional({
        masqueradeAll: flag,
        masqueradeBit: integer(0, 31, "a bit from 0 to 31"),
        localhostNodePorts: flag,
      }),
      ...names("syncPeriod minSyncPeriod"),
    }),
    ipvs: object({
      ...optional({
        scheduler: text,
        strictARP: flag,
        tcpTimeout: text,
        tcpFinTimeout: text,
        udpTimeout: text,
        excludeCIDRs: list(text),
      }),
      ...names("syncPeriod minSyncPeriod"),
    }),
    nftables: object({
      ...optional({ masqueradeAll: flag, masqueradeBit: integer(0, 31, "a bit from 0 to 31") }),
      ...names("syncPeriod minSyncPeriod"),
    }),
    conntrack: object({
      ...optional({
        maxPerCore: count,
        min: count,
        tcpEstablishedTimeout: text,
        tcpCloseWaitTimeout: text,
        udpTimeout: text,
        udpStreamTimeout: text,
        tcpBeLiberal: flag,
      }),
      ...names("max"),
    }),
    nodePortAddresses: list(text),
  }),
  ...names(`metadata bindAddress bindAddressHardFail clientConnection configSyncPeriod enableProfiling featureGates
    healthzBindAddress hostnameOverride linux logging metricsBindAddress oomScoreAdj portRange
    resourceContainer showHiddenMetricsForVersion syncPeriod minSyncPeriod udpIdleTimeout windows winkernel
    windowsRunAsService`),
};

/** What kube-proxy would refuse to start with, field by field (`pkg/proxy/apis/config/validation`). */
export function checkKubeProxyConfiguration(json: Json, report: ObjectReport): void {
  checkFields(json, FIELDS, [], report);
  const { nodePortAddresses, featureGates, detectLocalMode: mode, detectLocal, ipvs, conntrack } = json;
  if (Array.isArray(nodePortAddresses)) checkNodePortAddresses(nodePortAddresses, report);
  if (isJsonObject(featureGates)) {
    for (const [gate, value] of Object.entries(featureGates)) {
      if (typeof value !== "boolean") report.error(["featureGates", gate], "is not true or false");
    }
  }
  if (isJsonObject(ipvs)) {
    checkTimeouts("ipvs", ["tcpTimeout", "tcpFinTimeout", "udpTimeout"], ipvs, report);
    checkExcluded(ipvs, report);
  }
  if (isJsonObject(conntrack)) checkTimeouts("conntrack", CONNTRACK_TIMEOUTS, conntrack, report);
  const needed = DETAIL_OF_MODE[String(mode)];
  const detail = isJsonObject(detectLocal) && needed !== undefined ? detectLocal[needed] : undefined;
  if (needed !== undefined && (detail ?? "") === "") {
    report.error(["detectLocal", needed], `is missing: detectLocalMode ${String(mode)} asks for it`);
  }
}

const CONNTRACK_TIMEOUTS = [
  ...["tcpEstablishedTimeout", "tcpCloseWaitTimeout", "udpTimeout", "udpStreamTimeout"],
];

const DETAIL_OF_MODE: Readonly<Record<string, string>> = {
  BridgeInterface: "bridgeInterface",
  InterfaceNamePrefix: "interfaceNamePrefix",
};

/** Virtual services that kube-proxy leaves alone: it makes none of them, so what is exported does not show it. */
function checkExcluded({ excludeCIDRs }: Json, report: ObjectReport): void {
  for (const [i, value] of (Array.isArray(excludeCIDRs) ? excludeCIDRs : []).entries()) {
    const fault = typeof value === "string" ? explainPrefix(value) : null;
    if (fault !== null) report.error(["ipvs", "excludeCIDRs", i], fault);
  }
}

function checkTimeouts(part: string, names: readonly string[], json: Json, report: ObjectReport): void {
  for (const name of names) {
    const value = json[name];
    if (typeof value !== "string" || secondsOf(value) !== undefined) continue;
    report.error([part, name], `${JSON.stringify(value)} is no duration, such as 15m0s`);
  }
}

function checkNodePortAddresses(values: readonly unknown[], report: ObjectReport): void {
  if (values.length === 1 && values[0] === "primary") return;
  for (const [i, value] of values.entries()) {
    const fault = typeof value === "string" ? explainPrefix(value) : null;
    if (fault === null) continue;
    report.error(
      ["nodePortAddresses", i],
      value === "primary" ? '"primary" stands alone or not at all' : fault,
    );
  }
}
