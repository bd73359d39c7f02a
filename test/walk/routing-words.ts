import type { AddressFamily } from "../../src/address/family.ts";
import { parseRealms } from "../../src/kernel/route/realms.ts";
import type { NextHopOf, PolicyRule, RouteOf, RouteType } from "../../src/kernel/route/route.ts";
import { pairs, prefix } from "./words.ts";

const TYPES = new Set(["local", "broadcast", "blackhole", "unreachable", "prohibit", "throw"]);

/** As behind `ip route add`. */
export function route<Address>(
  text: string,
  of: AddressFamily<Address>,
  onLink: (gateway: Address) => string,
): RouteOf<Address> {
  const locks = text.includes(" mtu lock ");
  const words = text.replace("mtu lock", "mtu").split(" ");
  const type = TYPES.has(words[0] ?? "") ? (words.shift() as RouteType) : "unicast";
  const to = words.shift() ?? "";
  const dst = to === "default" ? { address: of.any, length: 0 } : of.parsePrefix(to);
  if (dst === undefined) throw new Error(`${to} is no prefix`);
  const [head = [], ...hops] = splitAt(words, "nexthop");
  const options = pairs(head);
  const address = (word: string | undefined): Address | null => {
    const found = word === undefined ? null : of.parse(word);
    if (found === undefined) throw new Error(`${word} is no address`);
    return found;
  };
  const hop = (said: ReadonlyMap<string, string>): NextHopOf<Address> => {
    const gateway = address(said.get("via"));
    const dev = said.get("dev") ?? (gateway === null ? null : onLink(gateway));
    const realms = parseRealms(said.get("realms") ?? "");
    return {
      ...{ dev, gateway, weight: Number(said.get("weight") ?? 1), onlink: said.has("onlink"), dead: false },
      ...(realms === undefined ? {} : { realms }),
    };
  };
  const single = options.has("via") || options.has("dev") ? [hop(options)] : [];
  const usual = type === "local" ? "host" : type === "broadcast" ? "link" : "global";
  return {
    type,
    dst,
    table: options.get("table") ?? (type === "local" || type === "broadcast" ? "local" : "main"),
    protocol: null,
    scope:
      of.number === 6
        ? "global"
        : single[0] !== undefined && single[0].gateway === null && type === "unicast"
          ? "link"
          : usual,
    prefsrc: address(options.get("src")),
    metric: Number(options.get("metric") ?? (of.number === 6 ? 1024 : 0)),
    tos: Number(options.get("tos") ?? 0),
    mtu: Number(options.get("mtu") ?? 0),
    ...(options.has("from") ? { from: prefixFrom(of, options.get("from") as string) } : {}),
    ...(options.has("pref") ? { preference: options.get("pref") as "high" | "low" } : {}),
    ...(options.has("advmss") || options.has("hoplimit") || locks
      ? {
          metrics: {
            ...(locks ? { lock: "mtu" } : {}),
            ...Object.fromEntries(
              ["advmss", "hoplimit"].flatMap((name) =>
                options.has(name) ? [[name, Number(options.get(name))]] : [],
              ),
            ),
          },
        }
      : {}),
    nextHops: hops.length > 0 ? hops.map((more) => hop(pairs(more))) : single,
    origin: 0,
  };
}

function prefixFrom<Address>(of: AddressFamily<Address>, text: string): RouteOf<Address>["dst"] {
  const prefix = of.parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  return prefix;
}

const PROTOCOLS: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17 };

/** `80` or `80-90`. */
function range(text: string | undefined): { from: number; to: number } | null {
  if (text === undefined) return null;
  const [from = 0, to = from] = text.split("-").map(Number);
  return { from, to };
}

/** As behind `ip rule add`. */
export function policyRule(text: string): PolicyRule {
  const words = text.split(" ").filter((word) => word !== "not");
  const options = pairs(words);
  const value = options.get("fwmark");
  const [mark, mask = "0xffffffff"] = (value ?? "").split("/");
  const target = options.get("goto");
  const kinds = ["blackhole", "unreachable", "prohibit"] as const;
  const refusal = kinds.find((kind) => text.endsWith(kind));
  return {
    priority: Number(options.get("priority")),
    src: options.has("from") && options.get("from") !== "all" ? prefix(options.get("from") as string) : null,
    dst: options.has("to") ? prefix(options.get("to") as string) : null,
    iif: options.get("iif") ?? null,
    oif: options.get("oif") ?? null,
    fwmark: value === undefined ? null : { value: Number(mark), mask: Number(mask) },
    tos: Number(options.get("tos") ?? 0),
    ipproto: options.has("ipproto") ? (PROTOCOLS[options.get("ipproto") as string] ?? 0) : null,
    sport: range(options.get("sport")),
    dport: range(options.get("dport")),
    uidRange: range(options.get("uidrange")),
    not: text.split(" ").includes("not"),
    action:
      refusal !== undefined
        ? { kind: refusal }
        : target !== undefined
          ? { kind: "goto", priority: Number(target) }
          : {
              kind: "lookup",
              table: options.get("lookup") as string,
              suppressPrefixLength: options.has("suppress_prefixlength")
                ? Number(options.get("suppress_prefixlength"))
                : null,
            },
    origin: 0,
  };
}

function splitAt(words: readonly string[], word: string): string[][] {
  const parts: string[][] = [[]];
  for (const one of words) {
    if (one === word) parts.push([]);
    else (parts.at(-1) as string[]).push(one);
  }
  return parts;
}
