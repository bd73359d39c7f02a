import { formatIp, type IpAddress } from "../../address/ip.ts";
import { HandedOn } from "../handed-on.ts";
import { isLimitedBroadcast, isMulticast, isZeronet } from "../route/output-route.ts";
import { endText, selectorWords } from "./ipvsadm-words.ts";
import {
  type Ipvs,
  type IpvsTimeouts,
  NO_SERVICES,
  type RealServer,
  type ServerName,
  selectorKey,
  serverKey,
  type VirtualService,
  type VirtualServiceSelector,
} from "./virtual-service.ts";

const BY_SELECTOR = new HandedOn<readonly VirtualService[], Map<string, VirtualService>>(
  (services) => new Map(services.map((service) => [selectorKey(service.selector), service])),
);

/**
 * The virtual services of a host being changed by a run of operations (`do_ip_vs_set_ctl`). Every method returns null, or
 * why the kernel would refuse.
 */
export class DraftIpvs {
  #original: Ipvs | null;
  #services: Map<string, VirtualService>;
  #timeouts: IpvsTimeouts;
  #changed = false;

  constructor(original: Ipvs | null) {
    this.#original = original;
    const { services, timeouts } = original ?? NO_SERVICES;
    this.#services = BY_SELECTOR.take(services);
    this.#timeouts = timeouts;
  }

  finish(): Ipvs | null {
    if (this.#changed) this.#original = { services: [...this.#services.values()], timeouts: this.#timeouts };
    const made = this.#original;
    if (made !== null) {
      BY_SELECTOR.keep(made.services, this.#services);
      // Whoever is given it may change it.
      this.#services = new Map(this.#services);
    }
    this.#changed = false;
    return made;
  }

  restore(services: readonly VirtualService[]): string | null {
    this.#changed = true;
    for (const service of services) {
      const fault =
        this.addVirtualService(service) ?? service.servers.map(faultOfServer).find((each) => each !== null);
      if (fault) return fault;
    }
    return null;
  }

  addVirtualService(service: VirtualService): string | null {
    const key = selectorKey(service.selector);
    if (this.#services.has(key))
      return `there is a virtual service ${selectorWords(service.selector)} already`;
    return this.#put(key, service);
  }

  /** Its servers stay. */
  editVirtualService(service: VirtualService): string | null {
    const key = selectorKey(service.selector);
    const found = this.#services.get(key);
    if (found === undefined) return noVirtualService(service.selector);
    return this.#put(key, { ...service, servers: found.servers, ordered: found.ordered });
  }

  deleteVirtualService(selector: VirtualServiceSelector): string | null {
    this.#changed = true;
    return this.#services.delete(selectorKey(selector)) ? null : noVirtualService(selector);
  }

  /** `__ip_vs_update_dest`: a new server stands first. */
  addServer(selector: VirtualServiceSelector, server: RealServer): string | null {
    const key = selectorKey(selector);
    const service = this.#services.get(key);
    if (service === undefined) return noVirtualService(selector);
    const fault = faultOfServer(server);
    if (fault !== null) return fault;
    if (service.servers.some((other) => serverKey(other) === serverKey(server)))
      return `the virtual service ${selectorWords(selector)} has a server ${endText(server)} already`;
    return this.#put(key, { ...service, servers: [server, ...service.servers] });
  }

  editServer(selector: VirtualServiceSelector, server: RealServer): string | null {
    const key = selectorKey(selector);
    const service = this.#services.get(key);
    if (service === undefined) return noVirtualService(selector);
    const fault = faultOfServer(server);
    if (fault !== null) return fault;
    const at = service.servers.findIndex((other) => serverKey(other) === serverKey(server));
    const old = service.servers[at];
    if (old === undefined) return noServer(selector, server);
    const { active, inactive } = old;
    return this.#put(key, { ...service, servers: service.servers.with(at, { ...server, active, inactive }) });
  }

  deleteServer(selector: VirtualServiceSelector, server: ServerName): string | null {
    const key = selectorKey(selector);
    const service = this.#services.get(key);
    if (service === undefined) return noVirtualService(selector);
    const servers = service.servers.filter((other) => serverKey(other) !== serverKey(server));
    if (servers.length === service.servers.length) return noServer(selector, server);
    return this.#put(key, { ...service, servers });
  }

  clear(): null {
    this.#services.clear();
    this.#changed = true;
    return null;
  }

  /** `ip_vs_set_timeout`: 0 leaves a value as it is. */
  set({ tcpS, tcpFinS, udpS }: IpvsTimeouts): null {
    const before = this.#timeouts;
    this.#timeouts = {
      tcpS: tcpS || before.tcpS,
      tcpFinS: tcpFinS || before.tcpFinS,
      udpS: udpS || before.udpS,
    };
    this.#changed = true;
    return null;
  }

  #put(key: string, service: VirtualService): null {
    this.#services.set(key, service);
    this.#changed = true;
    return null;
  }
}

/** `ip_vs_add_dest`, and `ip_vs_new_dest` of an address that is nobody's own; subnets' broadcasts are not looked up. */
function faultOfServer(server: RealServer): string | null {
  const { address, lower, upper, forwarding } = server;
  if (lower > upper) return `the lower threshold ${lower} is above the upper one, ${upper}`;
  if (forwarding.kind === "tunnel" && forwarding.tunnel.type === "gue" && forwarding.tunnel.port === 0)
    return "a tunnel of type gue needs a port: add --tun-port";
  if (isUnicast(address)) return null;
  return `${formatIp(address)} is no address of one host`;
}

function isUnicast(address: IpAddress): boolean {
  if (typeof address === "number")
    return !isMulticast(address) && !isLimitedBroadcast(address) && !isZeronet(address);
  const [first, ...rest] = address;
  return first >>> 24 !== 0xff && (first !== 0 || rest.some((word) => word !== 0));
}

function noVirtualService(selector: VirtualServiceSelector): string {
  return `there is no virtual service ${selectorWords(selector)}`;
}

function noServer(selector: VirtualServiceSelector, server: ServerName): string {
  return `the virtual service ${selectorWords(selector)} has no server ${endText(server)}`;
}
