import type { Family } from "../../address/ip.ts";
import { fail } from "../cni-error.ts";
import { bitsOf, formatIp } from "../ip.ts";
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
const SAME_BRIDGE = "same-bridge";
const ISOLATION = '-m comment --comment "CNI firewall plugin rules (ingressPolicy: same-bridge)"';

/** The tables of the families that a result's addresses are of, IPv4's first. */
function tables(call: PluginCall, { ips }: CniResult): (readonly [Family, IptablesTable])[] {
  const families = ([4, 6] as const).filter((family) =>
    ips.some(({ address }) => address.ip.family === family),
  );
  return families.map((family) => [family, new IptablesTable(call.machine.node, "filter", family)]);
}

function adminChain({ config }: PluginCall): string {
  // What is neither of the two is passed over: firewalld where it runs, else iptables (`getBackend`).
  if (text(config, "backend") === "firewalld") fail("no firewalld is running on the node");
  return text(config, "iptablesAdminChainName") || ADMIN;
}

function add(call: PluginCall): CniResult {
  const { prevResult } = call;
  const admin = adminChain(call);
  if (prevResult === null) fail("missing prevResult from earlier plugin");
  for (const [family, filter] of tables(call, prevResult)) {
    filter.ensureChain(FORWARD);
    filter.ensureFirst("FORWARD", TO_FORWARD);
    filter.ensureChain(admin);
    filter.ensureFirst(FORWARD, adminRule(admin));
    for (const rule of ownRules(prevResult, family)) filter.appendUnique(FORWARD, rule);
  }
  addIngressPolicy(call, prevResult);
  // It is read into the newest form and printed from there.
  return { ...prevResult, ips: prevResult.ips.map(({ isUnversioned: _, ...ip }) => ip) };
}

function adminRule(admin: string): string {
  return `-m comment --comment "CNI firewall plugin admin overrides" -j ${admin}`;
}

function ownRules({ ips }: CniResult, family: Family): readonly string[] {
  return ips
    .filter(({ address }) => address.ip.family === family)
    .flatMap(({ address }) => {
      const own = `${formatIp(address.ip)}/${bitsOf(family)}`;
      return [`-d ${own} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`, `-s ${own} -j ACCEPT`];
    });
}

function ingressPolicy({ config }: PluginCall): string {
  const policy = text(config, "ingressPolicy");
  if (["", "open", SAME_BRIDGE].includes(policy)) return policy;
  return fail(`unknown ingress policy: ${JSON.stringify(policy)}`);
}

/** `same-bridge`: what came in by one bridge does not leave by another, in two stages as docker does it. */
function addIngressPolicy(call: PluginCall, result: CniResult): void {
  if (ingressPolicy(call) !== SAME_BRIDGE) return;
  const [bridge] = result.interfaces;
  // Whatever it is: the plugin takes the first interface of the result for the bridge.
  if (bridge === undefined) fail('interface needs to be set for ingress policy "same-bridge"');
  for (const [, filter] of tables(call, result)) {
    filter.ensureChain(STAGE_1);
    filter.ensureChain(STAGE_2);
    filter.ensureFirst("FORWARD", `${ISOLATION} -j ${STAGE_1}`);
    const back = `${ISOLATION} -j RETURN`;
    filter.appendUnique(STAGE_1, back);
    filter.prependUnique(STAGE_1, `-i ${bridge.name} ! -o ${bridge.name} ${ISOLATION} -j ${STAGE_2}`);
    filter.appendUnique(STAGE_2, back);
    filter.prependUnique(STAGE_2, `-o ${bridge.name} ${ISOLATION} -j DROP`);
  }
}

function del(call: PluginCall): void {
  adminChain(call);
  const { prevResult } = call;
  for (const [family, filter] of prevResult === null ? [] : tables(call, prevResult)) {
    for (const rule of ownRules(prevResult as CniResult, family)) filter.delete(FORWARD, rule);
  }
  ingressPolicy(call);
}

function check(call: PluginCall): void {
  const admin = adminChain(call);
  if (call.prevResult === null) fail("missing prevResult from earlier plugin");
  for (const [family, filter] of tables(call, call.prevResult)) {
    for (const [chain, rule] of [
      ["FORWARD", TO_FORWARD],
      [FORWARD, adminRule(admin)],
      ...ownRules(call.prevResult, family).map((own) => [FORWARD, own]),
    ]) {
      if (!filter.hasRule(chain ?? "", rule ?? "")) {
        fail(`expected rule [${rule}] not found`);
      }
    }
  }
}
