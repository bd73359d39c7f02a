import type { InterfaceAddress, InterfaceAddress6 } from "../kernel/device/device.ts";
import { kernelRoutes, kernelRoutes6 } from "../kernel/route/kernel-routes.ts";
import { formatIpNet, type IpNet, lastOf, networkOf, toIpv4 } from "./ip.ts";
import {
  address6,
  hasLinkLocal,
  linkLocalAddress,
  loopbackAddress,
  netOf6,
  sameRoute6,
} from "./ipv6-state.ts";
import { NetnsRoutes, sameRoute } from "./netns-routes.ts";

/** A namespace's addresses, and the routes that the kernel makes of itself for them. */
export class NetnsAddresses extends NetnsRoutes {
  addressesOf(name: string): readonly InterfaceAddress[] {
    return this.host.addresses.filter(({ dev }) => dev === name);
  }

  protected addressesOfSix(name: string): readonly InterfaceAddress6[] {
    return this.host.addresses6.filter(({ dev }) => dev === name);
  }

  /** Every address of a device, of both families; link-local ones, which the kernel makes, are left out. */
  netsOf(name: string): readonly IpNet[] {
    const four = this.addressesOf(name).map(
      ({ address, length }): IpNet => ({ ip: { family: 4, value: BigInt(address >>> 0) }, length }),
    );
    const six = this.addressesOfSix(name).filter(({ scope }) => scope !== "link");
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
    this.addKernelRoutes(dev);
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
      const staying = kernelRoutes(device, rest, this.vrfTable(device));
      for (const route of kernelRoutes(device, [address], this.vrfTable(device))) {
        if (!staying.some((other) => sameRoute(other, route)) && this.hasRoute(route)) {
          this.do({ kind: "route-delete", route });
        }
      }
    }
    this.do({ kind: "address-delete", address });
  }

  /** What the kernel gives a device that comes up where IPv6 is spoken: its link-local address. */
  addLinkLocal(dev: string): void {
    const device = this.device(dev);
    if (device === undefined || !hasLinkLocal(device) || this.addressesOfSix(dev).length > 0) return;
    this.do({ kind: "address-add", address: linkLocalAddress(device, this.origin) });
    this.addKernelRoutes6(dev);
  }

  /** The routes that the kernel makes for a device's IPv6 addresses, those that are not there yet. */
  addKernelRoutes6(dev: string): void {
    const device = this.device(dev);
    const own = this.addressesOfSix(dev);
    if (device === undefined || own.length === 0) return;
    for (const route of kernelRoutes6(device, own, this.#forwards6, this.vrfTable(device))) {
      if (!this.hasRoute6(route)) this.do({ kind: "route-add", route });
    }
  }

  /** `ip -6 addr add`. The first one of a device brings the addresses that the kernel gives of itself. */
  #addSix(dev: string, net: IpNet): void {
    const device = this.device(dev);
    if (device === undefined) return;
    const lo = this.host.devices.find(({ detail }) => detail.kind === "loopback");
    const own = this.addressesOfSix(dev);
    const made = [
      ...(lo?.up && this.addressesOfSix(lo.name).length === 0 ? [loopbackAddress(lo.name, this.origin)] : []),
      address6(dev, net, "global", this.origin),
      ...(own.length === 0 && hasLinkLocal(device) ? [linkLocalAddress(device, this.origin)] : []),
    ];
    this.do(...made.map((address) => ({ kind: "address-add", address }) as const));
    if (lo !== undefined) this.addKernelRoutes6(lo.name);
    this.addKernelRoutes6(dev);
  }

  #deleteSix(dev: string, net: IpNet): void {
    const device = this.device(dev);
    const own = this.addressesOfSix(dev);
    const address = own.find((one) => formatIpNet(netOf6(one)) === formatIpNet(net));
    if (device === undefined || address === undefined) return;
    const staying = kernelRoutes6(
      device,
      own.filter((one) => one !== address),
      this.#forwards6,
      this.vrfTable(device),
    );
    for (const route of kernelRoutes6(device, [address], this.#forwards6, this.vrfTable(device))) {
      if (!staying.some((other) => sameRoute6(other, route)) && this.hasRoute6(route)) {
        this.do({ kind: "route-delete", route });
      }
    }
    this.do({ kind: "address-delete", address });
  }

  protected addLoopbackAddress(dev: string): void {
    const address: InterfaceAddress = {
      ...{ dev, address: 0x7f00_0001, length: 8, broadcast: null, scope: "host" },
      ...{ secondary: false, peer: null, label: dev, origin: this.origin },
    };
    this.do({ kind: "address-add", address });
  }

  protected addKernelRoutes(dev: string): void {
    const device = this.device(dev);
    if (device === undefined) return;
    for (const route of kernelRoutes(device, this.addressesOf(dev), this.vrfTable(device))) {
      if (!this.hasRoute(route)) this.do({ kind: "route-add", route });
    }
  }

  get #forwards6(): boolean {
    return this.host.sysctl.get("net.ipv6.conf.all.forwarding") === "1";
  }
}
