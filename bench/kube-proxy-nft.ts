import { formatIpv4 } from "../src/address/ipv4.ts";
import { nftEndpointBase, nftServiceBase } from "./kube-proxy-names.ts";
import { POD_CIDR, rangeText, type Service } from "./services.ts";

/**
 * The table of a node with these services as kube-proxy's nftables mode writes it, for `nft -f`. Only cluster IPs: a row to
 * compare with.
 */
export function nftTable(services: readonly Service[]): string {
  const served = services.filter(({ endpoints }) => endpoints.length > 0);
  const lines = ["table ip kube-proxy {"];
  const put = (text: string) => lines.push(`  ${text}`);
  const elements = (list: readonly string[]) => (list.length > 0 ? ` elements = { ${list.join(", ")} }` : "");
  put(`set cluster-ips { type ipv4_addr ;${elements(services.map((s) => formatIpv4(s.clusterIp)))} }`);
  put("set nodeport-ips { type ipv4_addr ; }");
  for (const service of served) {
    for (const endpoint of service.endpoints) {
      const address = formatIpv4(endpoint.address);
      put(`chain endpoint-${nftEndpointBase(service, endpoint)} {`);
      put(`  ip saddr ${address} jump mark-for-masquerade`);
      put(`  meta l4proto udp dnat to ${address}:${endpoint.port}`);
      put("}");
    }
    const goto = service.endpoints.map((e, i) => `${i} : goto endpoint-${nftEndpointBase(service, e)}`);
    put(`chain service-${nftServiceBase(service)} {`);
    put(
      `  ip daddr ${formatIpv4(service.clusterIp)} ip saddr != ${rangeText(POD_CIDR)} jump mark-for-masquerade`,
    );
    put(`  numgen random mod ${goto.length} vmap { ${goto.join(" , ")} }`);
    put("}");
  }
  const keyOf = (s: Service) => `${formatIpv4(s.clusterIp)} . udp . ${s.port}`;
  const map = (name: string, key: string, list: readonly string[]) =>
    put(`map ${name} { type ${key} : verdict ;${elements(list)} }`);
  const addressed = "ipv4_addr . inet_proto . inet_service";
  map(
    "service-ips",
    addressed,
    served.map((service) => `${keyOf(service)} : goto service-${nftServiceBase(service)}`),
  );
  map("service-nodeports", "inet_proto . inet_service", []);
  map(
    "no-endpoint-services",
    addressed,
    services
      .filter((s) => s.endpoints.length === 0)
      .map((service) => `${keyOf(service)} : goto reject-chain`),
  );
  map("no-endpoint-nodeports", "inet_proto . inet_service", []);
  map("firewall-ips", addressed, []);
  lines.push(FIXED, "}");
  return `${lines.join("\n")}\n`;
}

const FIXED = `  chain mark-for-masquerade {
    meta mark set meta mark or 0x4000
  }
  chain reject-chain {
    reject
  }
  chain masquerading {
    meta mark & 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }
  chain services {
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }
  chain firewall-check {
    ip daddr . meta l4proto . th dport vmap @firewall-ips
  }
  chain service-endpoints-check {
    ip daddr . meta l4proto . th dport vmap @no-endpoint-services
  }
  chain nodeport-endpoints-check {
    ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
  }
  chain cluster-ips-check {
    ip daddr @cluster-ips reject
    ip daddr 10.96.0.0/12 drop
  }
  chain filter-prerouting-pre-dnat {
    type filter hook prerouting priority -110 ;
    ct state new jump firewall-check
  }
  chain filter-output-pre-dnat {
    type filter hook output priority -110 ;
    ct state new jump firewall-check
  }
  chain nat-prerouting {
    type nat hook prerouting priority -100 ;
    jump services
  }
  chain nat-output {
    type nat hook output priority -100 ;
    jump services
  }
  chain filter-input {
    type filter hook input priority 0 ;
    ct state new jump nodeport-endpoints-check
    ct state new jump service-endpoints-check
  }
  chain filter-forward {
    type filter hook forward priority 0 ;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
  chain filter-output {
    type filter hook output priority 0 ;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
  chain nat-postrouting {
    type nat hook postrouting priority 100 ;
    jump masquerading
  }`;
