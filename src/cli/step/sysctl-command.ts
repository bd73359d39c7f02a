import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import { invalid, ok, type Result } from "../result.ts";

/** `sysctl [-q] -w NAME=VALUE…`; a name may be written with slashes. */
export function readSysctl(host: Host, words: readonly string[]): Result<Operation[]> {
  const settings = words.filter((word) => !/^-[qw]+$/.test(word) && word !== "--write" && word !== "--quiet");
  const unknown = settings.find((word) => word.startsWith("-"));
  if (unknown !== undefined)
    return invalid(`sysctl: the option ${unknown} is not built yet: use sysctl -w NAME=VALUE`);
  if (settings.length === 0) return invalid("sysctl: NAME=VALUE is expected");
  const operations: Operation[] = [];
  for (const setting of settings) {
    const [, key = "", value = ""] = /^([^=]+)=(.*)$/s.exec(setting) ?? [];
    if (key === "") return invalid(`sysctl: ${JSON.stringify(setting)} is not NAME=VALUE`);
    operations.push(...settingOperations(host, key.includes("/") ? dotted(key) : key, value.trim()));
  }
  return ok(operations);
}

/** In the form with slashes a dot belongs to a name, in the form with dots a slash does (procps). */
function dotted(key: string): string {
  return key.replace(/[./]/g, (char) => (char === "/" ? "." : "/"));
}

/** `ip_forward` and `conf.all.forwarding` are one setting, which sets the default and every device's own (`inet_forward_change`). */
function settingOperations({ sysctl }: Host, name: string, value: string): Operation[] {
  if (name !== "net.ipv4.ip_forward" && name !== "net.ipv4.conf.all.forwarding") {
    return [{ kind: "sysctl", name, value }];
  }
  const all = ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"];
  // What has no value of its own goes by these.
  const own = [...sysctl.keys()].filter((each) => /^net\.ipv4\.conf\..+\.forwarding$/.test(each));
  return [...new Set([...all, ...own])].map((each) => ({
    kind: "sysctl",
    name: each,
    value,
  }));
}
