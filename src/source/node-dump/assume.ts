import { formatIpv4, parseIpv4 } from "../../address/ipv4.ts";
import { contains, firstOf, networkOf, type Prefix4, parseAddressOrPrefix4 } from "../../address/prefix.ts";
import type { Json } from "../../kernel/json-fields.ts";
import { isJsonObject } from "../../kernel/json-fields.ts";
import type { DumpDraft } from "./dump-draft.ts";

/**
 * What a dump lacks and a host must have, taken from what the dump does show, each with a sentence of what was taken: devices
 * that rules and routes name, addresses they prove, a default route, forwarding where rules make no sense without.
 */
export function assumeMissing(draft: DumpDraft): void {
  const filler = new Filler(draft);
  filler.bridges();
  filler.devices();
  filler.addresses();
  filler.routes();
  filler.sysctls();
}

/** Networks kept for documentation (RFC 5737): one of them stands for a node's own where the dump shows none. */
const STAND_INS = ["192.0.2", "198.51.100", "203.0.113"] as const;

class Filler {
  readonly #draft: DumpDraft;
  readonly #rules: string;
  readonly #hadLinks: boolean;
  readonly #hadAddresses: boolean;
  readonly #hadRoutes: boolean;

  constructor(draft: DumpDraft) {
    this.#draft = draft;
    const { iptablesSave } = draft.json;
    this.#rules = typeof iptablesSave === "string" ? iptablesSave : "";
    this.#hadLinks = draft.has("links");
    this.#hadAddresses = draft.has("addrs");
    this.#hadRoutes = draft.has("routes");
  }

  /** Without `-d` nothing says that a device is a bridge, but its ports name it. */
  bridges(): void {
    const links = this.#draft.list("links");
    const masters = new Set(links.map((link) => text(link, "master")).filter((name) => name !== ""));
    const found: string[] = [];
    const made = links.map((link) => {
      const name = text(link, "ifname");
      const isBridge = masters.has(name) || (text(link, "link_type") === "ether" && BRIDGE_NAME.test(name));
      const flags = Array.isArray(field(link, "flags")) ? (field(link, "flags") as readonly unknown[]) : [];
      if (!isBridge || Object.hasOwn(link, "linkinfo") || flags.includes("MASTER")) return link;
      found.push(name);
      const bridge = { ...link, linkinfo: { info_kind: "bridge", info_data: {} } };
      this.#draft.placeLike(bridge, link);
      return bridge;
    });
    if (found.length === 0) return;
    this.#draft.set("links", made);
    this.#draft.assume(
      `no "ip -d link": ${found.join(", ")} ${found.length === 1 ? "is taken for a bridge" : "are taken for bridges"} with the kernel's settings`,
    );
  }

  devices(): void {
    const known = new Set(this.#draft.list("links").map((link) => text(link, "ifname")));
    const named = new Set<string>(this.#namedDevices());
    const made: Json[] = [];
    const missing = [...named].filter((name) => !known.has(name) && name !== "lo");
    const cards = [...known, ...missing].filter((name) =>
      this.#hadLinks ? !VIRTUAL_NAME.test(name) : CARD_NAME.test(name),
    );
    if (cards.length === 0 && !this.#hasDefaultRoute()) missing.push("eth0");
    const indices = this.#draft.list("links").map((link) => Number(field(link, "ifindex") ?? 0));
    let index = Math.max(1, ...indices);
    if (!known.has("lo")) made.push(LOOPBACK);
    for (const name of missing) made.push(newLink(++index, name, this.#isDown(name)));
    if (made.length === 0) return;
    this.#draft.set("links", [...this.#draft.list("links"), ...made]);
    if (missing.length === 0) return;
    const which = this.#hadLinks
      ? "the dump's devices lack"
      : 'no "ip addr" or "ip link": the host is taken to have';
    this.#draft.assume(
      `${which} ${missing.join(", ")}${this.#hadLinks ? ", which routes or rules name: taken to be there" : ""}`,
    );
  }

  addresses(): void {
    const addrs = new Map<string, Json[]>();
    for (const entry of this.#draft.list("addrs")) {
      const { addr_info: infos } = entry;
      addrs.set(text(entry, "ifname"), Array.isArray(infos) ? infos.filter(isJsonObject) : []);
    }
    const has = (name: string) => (addrs.get(name) ?? []).some((info) => text(info, "family") === "inet");
    const put = (name: string, address: string, length: number) => {
      const info = {
        family: "inet",
        local: address,
        prefixlen: length,
        scope: name === "lo" ? "host" : "global",
      };
      addrs.set(name, [...(addrs.get(name) ?? []), info]);
    };
    if (!has("lo")) put("lo", "127.0.0.1", 8);
    const taken: string[] = [];
    for (const { dev, address, length, why } of this.#provenAddresses()) {
      if (has(dev) || this.#hadAddresses) continue;
      put(dev, address, length);
      taken.push(`${dev} ${address}/${length} (${why})`);
    }
    const virtual = this.#hadAddresses ? [] : this.#virtualAddresses();
    for (const address of virtual) put("lo", address, 32);
    if (virtual.length > 0) taken.push(`${virtual.join(", ")} (its virtual servers', kept on lo)`);
    const uplink = this.#uplink();
    if (!this.#hadAddresses && uplink !== undefined && !has(uplink)) {
      const network = STAND_INS.find((name) => !this.#rules.includes(`${name}.`)) ?? STAND_INS[0];
      put(uplink, `${network}.1`, 24);
      taken.push(`${uplink} ${network}.1/24 (a stand-in: nothing shows the node's own address)`);
    }
    if (taken.length > 0) this.#draft.assume(`no "ip addr": addresses are taken to be ${taken.join(", ")}`);
    const before = this.#draft.list("addrs");
    this.#draft.set(
      "addrs",
      [...addrs].map(([ifname, addr_info]) => {
        const entry = { ifname, addr_info };
        const old = before.find((each) => text(each, "ifname") === ifname);
        if (old !== undefined) this.#draft.placeLike(entry, old);
        return entry;
      }),
    );
  }

  /** IPVS takes packets on their way in: the addresses of its services must be the host's own. */
  #virtualAddresses(): string[] {
    const { ipvs } = this.#draft.json;
    const saved = typeof ipvs === "string" ? ipvs : "";
    return [...new Set([...saved.matchAll(/^-A -[tu] ([\d.]+):/gm)].map(([, address = ""]) => address))];
  }

  /** Routes that the kernel or a network manager always has: without them the dump held a part of the table only. */
  routes(): void {
    const routes = this.#draft.list("routes");
    const isPartial = !this.#hadRoutes || this.#onLinkMissing(routes).length > 0;
    if (!isPartial) return;
    const added = this.#onLinkMissing(routes);
    const hasDefault = routes.some((route) => text(route, "dst") === "default" && text(route, "type") === "");
    const uplink = this.#uplink();
    const addsDefault = !hasDefault && uplink !== undefined;
    if (addsDefault) added.push({ dst: "default", ...this.#gatewayOf(uplink), dev: uplink, flags: [] });
    this.#draft.set("routes", [...routes, ...added]);
    if (!addsDefault && this.#hadRoutes === false) return;
    const what = this.#hadRoutes ? "a part of the routing table only" : 'no "ip route"';
    const words = addsDefault ? `a default route by ${uplink} and ` : "";
    this.#draft.assume(`${what}: ${words}routes to the networks of the addresses are taken to be there`);
  }

  sysctls(): void {
    const { sysctl } = this.#draft.json;
    const settings: Record<string, unknown> = isJsonObject(sysctl) ? { ...sysctl } : {};
    const put = (name: string, value: string, why: string) => {
      if (Object.hasOwn(settings, name)) return;
      settings[name] = value;
      this.#draft.assume(`${name} is taken to be ${value}: ${why}`);
    };
    const forwards =
      /^:(?:KUBE-|DOCKER|FLANNEL|cali-|CNI-|WEAVE|LIBVIRT)|-j MASQUERADE|^-A FORWARD /m.test(this.#rules) ||
      this.#draft.has("ipvs") ||
      this.#draft.has("nftRuleset") ||
      this.#draft.list("links").some((link) => FORWARDER.test(text(link, "ifname")));
    if (forwards) put("net.ipv4.ip_forward", "1", "its rules or devices are those of a host that forwards");
    if (/^:(?:KUBE-|DOCKER|FLANNEL)/m.test(this.#rules)) {
      put("net.bridge.bridge-nf-call-iptables", "1", "kubelet and docker want it");
    }
    // What dockerd does without its userland proxy, and nobody else writes such a rule.
    for (const [, dev] of this.#rules.matchAll(
      /^-A POSTROUTING -o (\S+) -m addrtype --src-type LOCAL -j MASQUERADE$/gm,
    )) {
      put(
        `net.ipv4.conf.${dev}.route_localnet`,
        "1",
        "dockerd sets it together with the rule that masquerades local sources",
      );
    }
    if (Object.keys(settings).length > 0) this.#draft.set("sysctl", settings);
  }

  #namedDevices(): string[] {
    const names = ["routes", "neigh"].flatMap((list) => this.#draft.list(list).flatMap(devicesOf));
    const byRules = [...this.#rules.matchAll(/ -[io] (\S+)/g)].map(([, name]) => name ?? "");
    const masters = this.#draft.list("links").map((link) => text(link, "master"));
    const ports = ["fdb", "bridgeLinks"].flatMap((list) =>
      this.#draft.list(list).flatMap((item) => [text(item, "ifname"), text(item, "master")]),
    );
    return [...names, ...byRules, ...masters, ...ports].filter((name) => /^[^\s/+]{1,15}$/.test(name));
  }

  #isDown(name: string): boolean {
    return this.#draft.list("routes").some((route) => {
      const flags = field(route, "flags");
      return text(route, "dev") === name && Array.isArray(flags) && flags.includes("linkdown");
    });
  }

  #hasDefaultRoute(): boolean {
    return this.#draft
      .list("routes")
      .some((route) => text(route, "dst") === "default" && text(route, "dev") !== "");
  }

  /** The device that leads outside: that of the default route, else the first that looks like a card. */
  #uplink(): string | undefined {
    const byRoute = this.#draft
      .list("routes")
      .find((route) => text(route, "dst") === "default" && text(route, "dev") !== "");
    if (byRoute !== undefined) return text(byRoute, "dev");
    const names = this.#draft
      .list("links")
      .filter(
        (link) =>
          text(link, "link_type") !== "loopback" &&
          text(link, "master") === "" &&
          text(link, "link_type") !== "none",
      )
      .map((link) => text(link, "ifname"));
    return (
      names.filter((name) => CARD_NAME.test(name)).sort()[0] ?? names.find((name) => !VIRTUAL_NAME.test(name))
    );
  }

  #gatewayOf(uplink: string): Json {
    const [own] = this.#prefixesOf(uplink);
    if (own === undefined || own.prefix.length > 30) return {};
    const first = (networkOf(own.prefix).address + 1) | 0;
    return { gateway: formatIpv4(first === own.prefix.address ? (first + 1) | 0 : first) };
  }

  #prefixesOf(dev: string): { readonly prefix: Prefix4 }[] {
    const entry = this.#draft.list("addrs").find((each) => text(each, "ifname") === dev);
    const { addr_info: infos } = entry ?? {};
    return (Array.isArray(infos) ? infos.filter(isJsonObject) : []).flatMap((info) => {
      const address = parseIpv4(text(info, "local"));
      const length = Number(field(info, "prefixlen"));
      return address === undefined || !(length >= 0 && length <= 32) ? [] : [{ prefix: { address, length } }];
    });
  }

  #onLinkMissing(routes: readonly Json[]): Json[] {
    const main = routes.filter((route) => ["", "main", "254"].includes(text(route, "table")));
    const missing: Json[] = [];
    for (const link of this.#draft.list("links")) {
      const dev = text(link, "ifname");
      const flags = field(link, "flags");
      if (dev === "lo" || !Array.isArray(flags) || !flags.includes("UP")) continue;
      for (const { prefix } of this.#prefixesOf(dev)) {
        const network = networkOf(prefix);
        if (prefix.length === 32 || main.some((route) => covers(route, network))) continue;
        const dst = `${formatIpv4(network.address)}/${network.length}`;
        missing.push({
          dst,
          dev,
          protocol: "kernel",
          scope: "link",
          prefsrc: formatIpv4(prefix.address),
          flags: [],
        });
      }
    }
    return missing;
  }

  /** Addresses that routes and rules cannot do without, or that whoever wrote the rules always gives. */
  #provenAddresses(): { dev: string; address: string; length: number; why: string }[] {
    const found: { dev: string; address: string; length: number; why: string }[] = [];
    for (const route of this.#draft.list("routes")) {
      const [dev, src, dst] = [text(route, "dev"), text(route, "prefsrc"), text(route, "dst")];
      const prefix = parseAddressOrPrefix4(dst);
      if (dev === "" || src === "" || prefix === undefined || text(route, "scope") !== "link") continue;
      found.push({ dev, address: src, length: prefix.length, why: "its route says so" });
    }
    for (const [, dev, source] of this.#rules.matchAll(
      /^-A .* -o (\S+) .*-j SNAT --to-source (\d+\.\d+\.\d+\.\d+)$/gm,
    )) {
      if (dev !== undefined && source !== undefined) {
        found.push({
          dev,
          address: source,
          length: 24,
          why: "a rule makes it the source there; the length is assumed",
        });
      }
    }
    for (const [, net, dev] of this.#rules.matchAll(
      /^-A \S+ -s (\S+\/\d+)(?: ! -d \S+)? ! -o (\S+) .*-j MASQUERADE$/gm,
    ))
      this.#gatewayAddress(net, dev, found);
    for (const [, net, dev] of this.#rules.matchAll(/^-A \S+ -s (\S+\/\d+) ! -o (\S+) -j MASQUERADE$/gm))
      this.#gatewayAddress(net, dev, found);
    return found;
  }

  #gatewayAddress(
    net: string | undefined,
    dev: string | undefined,
    found: { dev: string; address: string; length: number; why: string }[],
  ): void {
    const prefix = parseAddressOrPrefix4(net ?? "");
    if (prefix === undefined || dev === undefined || prefix.length > 30) return;
    const address = formatIpv4((firstOf(prefix) + 1) | 0);
    found.push({
      dev,
      address,
      length: prefix.length,
      why: `a rule masquerades ${net} unless it leaves there`,
    });
  }
}

const LOOPBACK: Json = {
  ...{ ifindex: 1, ifname: "lo", flags: ["LOOPBACK", "UP", "LOWER_UP"], mtu: 65_536 },
  ...{ link_type: "loopback", address: "00:00:00:00:00:00" },
};

const BRIDGE_NAME = /^(?:cni0|docker0|docker_gwbridge|cbr0|virbr\d+|br-[\da-f]{12}|kube-bridge|bridge\d+)$/;
const CARD_NAME = /^(?:eth|en[opsx]|em|ens|eno|bond|wl|br-ex)\w*/;
const VIRTUAL_NAME =
  /^(?:lo|veth|cali|lxc|tunl|flannel|cni|docker|virbr|vnet|br-|kube-|vxlan|dummy|nodelocal|weave|cilium)/;

/** Devices that container hosts have. */
const FORWARDER =
  /^(?:cni0|docker0|cbr0|kube-bridge|kube-ipvs0|flannel|cali|tunl0|ovn-k8s-mp0|cilium_|weave|virbr)/;

/** A device of which nothing but the name is known: what lies behind it, a bridge's ports even, is outside the model. */
function newLink(index: number, name: string, isDown: boolean): Json {
  const hex = index.toString(16).padStart(4, "0");
  return {
    ifindex: index,
    ifname: name,
    flags: isDown
      ? ["NO-CARRIER", "BROADCAST", "MULTICAST", "UP"]
      : ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    mtu: 1500,
    link_type: "ether",
    address: `02:00:5e:00:${hex.slice(0, 2)}:${hex.slice(2)}`,
  };
}

function devicesOf(route: Json): string[] {
  const { nexthops } = route;
  const hops = Array.isArray(nexthops) ? nexthops.filter(isJsonObject) : [];
  return [route, ...hops].map((each) => text(each, "dev"));
}

function covers(route: Json, network: Prefix4): boolean {
  const prefix = parseAddressOrPrefix4(text(route, "dst"));
  return prefix !== undefined && prefix.length <= network.length && contains(prefix, network.address);
}

function field(json: Json, name: string): unknown {
  return Object.hasOwn(json, name) ? json[name] : undefined;
}

function text(json: Json, name: string): string {
  const value = field(json, name);
  return typeof value === "string" ? value : "";
}
