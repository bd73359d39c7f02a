/** What a rule says (`enum nft_verdicts`), beside netfilter's own NF_DROP 0, NF_ACCEPT 1, NF_STOLEN 2. */
export const NFT_CONTINUE = -1;
/** The rule does not match: on to the next. */
export const NFT_BREAK = -2;
export const NFT_JUMP = -3;
export const NFT_GOTO = -4;
export const NFT_RETURN = -5;
