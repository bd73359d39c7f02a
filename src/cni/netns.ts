import { MAC_ZERO, type Mac, macNumber } from "../address/mac.ts";
import { NEW_BRIDGE_PORT } from "../kernel/device/bridge-link.ts";
import type { BridgePort, Device, DeviceDetail, LowerDevice } from "../kernel/device/device.ts";
import { formatLinkHead } from "../kernel/device/ip-link.ts";
import { parseDetail } from "../kernel/device/link-detail.ts";
import { Faults, type Json, JsonFields } from "../kernel/json-fields.ts";
import type { Route } from "../kernel/route/route.ts";
import { NetnsAddresses } from "./netns-addresses.ts";

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

const ETH_DATA_LEN = 1500;

/**
 * A network namespace while a plugin works in it: the commands that the plugin gives, and what the kernel does of itself
 * when it is given them (routes of an address, a bridge that follows its ports). Its devices are here; under them its addresses, its
 * routes, and the state and settings themselves (`netns-addresses.ts`, `netns-routes.ts`, `netns-state.ts`).
 */
export class Netns extends NetnsAddresses {
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
    this.keep("links", [...this.kept("links"), { ...formatLinkHead(made), ...more, linkinfo }]);
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
    if (isLoopback && addresses.length === 0) this.addLoopbackAddress(name);
    this.addKernelRoutes(name);
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
    for (const address of this.addressesOfSix(name)) this.do({ kind: "address-delete", address });
    this.#forget(name);
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

  /**
   * Whether a bridge's address is its own (`NET_ADDR_SET`) and not its lowest port's. The plugins set it together with the
   * bridge's first address of the network layer, and `ip -d link` does not tell: a bridge that has one is taken to have
   * the other.
   */
  #hasOwnMac(name: string): boolean {
    return this.netsOf(name).length > 0;
  }

  /** Notes of a device that is gone. */
  #forget(name: string): void {
    const commands = this.host.unmodelled.get("linkSettings");
    if (Array.isArray(commands)) {
      const others = commands.filter((command) => !String(command).split(" ").slice(3, 4).includes(name));
      if (others.length < commands.length) this.keep("linkSettings", others);
    }
    const items = this.kept("links");
    const rest = items.filter(({ ifname }) => ifname !== name);
    if (rest.length < items.length) this.keep("links", rest);
  }
}

/** A port without a carrier takes no part in its bridge (`br_stp_disable_port`). */
function stateOf(carrier: boolean): BridgePort["state"] {
  return carrier ? "forwarding" : "disabled";
}
