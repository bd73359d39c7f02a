import { ERROR_CODE, failWith } from "./cni-error.ts";

/** Versions of the CNI specification, and which of them a release of the plugins speaks. */

export const VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = (typeof VERSIONS)[number];

/** Releases of the reference plugins that behave differently: 1.1 (what Debian 12 has), and 1.6 with CNI 1.1. */
export type Release = "1.1" | "1.6";

const SPOKEN: Readonly<Record<Release, readonly CniVersion[]>> = {
  "1.1": VERSIONS.slice(0, -1),
  "1.6": VERSIONS,
};

/** The oldest release that speaks a version: what is taken when nobody says which plugins are installed. */
export function releaseFor(version: string): Release {
  return version === "1.1.0" ? "1.6" : "1.1";
}

/** Plugins that came later, or were made for a field of a later version: the first that they speak. */
const FIRST_SPOKEN: Readonly<Record<string, CniVersion>> = {
  bandwidth: "0.3.0",
  firewall: "0.4.0",
  vrf: "0.3.1",
};

export function spokenVersions(release: Release, plugin: string): readonly CniVersion[] {
  const all = SPOKEN[release];
  const first = Object.hasOwn(FIRST_SPOKEN, plugin) ? FIRST_SPOKEN[plugin] : undefined;
  return first === undefined ? all : all.slice(all.indexOf(first));
}

/** Is the version above all that the release speaks? */
export function isBeyond(version: string, release: Release): boolean {
  const parts = (text: string) => text.split(".").map(Number);
  const [major = 0, minor = 0, micro = 0] = parts(version);
  const [lastMajor = 0, lastMinor = 0, lastMicro = 0] = parts(SPOKEN[release].at(-1) ?? "");
  return major !== lastMajor
    ? major > lastMajor
    : minor !== lastMinor
      ? minor > lastMinor
      : micro > lastMicro;
}

/** A configuration without a version is of the first one. Fails for one that the release does not speak. */
export function requireVersion(version: string, release: Release, plugin: string): CniVersion {
  const spoken = spokenVersions(release, plugin);
  const found = spoken.find((known) => known === version);
  if (found !== undefined) return found;
  const list = spoken.map((known) => JSON.stringify(known)).join(" ");
  failWith(
    ERROR_CODE.incompatibleVersion,
    "incompatible CNI versions",
    `config is ${JSON.stringify(version)}, plugin supports [${list}]`,
  );
}

export function isAtLeast(version: CniVersion, other: CniVersion): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(other);
}
