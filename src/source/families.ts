import { type FamilyName, familyOfText } from "../address/family-name.ts";
import { type Ipv6Words, parseIpv6 } from "../address/ipv6.ts";
import { contains6, networkOf6, type Prefix6, parsePrefix6 } from "../address/prefix6.ts";
import type { SixSettings } from "../control/settings.ts";
import type { Lister } from "../object/object-map.ts";
import { type Clue, type Detected, settle, strongest } from "./clue.ts";
import type { Clues } from "./clues.ts";

/** The ranges of IPv6 of a cluster that has any. */
export interface DetectedSix {
  readonly clusterCidr: Detected<Prefix6>;
  readonly serviceCidr: Detected<Prefix6>;
  readonly nodeCidrLength: Detected<number>;
}

/** Which families the cluster has, the primary first, and what says so. */
export type DetectedFamilies = Detected<readonly FamilyName[]>;

/** What `kind` gives where nobody says (`pkg/internal/apis/config/v1alpha4` defaults): pods, Services, nodes. */
const USUAL_CLUSTER6 = prefix("fd00:10:244::/56");
const USUAL_SERVICES6 = prefix("fd00:10:96::/112");
const NODE_NETWORK6 = prefix("fc00:f853:ccd:e793::/64");

/**
 * The families: those that the control plane is told ranges of, in the order of the Services' ranges; else those of the
 * addresses that the objects hold, and of the Services that ask for one by name.
 */
export function detectFamilies(objects: Lister, clues: Clues, flags: readonly string[]): DetectedFamilies {
  if (flags.length > 0 && flags.some((text) => text.includes(":"))) {
    return { value: ordered(flags), from: "flag", where: "--service-cidr, --pod-cidr" };
  }
  const told = strongest([...clues.serviceCidr, ...clues.clusterCidr].filter(isSix));
  if (told !== undefined) {
    const services = strongest(clues.serviceCidr);
    const weight = strongest(clues.clusterCidr)?.weight;
    // Pools of an IPAM are one range each.
    const rest = clues.clusterCidr.filter((clue) => clue.weight === weight);
    const texts = [...(services === undefined ? [] : [services]), ...rest].flatMap(({ value }) =>
      value.split(","),
    );
    return { value: ordered(texts), from: "input", where: told.where };
  }
  const isTold = clues.serviceCidr.length > 0 || clues.clusterCidr.length > 0;
  const shown = addressesShown(objects);
  if (shown.some((text) => text.includes(":"))) {
    const value = isTold ? ordered(["0.0.0.0", ...shown]) : ordered(shown);
    return { value, from: "assumed", where: "the objects hold addresses of them" };
  }
  const asking = isTold ? undefined : objects.list("Service").find(({ spec }) => asksForSix(spec));
  if (asking !== undefined) {
    return { value: ["IPv4", "IPv6"], from: "assumed", where: "a Service asks for IPv6" };
  }
  return { value: ["IPv4"], from: "assumed", where: "nothing in the input speaks of IPv6" };
}

function isSix({ value }: Clue<string>): boolean {
  return value.includes(":");
}

function ordered(texts: readonly string[]): FamilyName[] {
  return [...new Set(texts.filter((text) => text.trim() !== "").map(familyOfText))];
}

function asksForSix({
  ipFamilies = [],
  ipFamilyPolicy,
}: {
  readonly ipFamilies?: readonly string[];
  readonly ipFamilyPolicy?: string;
}): boolean {
  return ipFamilies.includes("IPv6") || ipFamilyPolicy === "RequireDualStack";
}

/** Addresses that tell of a family the cluster has: of Services, of nodes' subnets and of pods, the first of each first. */
function addressesShown(objects: Lister): string[] {
  const services = objects
    .list("Service")
    .flatMap(({ spec }) => [spec.clusterIP ?? "", ...(spec.clusterIPs ?? [])]);
  const nodes = objects.list("Node").flatMap(({ spec }) => [spec?.podCIDR ?? "", ...(spec?.podCIDRs ?? [])]);
  const pods = objects
    .list("Pod")
    .filter(({ spec }) => spec.hostNetwork !== true)
    .flatMap(({ status }) => [status?.podIP ?? "", ...(status?.podIPs ?? []).map(({ ip = "" }) => ip)]);
  return [...services, ...nodes, ...pods].filter((text) => text !== "" && text !== "None");
}

export function detectSix(
  objects: Lister,
  clues: Clues,
  flags: { readonly clusterCidr?: Prefix6 | undefined; readonly serviceCidr?: Prefix6 | undefined },
): DetectedSix {
  const nodeCidrLength = settle(
    { name: "", value: undefined },
    clues.nodeCidrLength6.filter(({ value }) => Number.isInteger(value) && value >= 16 && value <= 126),
    { value: 64, why: "the control plane's default" },
  );
  const shown = addressesShown(objects).flatMap(wordsOf);
  const services = objects
    .list("Service")
    .flatMap(({ spec }) => [spec.clusterIP ?? "", ...(spec.clusterIPs ?? [])])
    .flatMap(wordsOf);
  return {
    nodeCidrLength,
    clusterCidr: settle(
      { name: "--pod-cidr", value: flags.clusterCidr },
      prefixesOf(clues.clusterCidr),
      assumed(USUAL_CLUSTER6, withoutServices(shown, services), 56, "the addresses of the pods are in it"),
    ),
    serviceCidr: settle(
      { name: "--service-cidr", value: flags.serviceCidr },
      prefixesOf(clues.serviceCidr),
      assumed(USUAL_SERVICES6, services, 112, "the cluster IPs of the Services are in it"),
    ),
  };
}

function withoutServices(all: readonly Ipv6Words[], services: readonly Ipv6Words[]): Ipv6Words[] {
  const known = new Set(services.map(String));
  return all.filter((address) => !known.has(String(address)));
}

/** The address of an address or a prefix. */
function wordsOf(text: string): Ipv6Words[] {
  const words = parseIpv6(text.split("/")[0] ?? "");
  return words === undefined ? [] : [words];
}

function prefixesOf(clues: readonly Clue<string>[]): Clue<Prefix6>[] {
  return clues.flatMap((clue) => {
    const value = clue.value.split(",").flatMap((text) => parsePrefix6(text.trim()) ?? [])[0];
    return value === undefined ? [] : [{ ...clue, value: networkOf6(value) }];
  });
}

/** The usual range, or the longest network of at most `length` bits around what lies outside of it. */
function assumed(
  usual: Prefix6,
  addresses: readonly Ipv6Words[],
  length: number,
  why: string,
): { readonly value: Prefix6; readonly why: string } {
  const [first] = addresses;
  if (first === undefined || addresses.every((address) => contains6(usual, address))) {
    return { value: usual, why: addresses.length > 0 ? why : "kind's default" };
  }
  let value = networkOf6({ address: first, length });
  while (!addresses.every((address) => contains6(value, address))) {
    value = networkOf6({ address: first, length: value.length - 1 });
  }
  return { value, why };
}

/** What the controllers are told. */
export function sixSettingsOf({ clusterCidr, serviceCidr, nodeCidrLength }: DetectedSix): SixSettings {
  return {
    clusterCidr: clusterCidr.value,
    serviceCidr: serviceCidr.value,
    nodeCidrLength: Math.max(nodeCidrLength.value, clusterCidr.value.length),
    nodeNetwork: NODE_NETWORK6,
  };
}

function prefix(text: string): Prefix6 {
  const found = parsePrefix6(text);
  if (found === undefined) throw new Error(`${text} is no prefix`);
  return found;
}
