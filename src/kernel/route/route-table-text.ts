import { parseIpv4 } from "../../address/ipv4.ts";
import { lengthOfMask } from "../../address/prefix.ts";
import type { Json } from "../json-fields.ts";
import { type TextLine, type ToolText, ToolTextDraft } from "../tool-text.ts";

/**
 * The main table of IPv4 as `route`, `route -n`, `route -ee` and `netstat -r` print it (net-tools, route(8); busybox), in the
 * form of `ip -j route`:
 *
 *     Destination     Gateway         Genmask         Flags Metric Ref    Use Iface
 *     0.0.0.0         10.1.2.1        0.0.0.0         UG    100    0        0 v0
 *     10.60.0.0       -               255.255.0.0     !     0      -        0 -
 *
 * Preferred sources it does not show. `!` is an unreachable or prohibited network and an interface `*` one without a way, as
 * `fib_route_seq_show` writes them: the first of each is taken, unreachable and blackhole.
 */
export function parseRouteTableText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  let heads: readonly string[] = [];
  for (const line of lines) {
    const words = line.text.trim().split(/\s+/);
    if (words[0] === "" || words[0] === "Kernel") continue;
    if (words[0] === "Destination") heads = words;
    else readLine(words, heads, line, draft);
  }
  return draft;
}

function readLine(
  words: readonly string[],
  heads: readonly string[],
  line: TextLine,
  draft: ToolTextDraft,
): void {
  if (heads.length === 0 || parseIpv4(words[2] ?? "") === undefined) {
    draft.odd.push(line);
    return;
  }
  const route = words.length === heads.length ? routeOf(words, heads) : null;
  if (route !== null) draft.add(route, line);
  else {
    draft.fault(
      line,
      `${JSON.stringify(line.text.trim())} is no route: addresses, not names, and ${heads.join(" ")} are expected`,
    );
  }
}

function routeOf(words: readonly string[], heads: readonly string[]): Json | null {
  const of = (head: string): string => words[heads.indexOf(head)] ?? "";
  const mask = parseIpv4(of("Genmask"));
  const length = mask === undefined ? undefined : lengthOfMask(mask);
  const network = of("Destination") === "default" ? "0.0.0.0" : of("Destination");
  if (length === undefined || parseIpv4(network) === undefined) return null;
  const dst = length === 0 ? "default" : length === 32 ? network : `${network}/${length}`;
  const metric = /^[1-9]\d*$/.test(of("Metric")) ? { metric: Number(of("Metric")) } : {};
  const [flags, dev, gateway] = [of("Flags"), of("Iface"), of("Gateway")];
  if (flags.includes("!")) return { type: "unreachable", dst, ...metric, flags: [] };
  if (dev === "*") return { type: "blackhole", dst, ...metric, flags: [] };
  if (!flags.includes("G")) return { dst, dev, scope: "link", ...metric, flags: [] };
  return parseIpv4(gateway) === undefined ? null : { dst, gateway, dev, ...metric, flags: [] };
}
