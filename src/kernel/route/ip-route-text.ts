import { type TextLine, type ToolText, ToolTextDraft, WordReader } from "../tool-text.ts";
import { LOCK, METRIC_WORDS, metricOf } from "./metrics.ts";

/**
 * Routes as `ip route` prints them for people (iproute2, `ip/iproute.c`), in the form of `ip -j route`:
 *
 *     default via 10.0.2.2 dev enp0s3 proto dhcp metric 100
 *     broadcast 10.64.54.0 dev tun0 table local proto kernel scope link src 10.64.54.44
 *     default proto static
 *             nexthop via 10.0.0.1 dev eth0 weight 1
 */
export function parseIpRouteText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  let route: Draft | null = null;
  for (const line of lines) {
    const text = line.text.trim();
    // What `cache` begins belongs to a remembered route of IPv6.
    if (text === "" || /^cache\b/.test(text)) continue;
    const hop = /^nexthop\s+(.*)$/.exec(text)?.[1];
    if (hop !== undefined) {
      const next = readFields(new WordReader(hop), line, draft);
      if (route === null) draft.fault(line, "a next hop without its route: the lines above are missing");
      else if (next !== null) {
        const { nexthops } = route;
        Object.assign(route, { nexthops: [...((nexthops as readonly Draft[] | undefined) ?? []), next] });
      }
      continue;
    }
    if (!isRoute(text)) {
      draft.odd.push(line);
      continue;
    }
    route = readRoute(text, line, draft);
    if (route !== null) draft.add(route, line);
  }
  return draft;
}

type Draft = Record<string, unknown>;

const TYPES = new Set([
  ...["unicast", "local", "broadcast", "multicast", "anycast"],
  ...["blackhole", "unreachable", "prohibit", "throw"],
]);

const DESTINATION = /^(?:default|[\da-f:.]+(?:\/\d{1,3})?)$/i;

function isRoute(text: string): boolean {
  const [first = "", second = ""] = text.split(/\s+/);
  return (TYPES.has(first) && DESTINATION.test(second)) || (DESTINATION.test(first) && /[.:d]/.test(first));
}

function readRoute(text: string, line: TextLine, draft: ToolTextDraft): Draft | null {
  const words = new WordReader(text);
  const type = TYPES.has(words.peek()) ? words.next() : undefined;
  const head: Draft = { ...(type === undefined ? {} : { type }), dst: words.next() };
  const fields = readFields(words, line, draft);
  return fields === null ? null : { ...head, ...fields };
}

/** Names of values, and what `ip -j` calls them. */
const VALUES: Readonly<Record<string, string>> = {
  dev: "dev",
  table: "table",
  proto: "protocol",
  scope: "scope",
  src: "prefsrc",
  pref: "pref",
  tos: "tos",
  from: "from",
  realm: "flow",
  realms: "flow",
};

const NUMBERS: Readonly<Record<string, string>> = { metric: "metric", weight: "weight" };

const FLAGS = new Set(["onlink", "linkdown", "dead", "pervasive", "offload", "trap", "notify", "unresolved"]);

/** Values that no walk reads. */
const UNREAD = new Set([...["error", "nhid", "users", "age", "ttl-propagate", "iif"]]);

function readFields(words: WordReader, line: TextLine, draft: ToolTextDraft): Draft | null {
  const fields: Draft = {};
  const flags: string[] = [];
  while (!words.done) {
    const name = words.next();
    if (FLAGS.has(name)) {
      flags.push(name);
      continue;
    }
    const known = Object.hasOwn(VALUES, name) || Object.hasOwn(NUMBERS, name) || UNREAD.has(name);
    const isMetric = name === "mtu" || METRIC_WORDS.has(name);
    if (!known && !isMetric && name !== "via" && name !== "expires" && name !== "encap") {
      draft.fault(line, `${JSON.stringify(name)} is no part of a route that "ip route" prints`);
      return null;
    }
    let value = words.next();
    const isLocked = isMetric && value === "lock";
    if (isLocked) value = words.next();
    if (value === "") {
      draft.fault(line, `the line ends after ${JSON.stringify(name)}: its value is missing`);
      return null;
    }
    if (name === "via") Object.assign(fields, readGateway(value, words));
    else if (name === "encap") return { ...fields, encap: value };
    else if (name === "mtu")
      addMetric(fields, { mtu: Number(value), ...(isLocked ? { [LOCK]: "mtu" } : {}) });
    else if (isMetric) addMetric(fields, metricOf(name, value) ?? {});
    else if (name === "expires") fields["expires"] = Number.parseInt(value, 10);
    else if (name === "realm" || name === "realms") Object.assign(fields, readRealms(value));
    else if (Object.hasOwn(VALUES, name)) fields[VALUES[name] as string] = value;
    else if (Object.hasOwn(NUMBERS, name)) fields[NUMBERS[name] as string] = Number(value);
    // Only routes of IPv6 have an error; without it `unreachable default` would be of either family.
    else if (name === "error" && !Object.hasOwn(fields, "pref")) Object.assign(fields, { pref: "medium" });
  }
  return { ...fields, flags };
}

/** `realm 5`, `realms 3/5` */
function readRealms(value: string): Draft {
  const at = value.indexOf("/");
  return { flow: at < 0 ? { to: value } : { from: value.slice(0, at), to: value.slice(at + 1) } };
}

function addMetric(fields: Draft, metric: Draft): void {
  const [before] = (fields["metrics"] as readonly Draft[] | undefined) ?? [];
  fields["metrics"] = [{ ...before, ...metric }];
}

/** A gateway of the other family is named with it: `via inet6 fe80::1`. */
function readGateway(value: string, words: WordReader): Draft {
  if (value !== "inet" && value !== "inet6") return { gateway: value };
  return { via: { family: value, host: words.next() } };
}
