import { formatPrefix4, networkOf, type Prefix4 } from "../../address/prefix.ts";
import type { Chain, Rule, Table } from "../../kernel/netfilter/rule.ts";
import type { Origin } from "../../kernel/origin.ts";
import { IptablesTable, parseRule } from "../iptables.ts";
import type { Netns } from "../netns.ts";

const MASQ = '-m comment --comment "flanneld masq"';
const FORWARD = '-m comment --comment "flanneld forward"';

/**
 * `--ip-masq` and `--iptables-forward-rules`, in the order of current releases. What is the same on all nodes of a network
 * is made once: one value of these for all of them.
 */
export class FlannelRules {
  readonly #cluster: string;
  readonly #origin: Origin;
  readonly #known = new Map<string, Rule>();
  readonly #forward: Table;

  constructor(network: Prefix4, origin: Origin) {
    this.#cluster = formatPrefix4(networkOf(network));
    this.#origin = origin;
    this.#forward = {
      name: "filter",
      chains: new Map(
        [
          chain("FORWARD", "ACCEPT", [this.#rule("filter", `${FORWARD} -j FLANNEL-FWD`)]),
          chain("FLANNEL-FWD", null, [
            this.#rule("filter", `-s ${this.#cluster} ${FORWARD} -j ACCEPT`),
            this.#rule("filter", `-d ${this.#cluster} ${FORWARD} -j ACCEPT`),
          ]),
        ].map((made) => [made.name, made]),
      ),
    };
  }

  /** `origin`: of the rules that name the node's own subnet. */
  add(node: Netns, subnet: Prefix4, origin: Origin): void {
    const own = formatPrefix4(networkOf(subnet));
    const cluster = this.#cluster;
    const shared = (text: string) => this.#rule("nat", text);
    const nodes = (text: string) => parseRule("nat", text, origin);
    load(node, {
      name: "nat",
      chains: new Map(
        [
          chain("POSTROUTING", "ACCEPT", [shared(`${MASQ} -j FLANNEL-POSTRTG`)]),
          chain("FLANNEL-POSTRTG", null, [
            shared(`-m mark --mark 0x4000/0x4000 ${MASQ} -j RETURN`),
            nodes(`-s ${own} -d ${cluster} ${MASQ} -j RETURN`),
            nodes(`-s ${cluster} -d ${own} ${MASQ} -j RETURN`),
            nodes(`! -s ${cluster} -d ${own} ${MASQ} -j RETURN`),
            shared(`-s ${cluster} ! -d 224.0.0.0/4 ${MASQ} -j MASQUERADE --random-fully`),
            shared(`! -s ${cluster} -d ${cluster} ${MASQ} -j MASQUERADE --random-fully`),
          ]),
        ].map((made) => [made.name, made]),
      ),
    });
    load(node, this.#forward);
  }

  #rule(table: string, text: string): Rule {
    const known = this.#known.get(text) ?? parseRule(table, text, this.#origin);
    this.#known.set(text, known);
    return known;
  }
}

/** `iptables-restore --noflush`: flannel's chain as it is here, its jump behind what the built-in chain holds, once. */
function load(node: Netns, table: Table): void {
  const [builtIn, own] = [...table.chains.values()];
  const [jump] = builtIn?.rules ?? [];
  if (builtIn === undefined || own === undefined || jump === undefined) return;
  const loader = new IptablesTable(node, table.name);
  const before = loader.chain(builtIn.name);
  // One value for all nodes, unless this one has another policy or the jump already.
  const isUsual =
    before !== undefined && before.policy === builtIn.policy && !loader.holds(builtIn.name, jump);
  if (isUsual) loader.load(table);
  else {
    loader.load({ name: table.name, chains: new Map([[own.name, own]]) });
    loader.append(builtIn.name, jump);
  }
}

function chain(name: string, policy: Chain["policy"], rules: readonly Rule[]): Chain {
  return { name, policy, policyCounters: policy === null ? null : { packets: 0, bytes: 0 }, rules };
}
