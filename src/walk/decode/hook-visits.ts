import { formatOnPath, socketAddressOnPath } from "../../address/ip6-handle.ts";
import { hookName } from "../../kernel/netfilter/hook.ts";
import { FIRST_TABLE_6 } from "../../kernel/netfilter/hooks.ts";
import type { Rule } from "../../kernel/netfilter/rule.ts";
import { formatRule } from "../../kernel/netfilter/save/format.ts";
import type { CompiledTable } from "../../kernel/netfilter/table.ts";
import type { CompiledNft, CompiledNftTable } from "../../kernel/nft/compile/nft-table.ts";
import type { NftChain, NftRule } from "../../kernel/nft/ruleset.ts";
import { formatNftRule } from "../../kernel/nft/text/format-statement.ts";
import type { Origin } from "../../kernel/origin.ts";
import { S_NUMBER } from "../../kernel/snapshot-words.ts";
import { OP_NFT_POLICY, OP_NFT_RULE, OP_POLICY, OP_RULE } from "../../kernel/tape.ts";
import { originText, ownerOf } from "../../world/origin-text.ts";
import { packetView } from "../packet-view.ts";
import type { HookStep, HookVisit, PacketView, Rewrite, RuleHit } from "../trace.ts";
import { familyOf, type Reading, type TapeRecord } from "./reading.ts";

/** A visit that may not have ended: steps come to it. */
type OpenVisit = Omit<HookVisit, "steps" | "before"> & { readonly steps: HookStep[]; before: PacketView };

/** Which chain a step was in, and how its table is named to people. */
interface ChainStep {
  readonly backend: RuleHit["backend"];
  readonly table: string;
  readonly chain: string;
  readonly kind: HookStep["kind"];
}

/** What hooks, their rules and NAT did. */
export class HookVisits {
  readonly hooks: HookVisit[] = [];
  readonly rules: RuleHit[] = [];
  readonly rewrites: Rewrite[] = [];
  private readonly reading: Reading;
  /** The hook each packet of each host is in. */
  private readonly open = new Map<string, OpenVisit>();

  constructor(reading: Reading) {
    this.reading = reading;
  }

  /** `OP_HOOK`. */
  hook({ d, at, host }: TapeRecord): void {
    const { reading } = this;
    const snapshot = d[at + 9] as number;
    const raw = d[snapshot + S_NUMBER] as number;
    const name = hookName(d[at + 4] as number);
    const inName = reading.device(host, d[at + 5] as number);
    const outName = reading.device(host, d[at + 6] as number);
    const physin = reading.device(host, d[at + 7] as number);
    const physout = reading.device(host, d[at + 8] as number);
    const before: PacketView = packetView(d, snapshot);
    const visit = {
      ...reading.packet(raw),
      host: reading.net(host).name,
      hook: name,
      ...(inName === "" ? {} : { in: inName }),
      ...(outName === "" ? {} : { out: outName }),
      ...(physin === "" ? {} : { physin }),
      ...(physout === "" ? {} : { physout }),
      before,
      steps: [] as HookStep[],
    };
    this.hooks.push(visit);
    this.open.set(`${host} ${raw}`, visit);
    reading.step(raw, host, "hook", name, { packetView: before });
  }

  /** `OP_RULE`, `OP_CHAIN_END`, `OP_POLICY`. */
  iptables(record: TapeRecord): void {
    const { d, at, host } = record;
    const place = d[at + 5] as number;
    const number = place >>> 24;
    const net = this.reading.net(host);
    const table = (
      number < FIRST_TABLE_6 ? net.iptables?.tables[number] : net.ip6tables?.tables[number - FIRST_TABLE_6]
    ) as CompiledTable;
    const chain = table.chainAt(place & 0xffffff);
    const kind = d[at] === OP_RULE ? "rule" : d[at] === OP_POLICY ? "policy" : "return";
    const step: ChainStep = { backend: "iptables", table: table.name, chain: chain.name, kind };
    this.visited(record, step);
    if (kind === "rule") {
      const rule = chain.rules[d[at + 6] as number] as Rule;
      const text = formatRule(chain.name, rule);
      this.hit(record, step, text, rule.origin, `${table.name}: ${text}`);
    } else if (kind === "policy" && chain.policy === "DROP") {
      this.droppedByPolicy(record, `${table.name}: -P ${chain.name} DROP`);
    }
  }

  /** `OP_NFT_RULE`, `OP_NFT_CHAIN_END`, `OP_NFT_POLICY`: a table's name goes with its family. */
  nft(record: TapeRecord): void {
    const { d, at, host } = record;
    const place = d[at + 5] as number;
    const compiled = this.reading.net(host).nft as CompiledNft;
    const { plain } = compiled.tables[place >>> 24] as CompiledNftTable;
    const chain = plain.chains[place & 0xffffff] as NftChain;
    const table = `${plain.family} ${plain.name}`;
    const kind = d[at] === OP_NFT_RULE ? "rule" : d[at] === OP_NFT_POLICY ? "policy" : "return";
    const step: ChainStep = { backend: "nft", table, chain: chain.name, kind };
    this.visited(record, step);
    if (kind === "rule") {
      const rule = chain.rules[d[at + 6] as number] as NftRule;
      const text = formatNftRule(rule);
      this.hit(record, step, text, rule.origin, `${table} ${chain.name}: ${text}`);
    } else if (kind === "policy" && chain.base?.policy === "drop") {
      this.droppedByPolicy(record, `${table} ${chain.name}: policy drop`);
    }
  }

  private visitOf({ d, at, host }: TapeRecord): OpenVisit | undefined {
    return this.open.get(`${host} ${d[at + 3] as number}`);
  }

  private visited(record: TapeRecord, { table, chain, kind }: ChainStep): void {
    const { d, at } = record;
    const mark = (d[at + 4] as number) >>> 0;
    const index = (d[at + 6] as number) + 1;
    const evaluated = d[at + 7] as number;
    this.visitOf(record)?.steps.push({ table, chain, kind, index, mark, evaluated });
  }

  /** A rule matched: `text` is the rule's, `told` what the step says. */
  private hit(
    record: TapeRecord,
    { backend, table, chain }: ChainStep,
    text: string,
    origin: Origin,
    told: string,
  ): void {
    const { reading } = this;
    const { d, at, host } = record;
    const raw = d[at + 3] as number;
    const source = originText(reading.network.world, origin);
    const owner = ownerOf(reading.network.world, origin);
    this.rules.push({
      ...reading.packet(raw),
      host: reading.net(host).name,
      backend,
      hook: this.visitOf(record)?.hook ?? "",
      table,
      chain,
      index: (d[at + 6] as number) + 1,
      text,
      ...(source === undefined ? {} : { source }),
      ...(owner === undefined ? {} : { owner }),
    });
    reading.step(raw, host, "rule", told);
  }

  private droppedByPolicy({ d, at, host }: TapeRecord, told: string): void {
    this.reading.step(d[at + 3] as number, host, "rule", told, { verdict: "drop" });
  }

  /** `OP_REWRITE`. */
  rewrite(record: TapeRecord): void {
    const { reading } = this;
    const { d, at, host } = record;
    const raw = d[at + 3] as number;
    const bits = d[at + 4] as number;
    const field = (bits & 1) === 0 ? "src" : "dst";
    const family = familyOf(bits);
    const end = (address: number, port: number): string =>
      port < 0 ? formatOnPath(family, address) : socketAddressOnPath(family, address, port);
    const from = end(d[at + 5] as number, d[at + 6] as number);
    const to = end(d[at + 7] as number, d[at + 8] as number);
    const free = (bits & 2) !== 0;
    const visit = this.visitOf(record);
    if (visit !== undefined)
      meetRewritten(visit, field, formatOnPath(family, d[at + 7] as number), d[at + 8] as number);
    this.rewrites.push({
      ...reading.packet(raw),
      host: reading.net(host).name,
      field,
      from,
      to,
      ...(free ? { free: true as const } : {}),
    });
    reading.step(raw, host, "rewrite", `${field} ${from} → ${to}${free ? " (any free port)" : ""}`);
  }
}

/** A hook's tables may see a packet only after nat rewrote it: `before` is how the first of them met it. */
function meetRewritten(visit: OpenVisit, field: "src" | "dst", address: string, port: number): void {
  if (visit.steps.length > 0) return;
  const { before } = visit;
  const ports = port < 0 ? undefined : field === "src" ? { sport: port } : { dport: port };
  visit.before = {
    ...before,
    ip: { ...before.ip, [field]: address },
    ...(before.tcp === undefined || ports === undefined ? {} : { tcp: { ...before.tcp, ...ports } }),
    ...(before.sctp === undefined || ports === undefined ? {} : { sctp: { ...before.sctp, ...ports } }),
    ...(before.udp === undefined || ports === undefined ? {} : { udp: { ...before.udp, ...ports } }),
  };
}
