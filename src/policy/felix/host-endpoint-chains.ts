import type { Family } from "../../address/ip.ts";
import type { HostEndpoint } from "../../object/kubernetes-object.ts";
import type { PolicyDirection } from "../../object/policy-types.ts";
import type { Failsafe, Failsafes } from "../host-endpoint.ts";
import { familyOf } from "../net.ts";
import { type Dispatch, dispatchChains } from "./dispatch-chains.ts";
import { endpointChains } from "./endpoint-chains.ts";
import { chainName } from "./names.ts";
import type { FelixPolicy } from "./policy.ts";
import { ACCEPT, type FelixChain, felixRule, fromDevice, goto, match, toDevice } from "./rule-text.ts";
import type { FelixSettings } from "./settings.ts";

/** A device of the node with its host endpoint. `device` null: all devices that no other endpoint is for. */
export interface LocalHostEndpoint {
  readonly endpoint: HostEndpoint;
  readonly device: string | null;
  /** The policies for it, tier by tier. */
  readonly tiersOf: (
    direction: PolicyDirection,
    wanted: (policy: FelixPolicy) => boolean,
  ) => readonly (readonly FelixPolicy[])[];
}

/** Stands for `*` in the names of chains. */
const ANY_DEVICE = "any-interface-at-all";

type Table = "raw" | "mangle" | "filter";

/**
 * The chains of host endpoints in a table, and those that lead there, which are empty without any. Policies are untracked in
 * raw, before translation in mangle, else in filter; those of packets that pass through only if they apply on forward.
 */
export function hostEndpointChains(
  table: Table,
  endpoints: readonly LocalHostEndpoint[],
  failsafes: Failsafes,
  settings: FelixSettings,
  family: Family,
): FelixChain[] {
  const own = endpoints.flatMap((one) => chainsOf(table, one, settings));
  const devices = endpoints.flatMap(({ device }) => (device === null ? [] : [device]));
  const hasAny = endpoints.some(({ device }) => device === null);
  const lead = (chain: string, prefix: string, match: Dispatch["match"]) =>
    dispatchChains({
      ...{ chain, devices, match },
      target: (device) => chainName(prefix, device),
      end: hasAny ? [felixRule("", goto(chainName(prefix, ANY_DEVICE)))] : [],
    });
  return [
    ...own,
    ...lead("cali-from-host-endpoint", FROM, fromDevice),
    ...lead("cali-to-host-endpoint", TO, toDevice),
    ...(table === "filter"
      ? [
          ...lead("cali-from-hep-forward", FROM_FORWARD, fromDevice),
          ...lead("cali-to-hep-forward", TO_FORWARD, toDevice),
        ]
      : []),
    ...failsafeChains(table, failsafes, family),
  ];
}

const FROM = "cali-fh-";
const TO = "cali-th-";
const FROM_FORWARD = "cali-fhfw-";
const TO_FORWARD = "cali-thfw-";

const isUntracked = ({ doNotTrack }: FelixPolicy) => doNotTrack;
const isBeforeDnat = ({ preDNAT }: FelixPolicy) => preDNAT;
const isNormal = ({ doNotTrack, preDNAT }: FelixPolicy) => !doNotTrack && !preDNAT;
const isForward = (policy: FelixPolicy) => isNormal(policy) && policy.applyOnForward;

function chainsOf(
  table: Table,
  { endpoint, device, tiersOf }: LocalHostEndpoint,
  settings: FelixSettings,
): FelixChain[] {
  const id = device ?? ANY_DEVICE;
  const profiles = endpoint.spec.profiles ?? [];
  const shared = { profiles, forbidsTunnels: false, established: "accept" as const };
  const ingress = { ...shared, direction: "Ingress" as const, failsafeChain: "cali-failsafe-in" };
  const egress = { ...shared, direction: "Egress" as const, failsafeChain: "cali-failsafe-out" };
  const make = (chain: Parameters<typeof endpointChains>[0]) => endpointChains(chain, settings);
  switch (table) {
    case "raw":
      return [
        ...make({
          ...egress,
          name: chainName(TO, id),
          kind: "untracked",
          tiers: tiersOf("Egress", isUntracked),
        }),
        ...make({
          ...ingress,
          name: chainName(FROM, id),
          kind: "untracked",
          tiers: tiersOf("Ingress", isUntracked),
        }),
      ];
    case "mangle":
      return [
        // Of the node's own packets that were translated: back to POSTROUTING, where others have rules too.
        ...make({
          ...{ ...egress, name: chainName(TO, id), kind: "normal", established: "mark" },
          tiers: tiersOf("Egress", isNormal),
        }),
        ...make({
          ...ingress,
          name: chainName(FROM, id),
          kind: "pre-dnat",
          tiers: tiersOf("Ingress", isBeforeDnat),
        }),
      ];
    case "filter": {
      const forward = { kind: "forward" as const, failsafeChain: null };
      return [
        ...make({ ...egress, name: chainName(TO, id), kind: "normal", tiers: tiersOf("Egress", isNormal) }),
        ...make({
          ...ingress,
          name: chainName(FROM, id),
          kind: "normal",
          tiers: tiersOf("Ingress", isNormal),
        }),
        ...make({
          ...egress,
          ...forward,
          name: chainName(TO_FORWARD, id),
          tiers: tiersOf("Egress", isForward),
        }),
        ...make({
          ...ingress,
          ...forward,
          name: chainName(FROM_FORWARD, id),
          tiers: tiersOf("Ingress", isForward),
        }),
      ];
    }
    default:
      return table satisfies never;
  }
}

/** In raw, answers have not been recognised yet: those from the other list's ports pass too. */
function failsafeChains(table: Table, { inbound, outbound }: Failsafes, family: Family): FelixChain[] {
  const rules = (ports: readonly Failsafe[], flag: string, side: "source" | "destination") =>
    ports
      .filter(({ net }) => net === null || familyOf(net) === family)
      .map(({ protocol, port, net }) =>
        felixRule(
          match(
            `-p ${protocol} -m multiport --${flag}-ports ${port}`,
            net === null ? "" : `--${side} ${net}`,
          ),
          ACCEPT,
        ),
      );
  const answers = (ports: readonly Failsafe[], side: "source" | "destination") =>
    table === "raw" ? rules(ports, "source", side) : [];
  return [
    {
      name: "cali-failsafe-in",
      rules: [...rules(inbound, "destination", "source"), ...answers(outbound, "source")],
    },
    {
      name: "cali-failsafe-out",
      rules: [...rules(outbound, "destination", "destination"), ...answers(inbound, "destination")],
    },
  ];
}
