import { formatMac, MAC_ZERO, type Mac, macNumber } from "../address/mac.ts";
import { applyOperations } from "../kernel/apply-operation.ts";
import { NEW_BRIDGE_PORT } from "../kernel/device/bridge-link.ts";
import type {
  BridgePort,
  Device,
  DeviceDetail,
  InterfaceAddress,
  InterfaceAddress6,
  LowerDevice,
} from "../kernel/device/device.ts";
import { formatLinkHead } from "../kernel/device/ip-link.ts";
import { parseDetail } from "../kernel/device/link-detail.ts";
import type { Host } from "../kernel/host.ts";
import { Faults, isJsonObject, type Json, JsonFields } from "../kernel/json-fields.ts";
import type { LinkChange, Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import { kernelRoutes, kernelRoutes6, vrfTableOf } from "../kernel/route/kernel-routes.ts";
import type { Route, Route6 } from "../kernel/route/route.ts";
import { formatIpNet, type Ip, type IpNet, lastOf, networkOf, toIpv4 } from "./ip.ts";
import {
  address6,
  hasLinkLocal,
  linkLocalAddress,
  loopbackAddress,
  netOf6,
  route6,
  sameRoute6,
} from "./ipv6-state.ts";

/** What a new device is made of; the rest is as the kernel makes it. */
export interface NewDevice {
  readonly name: string;
  readonly mac: Mac;
  readonly mtu: number;
  readonly detail: DeviceDetail;
  readonly up?: boolean;
  readonly carrier?: boolean;
  readonly noArp?: boolean;
  readonly master?: string;
  readonly port?: Partial<BridgePort>;
}

/** A route that a plugin asks for. */
export interface NewRoute {
  readonly dst: IpNet;
  readonly gw: Ip | null;
  readonly dev: string;
  readonly scope?: Route["scope"];
  readonly src?: Ip;
  readonly table?: string;
  readonly protocol?: string;
  readonly onlink?: boolean;
}

const ETH_DATA_LEN = 1500;

/**
 * A network namespace while a plugin works in it: the commands that the plugin gives, and what the kernel does of itself
 * when it is given them (routes of an address, a bridge that follows its ports). Every change is an operation, kept in
 * order; between two of them the state can be read.
 */
export class Netns {
  readonly name: string;
  readonly operations: Operation[] = [];
  /** Of what is made here. */
  origin: Origin;
  #host: Host;
  #pending: Operation[] = [];

  constructor(host: Host, origin: Origin = ORIGIN_NONE) {
    this.name = host.name;
    this.#host = host;
    this.origin = origin;
  }

  get host(): Host {
    if (this.#pending.length > 0) {
      const applied = applyOperations(this.#host, this.#pending);
      if (applied.kind === "invalid") {
        const reasons = applied.errors.map(({ message }) => message).join("; ");
        throw new Error(`${this.name}: a plugin's operations do not apply: ${reasons}`);
      }
      this.#pending = [];
      this.#host = applied.host;
    }
    return this.#host;
  }

  do(...operations: readonly Operation[]): void {
    this.#pending.push(...operations);
    this.operations.push(...operations);
  }

  /** Does work whose results have another origin. */
  as<T>(origin: Origin, work: () => T): T {
    const before = this.origin;
    this.origin = origin;
    try {
      return work();
    } finally {
      this.origin = before;
    }
  }

  device(name: string): Device | undefined {
    return this.host.devices.find((device) => device.name === name);
  }

  ports(bridge: string): readonly Device[] {
    return this.host.devices.filter(({ master }) => master === bridge);
  }

  addDevice(device: NewDevice): Device {
    const state = stateOf(device.carrier ?? true);
    const made: Device = {
      ifindex: Math.max(0, ...this.host.devices.map(({ ifindex }) => ifindex)) + 1,
      name: device.name,
      mac: device.mac,
      mtu: device.mtu,
      up: device.up ?? true,
      carrier: device.carrier ?? true,
      noArp: device.noArp ?? false,
      master: device.master ?? null,
      detail: device.detail,
      port: device.master === undefined ? null : { ...NEW_BRIDGE_PORT, state, ...device.port },
      origin: this.origin,
    };
    this.do({ kind: "link-add", device: made });
    if (made.master !== null) this.#followPorts(made.master);
    return made;
  }

  /** A device as `ip -d link` would show it, which is kept beside it. `lower`: what it sits on. */
  addDumped(
    device: Omit<NewDevice, "detail">,
    type: string,
    data: Json,
    more: Json = {},
    lower: LowerDevice | null = null,
  ): Device {
    const info = Object.keys(data).length === 0 ? {} : { info_data: data };
    const linkinfo = { info_kind: type, ...info };
    const detail = parseDetail(new JsonFields({ ...more, linkinfo }, "", new Faults(1)), "ether");
    const made = this.addDevice({ ...device, detail: "lower" in detail ? { ...detail, lower } : detail });
    this.#keep("links", [...this.kept("links"), { ...formatLinkHead(made), ...more, linkinfo }]);
    return made;
  }

  deleteDevice(name: string): void {
    const device = this.device(name);
    if (device === undefined) return;
    this.do({ kind: "link-delete", name });
    this.#forget(name);
    if (device.master !== null) this.#followPorts(device.master);
  }

  setUp(name: string): void {
    const device = this.device(name);
    if (device === undefined || device.up) return;
    this.do({ kind: "link-set", name, up: true });
    const isLoopback = device.detail.kind === "loopback";
    const addresses = this.addressesOf(name);
    if (isLoopback && addresses.length === 0) this.#addLoopbackAddress(name);
    this.#addKernelRoutes(name);
    this.addKernelRoutes6(name);
  }

  setDown(name: string): void {
    const device = this.device(name);
    if (device?.up !== true) return;
    this.do({ kind: "link-set", name, up: false });
    const kept = ({ type, table }: Route) => type === "local" && table === "local";
    for (const route of this.host.routes) {
      if (route.nextHops.some(({ dev }) => dev === name) && !kept(route)) {
        this.do({ kind: "route-delete", route });
      }
    }
    // Unlike IPv4's, the addresses go as well (`addrconf_ifdown`).
    for (const route of this.host.routes6) {
      if (route.nextHops.some(({ dev }) => dev === name)) this.do({ kind: "route-delete", route });
    }
    for (const address of this.#addressesOfSix(name)) this.do({ kind: "address-delete", address });
    this.#forget(name);
  }

  /** A device's settings changed, by a command or of themselves. */
  changeDevice(name: string, change: LinkChange): void {
    const device = this.device(name);
    if (device === undefined) return;
    if (Object.entries(change).every(([key, value]) => device[key as keyof LinkChange] === value)) return;
    this.do({ kind: "link-change", name, change });
  }

  addressesOf(name: string): readonly InterfaceAddress[] {
    return this.host.addresses.filter(({ dev }) => dev === name);
  }

  /** Every address of a device, of both families; link-local ones, which the kernel makes, are left out. */
  netsOf(name: string): readonly IpNet[] {
    const four = this.addressesOf(name).map(
      ({ address, length }): IpNet => ({ ip: { family: 4, value: BigInt(address >>> 0) }, length }),
    );
    const six = this.#addressesOfSix(name).filter(({ scope }) => scope !== "link");
    return [...four, ...six.map(netOf6)];
  }

  hasAddress(name: string, net: IpNet): boolean {
    const wanted = formatIpNet(net);
    return this.netsOf(name).some((own) => formatIpNet(own) === wanted);
  }

  /** `ip addr add`; the kernel adds the address's own routes. */
  addAddress(dev: string, net: IpNet, more: Partial<InterfaceAddress> = {}): void {
    if (net.ip.family === 6) {
      this.#addSix(dev, net);
      return;
    }
    const own = this.addressesOf(dev);
    const network = networkOf(net).ip.value;
    const address: InterfaceAddress = {
      dev,
      address: toIpv4(net.ip),
      length: net.length,
      broadcast: net.length >= 31 ? null : toIpv4(lastOf(net)),
      scope: "global",
      secondary: own.some(
        (other) =>
          other.length === net.length &&
          networkOf({ ip: { family: 4, value: BigInt(other.address >>> 0) }, length: other.length }).ip
            .value === network,
      ),
      peer: null,
      label: dev,
      origin: this.origin,
      ...more,
    };
    this.do({ kind: "address-add", address });
    this.#addKernelRoutes(dev);
  }

  deleteAddress(dev: string, net: IpNet): void {
    if (net.ip.family === 6) {
      this.#deleteSix(dev, net);
      return;
    }
    const address = this.addressesOf(dev).find(
      (own) => own.address === toIpv4(net.ip) && own.length === net.length,
    );
    if (address === undefined) return;
    const device = this.device(dev);
    const rest = this.addressesOf(dev).filter((own) => own !== address);
    if (device !== undefined) {
      const staying = kernelRoutes(device, rest, this.#vrfTable(device));
      for (const route of kernelRoutes(device, [address], this.#vrfTable(device))) {
        if (!staying.some((other) => sameRoute(other, route)) && this.#hasRoute(route)) {
          this.do({ kind: "route-delete", route });
        }
      }
    }
    this.do({ kind: "address-delete", address });
  }

  /** False when there is a route to the same network, of the same metric and in the same table already (`NLM_F_EXCL`). */
  addRoute(route: NewRoute): boolean {
    if (route.dst.ip.family === 6) return this.#addSixRoute(route);
    const made = this.routeOf(route);
    if (this.#rivalsOf(made).length > 0) return false;
    this.do({ kind: "route-add", route: made });
    return true;
  }

  /**
   * `ip route prepend`, as the plugins add a configuration's IPv4 routes (`NLM_F_CREATE` alone): before others to the same
   * network. False when this very route is there already.
   */
  prependRoute(route: NewRoute): boolean {
    if (route.dst.ip.family === 6) return this.#addSixRoute(route);
    const made = this.routeOf(route);
    const rivals = this.#rivalsOf(made);
    if (rivals.some((other) => isSameWay(other, made))) return false;
    for (const other of rivals) this.do({ kind: "route-delete", route: other });
    for (const one of [made, ...rivals]) this.do({ kind: "route-add", route: one });
    return true;
  }

  /** IPv4 routes to the same network, of the same metric and in the same table. */
  #rivalsOf(made: Route): Route[] {
    return this.host.routes.filter(
      ({ dst, table, metric, tos }) =>
        dst.address === made.dst.address &&
        dst.length === made.dst.length &&
        table === made.table &&
        metric === made.metric &&
        tos === made.tos,
    );
  }

  deleteRoute(matches: (route: Route) => boolean): void {
    for (const route of this.host.routes) {
      if (matches(route)) this.do({ kind: "route-delete", route });
    }
  }

  /** A setting of the namespace, unless it has this value. */
  sysctl(name: string, value: string): void {
    if (this.host.sysctl.get(name) !== value) this.do({ kind: "sysctl", name, value });
  }

  /** Forwarding for a family; the kernel passes the switch on to every device that says otherwise. */
  enableForwarding(family: 4 | 6): void {
    const tree = family === 4 ? "net.ipv4" : "net.ipv6";
    if (family === 4) this.sysctl("net.ipv4.ip_forward", "1");
    const all = `${tree}.conf.all.forwarding`;
    this.sysctl(all, "1");
    this.sysctl(`${tree}.conf.default.forwarding`, "1");
    for (const name of this.host.sysctl.keys()) {
      if (name.startsWith(`${tree}.conf.`) && name.endsWith(".forwarding")) this.sysctl(name, "1");
    }
  }

  /** What is kept of a snapshot's field beside what is modelled. */
  kept(field: string): readonly Json[] {
    const value = this.host.unmodelled.get(field);
    return Array.isArray(value) ? (value as readonly unknown[]).filter(isJsonObject) : [];
  }

  keep(field: string, value: readonly unknown[]): void {
    this.#keep(field, value);
  }

  #keep(field: string, value: readonly unknown[]): void {
    if (value.length === 0 && !this.host.unmodelled.has(field)) return;
    this.do({ kind: "unmodelled", name: field, value });
  }

  /** Notes of a device that is gone. */
  #forget(name: string): void {
    const commands = this.host.unmodelled.get("linkSettings");
    if (Array.isArray(commands)) {
      const others = commands.filter((command) => !String(command).split(" ").slice(3, 4).includes(name));
      if (others.length < commands.length) this.#keep("linkSettings", others);
    }
    const items = this.kept("links");
    const rest = items.filter(({ ifname }) => ifname !== name);
    if (rest.length < items.length) this.#keep("links", rest);
  }

  /**
   * What a bridge takes from its ports (`br_mtu_auto_adjust`, `br_stp_recalculate_bridge_id`, `br_port_carrier_check`): the
   * smallest MTU, a carrier when one of them has it, and their lowest address unless somebody gave it one of its own.
   */
  #followPorts(name: string): void {
    const bridge = this.device(name);
    if (bridge?.detail.kind !== "bridge") return;
    const ports = this.ports(name);
    const [lowest] = ports.map(({ mac }) => mac).sort((a, b) => macNumber(a) - macNumber(b));
    this.changeDevice(name, {
      mtu: ports.length === 0 ? ETH_DATA_LEN : Math.min(...ports.map(({ mtu }) => mtu)),
      carrier: ports.some(({ up, carrier }) => up && carrier),
      ...(this.#hasOwnMac(name) ? {} : { mac: lowest ?? MAC_ZERO }),
    });
  }

  /** A port's carrier came or went. */
  setCarrier(name: string, carrier: boolean): void {
    const device = this.device(name);
    if (device === undefined || device.carrier === carrier) return;
    const { port } = device;
    this.changeDevice(name, {
      carrier,
      ...(port === null ? {} : { port: { ...port, state: stateOf(carrier) } }),
    });
    if (device.master !== null) this.#followPorts(device.master);
  }

  /**
   * Whether a bridge's address is its own (`NET_ADDR_SET`) and not its lowest port's. The plugins set it together with the
   * bridge's first address of the network layer, and `ip -d link` does not tell: a bridge that has one is taken to have
   * the other.
   */
  #hasOwnMac(name: string): boolean {
    return this.netsOf(name).length > 0;
  }

  #addLoopbackAddress(dev: string): void {
    const address: InterfaceAddress = {
      ...{ dev, address: 0x7f00_0001, length: 8, broadcast: null, scope: "host" },
      ...{ secondary: false, peer: null, label: dev, origin: this.origin },
    };
    this.do({ kind: "address-add", address });
  }

  #addKernelRoutes(dev: string): void {
    const device = this.device(dev);
    if (device === undefined) return;
    for (const route of kernelRoutes(device, this.addressesOf(dev), this.#vrfTable(device))) {
      if (!this.#hasRoute(route)) this.do({ kind: "route-add", route });
    }
  }

  #hasRoute(route: Route): boolean {
    return this.host.routes.some((other) => sameRoute(other, route));
  }

  /** An IPv4 route as the kernel would hold it, for operations of one's own. */
  routeOf({ dst, gw, dev, scope, src, table, protocol, onlink }: NewRoute): Route {
    const { ip, length } = networkOf(dst);
    return {
      type: "unicast",
      dst: { address: toIpv4(ip), length },
      table: table ?? "main",
      protocol: protocol ?? null,
      scope: scope ?? (gw === null ? "link" : "global"),
      prefsrc: src === undefined ? null : toIpv4(src),
      metric: 0,
      tos: 0,
      mtu: 0,
      nextHops: [
        {
          dev,
          gateway: gw === null ? null : toIpv4(gw),
          weight: 1,
          onlink: onlink ?? false,
          dead: false,
        },
      ],
      origin: this.origin,
    };
  }

  /** `ip -6 addr add`. The first one of a device brings the addresses that the kernel gives of itself. */
  #addSix(dev: string, net: IpNet): void {
    const device = this.device(dev);
    if (device === undefined) return;
    const lo = this.host.devices.find(({ detail }) => detail.kind === "loopback");
    const own = this.#addressesOfSix(dev);
    const made = [
      ...(lo?.up && this.#addressesOfSix(lo.name).length === 0
        ? [loopbackAddress(lo.name, this.origin)]
        : []),
      address6(dev, net, "global", this.origin),
      ...(own.length === 0 && hasLinkLocal(device) ? [linkLocalAddress(device, this.origin)] : []),
    ];
    this.do(...made.map((address) => ({ kind: "address-add", address }) as const));
    if (lo !== undefined) this.addKernelRoutes6(lo.name);
    this.addKernelRoutes6(dev);
  }

  /** What the kernel gives a device that comes up where IPv6 is spoken: its link-local address. */
  addLinkLocal(dev: string): void {
    const device = this.device(dev);
    if (device === undefined || !hasLinkLocal(device) || this.#addressesOfSix(dev).length > 0) return;
    this.do({ kind: "address-add", address: linkLocalAddress(device, this.origin) });
    this.addKernelRoutes6(dev);
  }

  #deleteSix(dev: string, net: IpNet): void {
    const device = this.device(dev);
    const own = this.#addressesOfSix(dev);
    const address = own.find((one) => formatIpNet(netOf6(one)) === formatIpNet(net));
    if (device === undefined || address === undefined) return;
    const staying = kernelRoutes6(
      device,
      own.filter((one) => one !== address),
      this.#forwards6,
      this.#vrfTable(device),
    );
    for (const route of kernelRoutes6(device, [address], this.#forwards6, this.#vrfTable(device))) {
      if (!staying.some((other) => sameRoute6(other, route)) && this.#hasRoute6(route)) {
        this.do({ kind: "route-delete", route });
      }
    }
    this.do({ kind: "address-delete", address });
  }

  #vrfTable(device: Device): string | null {
    return vrfTableOf(device, this.host.devices);
  }

  #addressesOfSix(name: string): readonly InterfaceAddress6[] {
    return this.host.addresses6.filter(({ dev }) => dev === name);
  }

  get #forwards6(): boolean {
    return this.host.sysctl.get("net.ipv6.conf.all.forwarding") === "1";
  }

  /** The routes that the kernel makes for a device's IPv6 addresses, those that are not there yet. */
  addKernelRoutes6(dev: string): void {
    const device = this.device(dev);
    const own = this.#addressesOfSix(dev);
    if (device === undefined || own.length === 0) return;
    for (const route of kernelRoutes6(device, own, this.#forwards6, this.#vrfTable(device))) {
      if (!this.#hasRoute6(route)) this.do({ kind: "route-add", route });
    }
  }

  #hasRoute6(route: Route6): boolean {
    return this.host.routes6.some((other) => sameRoute6(other, route));
  }

  #addSixRoute(given: NewRoute): boolean {
    const route = route6(given, this.origin);
    if (this.#hasRoute6(route)) return false;
    this.do({ kind: "route-add", route });
    return true;
  }
}

/** A port without a carrier takes no part in its bridge (`br_stp_disable_port`). */
function stateOf(carrier: boolean): BridgePort["state"] {
  return carrier ? "forwarding" : "disabled";
}

/** What makes two routes the same to `ip route add`. */
function sameRoute(a: Route, b: Route): boolean {
  return (
    a.dst.address === b.dst.address &&
    a.dst.length === b.dst.length &&
    a.type === b.type &&
    a.table === b.table &&
    a.prefsrc === b.prefsrc &&
    a.scope === b.scope &&
    a.nextHops.length === b.nextHops.length &&
    a.nextHops.every(({ dev, gateway }, i) => {
      const other = b.nextHops[i];
      return dev === other?.dev && gateway === other.gateway;
    })
  );
}

/** A link address as the results print it. */
export function macText(device: Device): string {
  return formatMac(device.mac);
}

/** By the same device and gateway, from the same source, in the same scope. */
function isSameWay(a: Route, b: Route): boolean {
  const [one] = a.nextHops;
  const [other] = b.nextHops;
  return (
    a.scope === b.scope &&
    a.prefsrc === b.prefsrc &&
    (a.protocol ?? "boot") === (b.protocol ?? "boot") &&
    one?.dev === other?.dev &&
    one?.gateway === other?.gateway
  );
}
