import type { MatchCells } from "../../netfilter/rule-context.ts";
import { MEMORY_WORDS } from "../nft-set-state.ts";
import { bytesOf, LIMIT_PERIODS, type NftStatement } from "../statement.ts";
import type { NftRun } from "./nft-run.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

/** Where a limit or a quota keeps what it remembers: a rule's own cells, or an element's. */
export type Memory = (cells: MatchCells, at: number, run: NftRun) => number;

/** `NFT_LIMIT_PKT_BURST_DEFAULT`. */
const PACKET_BURST = 5;
const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;
const WORD = 2 ** 32;

/** What an element's statements remember by, those that only count apart; null: nothing, or more than the walk keeps. */
export function memoryOf(statements: readonly NftStatement[]): Memory | null {
  const deciding = statements.filter(decides);
  const [only] = deciding;
  return deciding.length === 1 && only !== undefined && isStateful(only) ? compileMemory(only) : null;
}

/** Can an element's statement keep its rule from matching? */
function decides({ kind }: NftStatement): boolean {
  return kind !== "counter" && kind !== "other";
}

/** Does the walk do what an element's statements say? */
export function remembersAll(statements: readonly NftStatement[]): boolean {
  return !statements.some(decides) || memoryOf(statements) !== null;
}

/** A statement that decides by what it remembers. */
type Stateful = Extract<NftStatement, { kind: "limit" | "quota" | "ct-count" }>;

function isStateful(statement: NftStatement): statement is Stateful {
  return statement.kind === "limit" || statement.kind === "quota" || statement.kind === "ct-count";
}

export function compileMemory(statement: Stateful): Memory {
  switch (statement.kind) {
    case "limit":
      return compileLimit(statement);
    case "quota":
      return compileQuota(statement);
    default:
      return compileCount(statement);
  }
}

/** `nft_connlimit_do_eval`. Cell: the number of its list of connections. */
function compileCount({ over, count }: Extract<NftStatement, { kind: "ct-count" }>): Memory {
  return (cells, at, { packet, stack }) => {
    const { connectionCounts } = stack.state;
    let list = cells.get(at);
    if (list === 0) {
      list = connectionCounts.newList();
      cells.set(at, list);
    }
    const connections = connectionCounts.add(list, packet, stack.conntrack);
    return connections > count === over ? NFT_CONTINUE : NFT_BREAK;
  };
}

/**
 * `nft_limit_eval`: a bucket of nanoseconds that fills with time. Cells: whether it was begun, tokens (two words), when it
 * was asked last, in milliseconds (two words).
 */
function compileLimit(limit: Extract<NftStatement, { kind: "limit" }>): Memory {
  const { over, rate, unit, per, burst, burstUnit } = limit;
  const period = LIMIT_PERIODS[per] * NS_PER_SECOND;
  const inPackets = unit === null;
  const perPeriod = inPackets ? rate : bytesOf(rate, unit);
  const extra =
    burst === null ? 0 : burstUnit === null || burstUnit === "packets" ? burst : bytesOf(burst, burstUnit);
  const packetCost = Math.floor(period / Math.max(1, perPeriod));
  const most = inPackets
    ? packetCost * (burst === null || burst === 0 ? PACKET_BURST : burst)
    : Math.floor((period * (perPeriod + extra)) / perPeriod);
  return (cells, at, run) => {
    const { now } = run.stack;
    let tokens = most;
    if (cells.get(at) !== 0) {
      const last = readWide(cells, at + 3);
      tokens = Math.min(most, readWide(cells, at + 1) + (now - last) * NS_PER_MS);
    }
    cells.set(at, 1);
    writeWide(cells, at + 3, now);
    const cost = inPackets ? packetCost : Math.floor((period * run.length) / perPeriod);
    const left = tokens - cost;
    writeWide(cells, at + 1, left >= 0 ? left : tokens);
    return left >= 0 !== over ? NFT_CONTINUE : NFT_BREAK;
  };
}

/** `nft_quota_do_eval`. Cells: whether it was begun, bytes (two words). */
function compileQuota(quota: Extract<NftStatement, { kind: "quota" }>): Memory {
  const allowed = bytesOf(quota.value, quota.unit);
  const before = quota.used === null ? 0 : bytesOf(quota.used.value, quota.used.unit);
  const { over } = quota;
  return (cells, at, run) => {
    const used = (cells.get(at) === 0 ? before : readWide(cells, at + 1)) + run.length;
    cells.set(at, 1);
    writeWide(cells, at + 1, used);
    return used > allowed === over ? NFT_CONTINUE : NFT_BREAK;
  };
}

function readWide(cells: MatchCells, at: number): number {
  return (cells.get(at) >>> 0) + cells.get(at + 1) * WORD;
}

function writeWide(cells: MatchCells, at: number, value: number): void {
  cells.set(at, value | 0);
  cells.set(at + 1, Math.floor(value / WORD));
}

/** `limit name "l"`: the object's memory, which all rules that name it share. */
export function compileNamedObject(
  { type, name }: Extract<NftStatement, { kind: "object" }>,
  unknown: Step,
): Step | null {
  if (type === "counter") return null;
  const known = ["limit", "quota", "synproxy", "ct helper", "ct timeout", "ct expectation"].includes(type);
  if (typeof name !== "string" || !known) return unknown;
  return (run) => {
    const object = run.table?.object(type, name);
    if (object === undefined) return unknown(run);
    return object.memory(run.stack.matchState(object, MEMORY_WORDS), 0, run);
  };
}
