import type { TextLine } from "./tool-text.ts";

/** Settings as `sysctl -a` prints them, `net.ipv4.ip_forward = 1`; a path of /proc/sys may stand for the name. */
export interface SysctlText {
  readonly settings: ReadonlyMap<string, string>;
  readonly odd: readonly TextLine[];
}

export function parseSysctlText(lines: readonly TextLine[]): SysctlText {
  const settings = new Map<string, string>();
  const odd: TextLine[] = [];
  for (const line of lines) {
    if (line.text.trim() === "") continue;
    const [, name, value = ""] = /^\s*([\w-]+(?:[./][\w@:.*-]+)+)\s*=\s*(.*?)\s*$/.exec(line.text) ?? [];
    if (name === undefined) odd.push(line);
    else settings.set(dotted(name), value);
  }
  return { settings, odd };
}

/** `net/ipv4/…` is a path, and `sysctl` writes a device's own dots as slashes: `net.ipv4.conf.flannel/1.rp_filter`. */
function dotted(name: string): string {
  return name.replace(/^\/?proc\/sys\//, "").replaceAll("/", ".");
}
