import { formatIp } from "../../address/ip.ts";
import { formatOnPath, socketAddressOnPath } from "../../address/ip6-handle.ts";
import { formatFlow } from "../../kernel/ovs/dump-flows.ts";
import type { TcFilter } from "../../kernel/tc/traffic-control.ts";
import { IPPROTO_ICMP, IPPROTO_ICMPV6, KEY_IPV6 } from "../../packet/packet.ts";
import { familyOf, type Reading, type TapeRecord } from "./reading.ts";

/** `RTN_*` by number, for people. */
const ROUTE_TYPES = [
  "",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
];

/** Forwarding methods by number (`IP_VS_CONN_F_FWD_MASK`). */
const IPVS_METHODS: Readonly<Record<number, string>> = { 0: "translation", 2: "tunnel", 3: "direct routing" };

/** `OP_EMIT`. */
export function tellEmit(reading: Reading, { d, at, host }: TapeRecord): void {
  reading.step(d[at + 3] as number, host, "emit", `${reading.net(host).name} makes the packet`);
}

/** `OP_ROUTE`. */
export function tellRoute(reading: Reading, { d, at, host }: TapeRecord): void {
  const errno = d[at + 8] as number;
  const family = familyOf(d[at + 5] as number);
  const type = ROUTE_TYPES[(d[at + 5] as number) & 0xff] ?? "";
  const to = formatOnPath(family, d[at + 4] as number);
  const device = reading.device(host, d[at + 6] as number);
  const hop = formatOnPath(family, d[at + 7] as number);
  const named = routeName(reading, host, family, d[at + 9] as number);
  const text =
    errno !== 0
      ? `no usable route to ${to} (errno ${errno})`
      : type === "local"
        ? `${to} is local`
        : hop === to
          ? `route to ${to}: ${device}, on link${named}`
          : `route to ${to}: via ${hop} dev ${device}${named}`;
  reading.step(d[at + 3] as number, host, "route", text, { device });
}

function routeName(reading: Reading, host: number, family: number, index: number): string {
  if (index < 0) return "";
  const { routes, routes6 } = reading.net(host).host;
  const route = family === 6 ? routes6[index] : routes[index];
  if (route === undefined) return "";
  if (route.dst.length === 0) return " (default)";
  return ` (${formatIp(route.dst.address)}/${route.dst.length})`;
}

/** `OP_NEIGHBOUR`. */
export function tellNeighbour(reading: Reading, { d, at, host }: TapeRecord): void {
  const bits = d[at + 5] as number;
  const address = formatOnPath(familyOf(bits), d[at + 4] as number);
  const text = `${(bits & 1) === 0 ? "asks who has" : "nobody has"} ${address}`;
  const device = reading.device(host, d[at + 3] as number);
  reading.tell({ packet: 0, phase: "request" }, host, "neighbour", text, { device });
}

/** `OP_DELIVER`. */
export function tellDelivery(reading: Reading, { d, at, host }: TapeRecord): void {
  const family = familyOf(d[at + 4] as number);
  const protocol = (d[at + 4] as number) & 0xff;
  const end = (word: number): string =>
    socketAddressOnPath(family, d[at + word] as number, d[at + word + 1] as number);
  const text =
    protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6
      ? `delivered to ${formatOnPath(family, d[at + 5] as number)}`
      : `delivered to ${end(5)} from ${end(7)}`;
  reading.step(d[at + 3] as number, host, "deliver", text);
}

/** `OP_IPVS`. */
export function tellIpvs(reading: Reading, { d, at, host }: TapeRecord): void {
  const kind = d[at + 8] as number;
  const family = familyOf(kind);
  const service = socketAddressOnPath(family, d[at + 4] as number, d[at + 5] as number);
  const server = socketAddressOnPath(family, d[at + 6] as number, d[at + 7] as number);
  const method = IPVS_METHODS[kind & ~KEY_IPV6] ?? "an unmodelled tunnel";
  const text = `IPVS ${service} → ${server} by ${method}${d[at + 9] === 1 ? "" : ", as before"}`;
  reading.step(d[at + 3] as number, host, "ipvs", text);
}

/** `OP_TC`. */
export function tellFilter(reading: Reading, { d, at, host }: TapeRecord): void {
  const filter = reading.net(host).host.tc.filters[d[at + 4] as number];
  if (filter === undefined) return;
  const to = reading.device(host, d[at + 6] as number);
  const what = ["lets it pass", "drops it", `redirects it to ${to}`, `sends a copy to ${to}`][
    d[at + 5] as number
  ];
  reading.step(d[at + 3] as number, host, "tc", `${filterName(filter)} ${what}`, { device: filter.dev });
}

/** `ingress of veth1, pref 1 u32:`. */
function filterName({ dev, hook, head }: TcFilter): string {
  const [, pref = "", kind = ""] = /pref (\d+) (\S+)/.exec(head) ?? [];
  return `${hook} of ${dev}, pref ${pref} ${kind}:`;
}

/** `OP_TBF`. */
export function tellTokenBucket(reading: Reading, { d, at, host }: TapeRecord): void {
  const device = reading.device(host, d[at + 4] as number);
  const { qdiscs } = reading.net(host).host.tc;
  const bucket = qdiscs.find(({ dev, kind }) => dev === device && kind === "tbf");
  const settings = bucket?.options.replace(/\brefcnt \d+ ?/, "") ?? "";
  reading.step(d[at + 3] as number, host, "tc", `tbf of ${device}: ${settings}`, { device });
}

/** `OP_OVS`. */
export function tellOpenVswitch(reading: Reading, { d, at, host }: TapeRecord): void {
  const bridge = reading.net(host).ovsBridges[d[at + 4] as number];
  if (bridge === undefined) return;
  const { name, flows } = bridge.plain;
  const flow = flows?.[d[at + 5] as number];
  const port = bridge.byNumber.get(d[at + 7] as number)?.plain.name;
  const number = d[at + 6] as number;
  const table = flow?.table ?? (number < 0 ? "of a name" : String(number));
  const text =
    flow === undefined
      ? `${name} table ${table}: no flow matches`
      : `${name} table ${table}: ${formatFlow({ ...flow, cookie: "0x0", table: "0", stats: null })}`;
  reading.step(d[at + 3] as number, host, "ovs", text, port === undefined ? {} : { device: port });
}

/** `OP_FLOW`. */
export function tellOffload(reading: Reading, { d, at, host }: TapeRecord): void {
  const from = reading.device(host, d[at + 4] as number);
  const to = reading.device(host, d[at + 5] as number);
  const text = `a flow table carries it on from ${from} by ${to}, past routing and all hooks`;
  reading.step(d[at + 3] as number, host, "flow", text, { device: to });
}

/** `OP_TUN`. */
export function tellDaemon(reading: Reading, { d, at, host }: TapeRecord): void {
  const device = reading.device(host, d[at + 4] as number);
  const peer = socketAddressOnPath(4, d[at + 6] as number, d[at + 7] as number);
  const text =
    d[at + 5] === 1
      ? `the daemon takes it from ${device} and sends it to ${peer}`
      : `the daemon puts what ${peer} sent into ${device}`;
  reading.step(d[at + 3] as number, host, "user-space", text, { device });
}
