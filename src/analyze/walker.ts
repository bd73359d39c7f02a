import { familyOfAddress, parseIp } from "../address/ip.ts";
import { addressOnPath } from "../address/ip6-handle.ts";
import { socketAddressText } from "../address/socket-address.ts";
import { ASK_DEFAULTS, explore } from "../walk/ask.ts";
import { Network } from "../walk/network.ts";
import { QUERY_DEFAULTS } from "../walk/query.ts";
import { Session } from "../walk/session.ts";
import type { ClientView, Outcome, Rewrite, ServerView, Verdict } from "../walk/trace.ts";
import type { World } from "../world/world.ts";
import type { Place, Port } from "./cluster-members.ts";

/** Whom a question goes to: a port, or with `icmp` the address alone. */
export interface Target {
  /** Canonical text. */
  readonly address: string;
  readonly port: Port | null;
}

export interface Question {
  readonly from: Place;
  readonly to: Target;
}

/** Who said, by ARP or neighbour discovery, that it bears an address. */
interface Claim {
  readonly address: string;
  readonly mac: string;
}

/** ICMPv6 neighbour advertisement. */
const ADVERTISEMENT = 136;

/** One thing that can come of a question: what the walk showed, as far as a principle asks for it. */
export interface Answer {
  readonly verdict: Verdict;
  /** The way leads out of what is modelled, so that the verdict says nothing of the real one. */
  readonly leftModel: boolean;
  /** A network policy stopped it: what its author wants says nothing of the network. */
  readonly isPoliced: boolean;
  readonly servers: readonly ServerView[];
  readonly client: ClientView;
  /** Every translation of every packet of the exchange, in order. */
  readonly rewrites: readonly Rewrite[];
  /** Hosts that the request came over: those that a frame was merely flooded to left out. */
  readonly hosts: ReadonlySet<string>;
  /** Hosts that heard a question for a neighbour. */
  readonly asked: ReadonlySet<string>;
  /** Who said of itself that it bears an address. */
  readonly claims: readonly Claim[];
}

/** Of a question with more outcomes (a Service with many endpoints) so many are walked, likeliest first. */
const OUTCOMES_AT_MOST = 32;

/**
 * Asks questions of a World, each in a Session of its own. What several principles ask is walked once.
 */
export class Walker {
  readonly #network: Network;
  readonly #known = new Map<string, readonly Answer[]>();
  /** Told of each question walked. */
  readonly #onWalk: () => void;
  walks = 0;

  constructor(world: World, onWalk: () => void = () => {}) {
    this.#network = new Network(world);
    this.#onWalk = onWalk;
  }

  ask({ from, to }: Question): readonly Answer[] {
    const key = `${from.host} ${targetText(to)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.walks++;
    this.#onWalk();
    const address = parseIp(to.address);
    if (address === undefined) throw new RangeError(`${to.address} is no address`);
    const query = {
      ...QUERY_DEFAULTS,
      host: from.host,
      family: familyOfAddress(address),
      dst: addressOnPath(address),
      proto: to.port?.proto ?? ("icmp" as const),
      dport: to.port?.port ?? null,
    };
    const { explored } = explore(new Session(this.#network), query, {
      ...ASK_DEFAULTS,
      outcomes: OUTCOMES_AT_MOST,
    });
    const answers = explored.map(({ outcome }) => answerOf(outcome, this.#isUnanswerable(outcome)));
    this.#known.set(key, answers);
    return answers;
  }

  /** Was a neighbour asked for by a device of a kind that is not modelled, or whose other end is not known? */
  #isUnanswerable({ verdict, arp, ndp }: Outcome): boolean {
    if (verdict.reason !== "no-neighbour") return false;
    const network = this.#network;
    return [...arp, ...ndp].some(({ host, device, direction }) => {
      if (direction !== "out" || host !== verdict.host) return false;
      const number = network.hostNumber(host);
      const found = network.host(number)?.deviceNamed(device);
      if (found === undefined || found === null) return false;
      const { kind } = found;
      if (kind === "unmodelled") return true;
      return (kind === "veth" || kind === "ether") && network.peerHost(number, found.slot) < 0;
    });
  }
}

/** Felix's chains of a policy or profile, and what stands at the end of them all. Its other rules drop what is wrong with the network. */
const POLICY_CHAIN = /^cali-(pi|po|pri|pro)-/;
const NOTHING_ALLOWED = /Drop if no (policies|profiles)/;

function isPoliced({ verdict, rules }: Outcome): boolean {
  if (verdict.reason !== "rule-drop") return false;
  const last = rules.filter(({ host }) => host === verdict.host).at(-1);
  return last !== undefined && (POLICY_CHAIN.test(last.chain) || NOTHING_ALLOWED.test(last.text));
}

function answerOf(outcome: Outcome, isUnanswerable: boolean): Answer {
  const { verdict, servers, client, rewrites, frames, arp, ndp } = outcome;
  const leftModel = verdict.disposition === "UNKNOWN" || isUnanswerable;
  const hosts = new Set<string>();
  for (const { host, phase, direction, packet } of frames) {
    if (phase === "request" && direction !== "in-otherhost" && packet !== 0) hosts.add(host);
  }
  // Where tunnels make one network of all nodes' pods, an address question goes through them to everybody: it is numbered 0.
  const isOneNetwork = frames.some(({ packet }) => packet === 0);
  const asked = new Set(isOneNetwork ? [] : [...arp, ...ndp].map(({ host }) => host));
  const claims = new Map<string, Claim>();
  const claim = (address: string, mac: string) => claims.set(`${address} ${mac}`, { address, mac });
  for (const { arp: said } of arp) if (said.op === "reply") claim(said.spa, said.sha);
  for (const { nd, eth } of ndp) {
    if (nd.type === ADVERTISEMENT && nd.target !== undefined) claim(nd.target, nd.tll ?? eth?.src ?? "");
  }
  return {
    ...{ verdict, leftModel, isPoliced: isPoliced(outcome), servers, client, rewrites, hosts, asked },
    claims: [...claims.values()],
  };
}

/** As TO is written: `10.244.1.7:80/tcp`, `10.244.1.7/icmp`. */
export function targetText({ address, port }: Target): string {
  return port === null ? `${address}/icmp` : `${socketAddressText(address, port.port)}/${port.proto}`;
}
