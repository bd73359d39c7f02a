import type { NftRun } from "./nft-run.ts";

/** Puts a value of one word into a register. False: there is nothing to read (NFT_BREAK). Runs per packet. */
export type Read = (run: NftRun, at: number) => boolean;

/** An expression compiled: it puts its value into registers. */
export interface Load {
  readonly words: number;
  readonly load: Read;
  /** Of some packets it is not known what it reads (`NftRun.unsure`). */
  readonly unsure?: boolean;
  /** Then it may as well be what a rule names: whether it is, is asked too. */
  readonly mayBeAny?: boolean;
}
