/**
 * Names that a controller makes up: random in a real cluster, here a function of what they are made for. The letters are
 * those of apimachinery's `rand.SafeEncodeString`, without vowels and what looks like them.
 */
const SAFE = "bcdfghjklmnpqrstvwxz2456789";

/** FNV-1a of 32 bits over the text's UTF-16 units, low byte first. */
export function fnv32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 255), 0x01000193);
    if (unit > 255) hash = Math.imul(hash ^ (unit >> 8), 0x01000193);
  }
  return hash >>> 0;
}

/** Five letters, as behind a pod's name. */
export function suffixOf(text: string): string {
  let rest = fnv32(text);
  let suffix = "";
  for (let i = 0; i < 5; i++) {
    suffix += SAFE[rest % SAFE.length] ?? "";
    rest = Math.floor(rest / SAFE.length);
  }
  return suffix;
}

/** A hash's decimal digits in safe letters, as `pod-template-hash` has them. */
export function hashOf(value: unknown): string {
  const digits = String(fnv32(canonicalJson(value)));
  return [...digits].map((digit) => SAFE[digit.charCodeAt(0) % SAFE.length] ?? "").join("");
}

/** `prefix` with a suffix for which `isFree` holds: most often the first. The API cuts the prefix of long names. */
export function freeName(prefix: string, seed: string, isFree: (name: string) => boolean): string {
  const cut = prefix.slice(0, 58);
  for (let turn = 0; ; turn++) {
    const name = `${cut}${suffixOf(turn === 0 ? seed : `${seed} ${turn}`)}`;
    if (isFree(name)) return name;
  }
}

/** JSON with sorted keys: equal values give equal texts. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(",")}}`;
}
