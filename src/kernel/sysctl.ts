import type { DeviceConf, DeviceConf6 } from "./device/net-device.ts";
import { DELAY_S, REACHABLE_MS, RETRANS_MS } from "./neighbour/neighbour.ts";

/** A host's `sysctl` values with the kernel's defaults behind them, and a note of what had to be assumed. */
export class Sysctl {
  private readonly values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.values = values;
  }

  /** A whole number, `fallback` where the dump lacks it or it is no number. */
  integer(name: string, fallback: number): number {
    const text = this.values.get(name);
    if (text === undefined) return fallback;
    const value = Number.parseInt(text, 10);
    return Number.isNaN(value) ? fallback : value;
  }

  /** The pair of a range such as `net.ipv4.ip_local_port_range`. */
  range(name: string, from: number, to: number): readonly [number, number] {
    const parts = (this.values.get(name) ?? "").trim().split(/\s+/).map(Number);
    const [low, high] = parts;
    if (low === undefined || high === undefined || Number.isNaN(low) || Number.isNaN(high)) return [from, to];
    return [low, high];
  }

  /** A device's own value: its entry, else `default`'s, else the fallback. */
  private own(device: string, key: string, fallback: number): number {
    const name = `net.ipv4.conf.${device}.${key}`;
    if (this.values.has(name)) return this.integer(name, fallback);
    return this.integer(`net.ipv4.conf.default.${key}`, fallback);
  }

  private all(key: string, fallback: number): number {
    return this.integer(`net.ipv4.conf.all.${key}`, fallback);
  }

  /** Of a device's neighbours; a dot of its name is a slash in what `sysctl -a` prints. */
  private neighbours(device: string, key: string, fallback: number): number {
    const name = (text: string) => `net.ipv4.neigh.${text}.${key}`;
    return this.integer(name(device), this.integer(name(device.replaceAll(".", "/")), fallback));
  }

  /** `net.ipv4.conf.<device>` as the IN_DEV_* macros combine it with `all`. */
  device(device: string): DeviceConf {
    const ipForward = this.integer("net.ipv4.ip_forward", 0);
    const or = (key: string, fallback: number): boolean =>
      this.all(key, fallback) !== 0 || this.own(device, key, fallback) !== 0;
    const max = (key: string): number => Math.max(this.all(key, 0), this.own(device, key, 0));
    const forwarding = this.own(device, "forwarding", ipForward) !== 0;
    // Who begins to forward believes no redirects (`inet_forward_change`).
    const acceptAll = this.all("accept_redirects", this.all("forwarding", ipForward) !== 0 ? 0 : 1) !== 0;
    const acceptOwn = this.own(device, "accept_redirects", 1) !== 0;
    return {
      forwarding,
      rpFilter: max("rp_filter"),
      acceptLocal: or("accept_local", 0),
      routeLocalnet: or("route_localnet", 0),
      sendRedirects: or("send_redirects", 1),
      acceptRedirects: forwarding ? acceptAll && acceptOwn : acceptAll || acceptOwn,
      secureRedirects: or("secure_redirects", 1),
      sharedMedia: or("shared_media", 1),
      srcValidMark: or("src_valid_mark", 0),
      arpIgnore: max("arp_ignore"),
      arpAnnounce: max("arp_announce"),
      arpFilter: or("arp_filter", 0),
      retransMs: this.neighbours(device, "retrans_time_ms", RETRANS_MS),
      reachableMs: this.neighbours(device, "base_reachable_time_ms", REACHABLE_MS),
      delayMs: 1000 * this.neighbours(device, "delay_first_probe_time", DELAY_S),
      proxyArp: or("proxy_arp", 0),
      proxyArpPvlan: this.own(device, "proxy_arp_pvlan", 0) !== 0,
      arpAccept: Math.max(this.all("arp_accept", 0), this.own(device, "arp_accept", 0)),
      dropGratuitousArp: or("drop_gratuitous_arp", 0),
      promoteSecondaries: or("promote_secondaries", 0),
      bcForwarding: this.all("bc_forwarding", 0) !== 0 && this.own(device, "bc_forwarding", 0) !== 0,
    };
  }

  /** `net.ipv6.conf.<device>`, its own value before `default`'s. */
  device6(device: string): DeviceConf6 {
    const conf = (place: string, key: string): string => `net.ipv6.conf.${place}.${key}`;
    const all = (key: string, fallback: number): number => this.integer(conf("all", key), fallback);
    const own = (key: string, fallback: number): number =>
      this.integer(
        conf(device, key),
        this.integer(conf(device.replaceAll(".", "/"), key), this.integer(conf("default", key), fallback)),
      );
    const retrans = (place: string): string => `net.ipv6.neigh.${place}.retrans_time_ms`;
    const forwarding = own("forwarding", all("forwarding", 0)) !== 0;
    return {
      disabled: all("disable_ipv6", 0) !== 0 || own("disable_ipv6", 0) !== 0,
      forwarding,
      hopLimit: own("hop_limit", 64),
      acceptRedirects: own("accept_redirects", 1) !== 0 && !forwarding,
      proxyNdp: all("proxy_ndp", 0) !== 0 || own("proxy_ndp", 0) !== 0,
      prefersTemporary: own("use_tempaddr", 0) >= 2,
      useOifAddressesOnly: own("use_oif_addrs_only", 0) !== 0,
      acceptRa: own("accept_ra", 1) !== 0 && !forwarding,
      retransMs: this.integer(
        retrans(device),
        this.integer(retrans(device.replaceAll(".", "/")), RETRANS_MS),
      ),
      // `default`'s is that of devices to come, and never more than a note.
      mtu: this.integer(conf(device, "mtu"), this.integer(conf(device.replaceAll(".", "/"), "mtu"), 0)),
    };
  }
}
