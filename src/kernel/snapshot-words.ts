/** The words of a packet's snapshot, as a tape has it (`tape.ts`). */

/** Words of one packet's snapshot; an inner packet's follows it. */
export const SNAPSHOT_WORDS = 18;

/** Word offsets inside a snapshot. */
export const S_NUMBER = 0;
/** phase | framed << 4 | family << 8 | encapsulation << 16 */
export const S_KIND = 1;
export const S_ETH_SRC = 2;
export const S_ETH_DST = 3;
export const S_ETH_TYPE = 4;
export const S_SRC = 5;
export const S_DST = 6;
/** ttl | protocol << 8 | tos << 16 | df << 24 | mf << 25 */
export const S_IP = 7;
/** length | identification << 16 */
export const S_LENGTH = 8;
/** fragment offset | VLAN << 16 */
export const S_FRAG_OFFSET = 9;
/** TCP, UDP: sport | dport << 16; ICMP: id | seq << 16; neighbour discovery: flags */
export const S_PORTS = 10;
/** TCP: flags; ICMP: type | code << 8; ARP: op */
export const S_L4 = 11;
/** TCP: segment size asked for | missing options << 16; ICMP: MTU or gateway; ARP: sender's hardware address; neighbour discovery: the target */
export const S_INFO = 12;
/** ARP: target's hardware address; VXLAN: the VNI; neighbour discovery: the link-layer address */
export const S_INFO2 = 13;
export const S_MARK = 14;
/** TCP; neighbour discovery: a redirect's destination */
export const S_SEQ = 15;
export const S_ACK = 16;
export const S_PAYLOAD = 17;
