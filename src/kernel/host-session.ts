import { ConnectionCounts } from "./conntrack/connection-count.ts";
import { ConntrackTable } from "./conntrack/table.ts";
import { IpsetState } from "./ipset/ipset-state.ts";
import { IpvsState } from "./ipvs/ipvs-state.ts";
import type { Resolving } from "./neighbour/neighbour.ts";
import { RecentLists } from "./netfilter/recent.ts";
import type { MatchCells } from "./netfilter/rule-context.ts";
import { NftSetState } from "./nft/nft-set-state.ts";
import { ReassemblyQueues } from "./path/reassembly.ts";
import { RouteExceptions } from "./route/route-exceptions.ts";
import { Cells, type Journal } from "./session/journal.ts";
import { LearnedAddresses } from "./session/learned-addresses.ts";
import { PairMap } from "./session/pair-map.ts";

/**
 * What packets leave behind on one host: conntrack, neighbours and bridge entries learned, route exceptions, match state.
 * Keys are the kernel's own names (ifindex, address), so that it outlives a change of the host's configuration.
 */
export class HostSession {
  readonly conntrack: ConntrackTable;
  /** Connections on the lists of rules that count them. */
  readonly connectionCounts: ConnectionCounts;
  readonly recent: RecentLists;
  /** What packets changed in the host's ipsets. */
  readonly ipsets: IpsetState;
  /** What packets changed in the host's nftables sets. */
  readonly nftSets: NftSetState;
  readonly ipvs: IpvsState;
  /** (ifindex, address) to MAC, or NEIGH_INCOMPLETE, NEIGH_FAILED. */
  readonly neighbours: PairMap;
  /** (ifindex, address) to when the entry last changed, milliseconds. */
  readonly neighbourUpdated: PairMap;
  /** (ifindex, address) to when the neighbour last proved to be there, milliseconds; absent: only heard of. */
  readonly neighbourConfirmed: PairMap;
  /** (ifindex, address) to when an entry no longer fresh was first used (NUD_DELAY), milliseconds. */
  readonly neighbourDelayed: PairMap;
  readonly resolving = new Map<string, Resolving>();
  /** By bridge (`fdbKey`) or VXLAN device (ifindex): a port's ifindex, or the other end's address. */
  readonly learned: LearnedAddresses;
  readonly exceptions: RouteExceptions;
  /** Of several default routes that are alike the one taken last (`fa_default`), by table and TOS, and the first's gateway. */
  readonly defaultTaken: PairMap;
  /** IPIP tunnels: (ifindex, 0) to errors from their way not yet passed on, (ifindex, 1) to when the last came (`ipipError`). */
  readonly tunnelErrors: PairMap;
  /** `inet_peer`: (source, 0) to redirects sent, (source, 1) to when the last was sent; 2 and 3 are IPv6's, 4 and 5 IPv4's
   * errors (`peerAllows`). */
  readonly peers: PairMap;
  /** (relay, client) to the place of the target that the client stays with, and to when it was last seen, milliseconds. */
  readonly relayed: PairMap;
  readonly relayedAt: PairMap;
  /** Relays by name; the numbers are for keys alone. */
  private readonly relayNumbers = new Map<string, number>();
  readonly reassembly = new ReassemblyQueues();
  private readonly matchCells = new Map<object, JournaledCells>();
  private readonly journal: Journal;
  private readonly portCell: Cells;

  constructor(journal: Journal) {
    this.journal = journal;
    this.conntrack = new ConntrackTable(journal);
    this.connectionCounts = new ConnectionCounts(journal);
    this.recent = new RecentLists(journal);
    this.ipsets = new IpsetState(journal);
    this.nftSets = new NftSetState(journal);
    this.ipvs = new IpvsState(journal, this.conntrack);
    this.neighbours = new PairMap(journal);
    this.neighbourUpdated = new PairMap(journal);
    this.neighbourConfirmed = new PairMap(journal);
    this.neighbourDelayed = new PairMap(journal);
    this.learned = new LearnedAddresses(journal);
    this.exceptions = new RouteExceptions(journal);
    this.defaultTaken = new PairMap(journal);
    this.tunnelErrors = new PairMap(journal);
    this.peers = new PairMap(journal);
    this.relayed = new PairMap(journal);
    this.relayedAt = new PairMap(journal);
    this.portCell = new Cells(journal, 2);
  }

  relayNumber(name: string): number {
    const known = this.relayNumbers.get(name) ?? this.relayNumbers.size;
    this.relayNumbers.set(name, known);
    return known;
  }

  matchState(owner: object, size: number): MatchCells {
    let cells = this.matchCells.get(owner);
    if (cells === undefined) {
      cells = new JournaledCells(this.journal, size);
      this.matchCells.set(owner, cells);
    }
    return cells;
  }

  /** A counter for ephemeral ports and IP ids: which number in its row is taken is free choice. */
  nextEphemeral(): number {
    const next = this.portCell.data[0] as number;
    this.portCell.set(0, next + 1);
    return next;
  }

  nextIpId(): number {
    const next = ((this.portCell.data[1] as number) + 1) & 0xffff;
    this.portCell.set(1, next);
    return next === 0 ? 1 : next;
  }
}

class JournaledCells implements MatchCells {
  private readonly cells: Cells;

  constructor(journal: Journal, size: number) {
    this.cells = new Cells(journal, size);
  }

  get(index: number): number {
    return this.cells.data[index] as number;
  }

  set(index: number, value: number): void {
    this.cells.set(index, value);
  }
}
