import { fail } from "../cni-error.ts";
import { formatIp } from "../ip.ts";
import { IptablesTable } from "../iptables.ts";
import { text } from "../json.ts";
import type { CniResult } from "../result.ts";
import type { Plugin, PluginCall } from "./plugin.ts";

/** The `firewall` plugin with its iptables backend: containers' packets pass FORWARD whatever its policy is. */
export const FIREWALL: Plugin = { add, del, check };

const FORWARD = "CNI-FORWARD";
const ADMIN = "CNI-ADMIN";
const STAGE_1 = "CNI-ISOLATION-STAGE-1";
const STAGE_2 = "CNI-ISOLATION-STAGE-2";

const TO_FORWARD = `-m comment --comment "CNI firewall plugin rules" -j ${FORWARD}`;
const ISOLATION = '-m comment --comment "CNI firewall plugin rules (ingressPolicy: same-bridge)"';

function table({ machine, config }: PluginCall): { filter: IptablesTable; admin: string } {
  const backend = text(config, "backend");
  if (backend === "firewalld") fail("no firewalld is running on the node");
  if (backend !== "" && backend !== "iptables") {
    fail(`unrecognized firewall backend ${JSON.stringify(backend)}`);
  }
  const admin = text(config, "iptablesAdminChainName") || ADMIN;
  return { filter: new IptablesTable(machine.node, "filter"), admin };
}

function add(call: PluginCall): CniResult {
  const { prevResult } = call;
  const { filter, admin } = table(call);
  if (prevResult === null) fail("missing prevResult from earlier plugin");
  filter.ensureChain(FORWARD);
  filter.ensureFirst("FORWARD", TO_FORWARD);
  filter.ensureChain(admin);
  filter.ensureFirst(FORWARD, adminRule(admin));
  for (const rule of ownRules(prevResult)) filter.appendUnique(FORWARD, rule);
  addIngressPolicy(call, prevResult, filter);
  return prevResult;
}

function adminRule(admin: string): string {
  return `-m comment --comment "CNI firewall plugin admin overrides" -j ${admin}`;
}

function ownRules({ ips }: CniResult): readonly string[] {
  return ips
    .filter(({ address }) => address.ip.family === 4)
    .flatMap(({ address }) => {
      const own = `${formatIp(address.ip)}/32`;
      return [`-d ${own} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`, `-s ${own} -j ACCEPT`];
    });
}

/** `same-bridge`: what came in by one bridge does not leave by another, in two stages as docker does it. */
function addIngressPolicy({ config, machine }: PluginCall, result: CniResult, filter: IptablesTable): void {
  const policy = text(config, "ingressPolicy");
  if (policy === "" || policy === "open") return;
  if (policy !== "same-bridge") fail(`unknown ingress policy: ${JSON.stringify(policy)}`);
  const bridges = result.interfaces.filter(
    ({ name, sandbox }) => sandbox === "" && machine.node.device(name)?.detail.kind === "bridge",
  );
  const [bridge] = bridges;
  if (bridge === undefined) fail("failed to find the bridge interface");
  filter.ensureChain(STAGE_1);
  filter.ensureChain(STAGE_2);
  filter.ensureFirst("FORWARD", `${ISOLATION} -j ${STAGE_1}`);
  const back = `${ISOLATION} -j RETURN`;
  filter.appendUnique(STAGE_1, back);
  filter.prependUnique(STAGE_1, `-i ${bridge.name} ! -o ${bridge.name} ${ISOLATION} -j ${STAGE_2}`);
  filter.appendUnique(STAGE_2, back);
  filter.prependUnique(STAGE_2, `-o ${bridge.name} ${ISOLATION} -j DROP`);
}

function del(call: PluginCall): void {
  const { filter } = table(call);
  if (call.prevResult === null) return;
  for (const rule of ownRules(call.prevResult)) filter.delete(FORWARD, rule);
}

function check(call: PluginCall): void {
  const { filter, admin } = table(call);
  if (call.prevResult === null) fail("missing prevResult from earlier plugin");
  for (const [chain, rule] of [
    ["FORWARD", TO_FORWARD],
    [FORWARD, adminRule(admin)],
    ...ownRules(call.prevResult).map((own) => [FORWARD, own]),
  ]) {
    if (!filter.hasRule(chain ?? "", rule ?? "")) {
      fail(`expected rule is not in chain ${chain} of table filter: ${rule}`);
    }
  }
}
