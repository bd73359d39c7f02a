import type { PrefixOf } from "../../address/family.ts";
import type { Family, IpAddress } from "../../address/ip.ts";
import type { Chain, Rule, Table } from "../../kernel/netfilter/rule.ts";
import type { Origin } from "../../kernel/origin.ts";
import { formatIpNet, fromAddress, networkOf } from "../ip.ts";
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
  readonly #family: Family;
  readonly #origin: Origin;
  readonly #known = new Map<string, Rule>();
  readonly #forward: Table;

  constructor(network: PrefixOf<IpAddress>, origin: Origin) {
    this.#cluster = textOf(network);
    this.#family = familyOf(network);
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
  add(node: Netns, subnet: PrefixOf<IpAddress>, origin: Origin): void {
    const own = textOf(subnet);
    const groups = this.#family === 4 ? "224.0.0.0/4" : "ff00::/8";
    const cluster = this.#cluster;
    const shared = (text: string) => this.#rule("nat", text);
    const nodes = (text: string) => parseRule("nat", text, origin, this.#family);
    this.#load(node, {
      name: "nat",
      chains: new Map(
        [
          chain("POSTROUTING", "ACCEPT", [shared(`${MASQ} -j FLANNEL-POSTRTG`)]),
          chain("FLANNEL-POSTRTG", null, [
            shared(`-m mark --mark 0x4000/0x4000 ${MASQ} -j RETURN`),
            nodes(`-s ${own} -d ${cluster} ${MASQ} -j RETURN`),
            nodes(`-s ${cluster} -d ${own} ${MASQ} -j RETURN`),
            nodes(`! -s ${cluster} -d ${own} ${MASQ} -j RETURN`),
            shared(`-s ${cluster} ! -d ${groups} ${MASQ} -j MASQUERADE --random-fully`),
            shared(`! -s ${cluster} -d ${cluster} ${MASQ} -j MASQUERADE --random-fully`),
          ]),
        ].map((made) => [made.name, made]),
      ),
    });
    this.#load(node, this.#forward);
  }

  /** `iptables-restore --noflush`: flannel's chain as it is here, its jump behind what the built-in chain holds, once. */
  #load(node: Netns, table: Table): void {
    const [builtIn, own] = [...table.chains.values()];
    const [jump] = builtIn?.rules ?? [];
    if (builtIn === undefined || own === undefined || jump === undefined) return;
    const loader = new IptablesTable(node, table.name, this.#family);
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

  #rule(table: string, text: string): Rule {
    const known = this.#known.get(text) ?? parseRule(table, text, this.#origin, this.#family);
    this.#known.set(text, known);
    return known;
  }
}

function textOf({ address, length }: PrefixOf<IpAddress>): string {
  return formatIpNet(networkOf({ ip: fromAddress(address), length }));
}

function familyOf({ address }: PrefixOf<IpAddress>): Family {
  return typeof address === "number" ? 4 : 6;
}

function chain(name: string, policy: Chain["policy"], rules: readonly Rule[]): Chain {
  return { name, policy, policyCounters: policy === null ? null : { packets: 0, bytes: 0 }, rules };
}
