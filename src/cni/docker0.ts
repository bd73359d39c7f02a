import { formatPrefix4, networkOf, type Prefix4 } from "../address/prefix.ts";
import { NEW_BRIDGE } from "../kernel/device/device.ts";
import { fromIpv4 } from "./ip.ts";
import { IptablesTable } from "./iptables.ts";
import type { NameSource } from "./names.ts";
import type { Netns } from "./netns.ts";

/**
 * docker's own bridge, before there was CNI: `docker0` with the address of `--bip`, its masquerade, and its chains with
 * the isolation between bridges, as dockerd of the years of dockershim writes them.
 */
export function addDocker0(node: Netns, bip: Prefix4, names: NameSource): void {
  node.addDevice({
    name: BRIDGE,
    mac: names.mac(`bridge ${node.name} ${BRIDGE}`),
    mtu: 1500,
    carrier: false,
    detail: NEW_BRIDGE,
  });
  node.addAddress(BRIDGE, { ip: fromIpv4(bip.address), length: bip.length });
  node.enableForwarding(4);
  addNat(node, formatPrefix4(networkOf(bip)));
  addFilter(node);
}

const BRIDGE = "docker0";
const STAGE_1 = "DOCKER-ISOLATION-STAGE-1";
const STAGE_2 = "DOCKER-ISOLATION-STAGE-2";

function addNat(node: Netns, network: string): void {
  const nat = new IptablesTable(node, "nat");
  nat.setChain("DOCKER", [`-i ${BRIDGE} -j RETURN`]);
  nat.appendUnique("PREROUTING", "-m addrtype --dst-type LOCAL -j DOCKER");
  nat.appendUnique("OUTPUT", "! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER");
  nat.appendUnique("POSTROUTING", `-s ${network} ! -o ${BRIDGE} -j MASQUERADE`);
}

function addFilter(node: Netns): void {
  const filter = new IptablesTable(node, "filter");
  filter.ensureChain("DOCKER");
  filter.setChain(STAGE_2, [`-o ${BRIDGE} -j DROP`, "-j RETURN"]);
  filter.setChain(STAGE_1, [`-i ${BRIDGE} ! -o ${BRIDGE} -j ${STAGE_2}`, "-j RETURN"]);
  filter.setChain("DOCKER-USER", ["-j RETURN"]);
  for (const rule of [
    "-j DOCKER-USER",
    `-j ${STAGE_1}`,
    `-o ${BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    `-o ${BRIDGE} -j DOCKER`,
    `-i ${BRIDGE} ! -o ${BRIDGE} -j ACCEPT`,
    `-i ${BRIDGE} -o ${BRIDGE} -j ACCEPT`,
  ]) {
    filter.appendUnique("FORWARD", rule);
  }
}
