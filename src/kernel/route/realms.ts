/**
 * The realms of a next hop or a policy rule (`RTA_FLOW`, `FRA_FLOW`; ip-route(8)): marks that routing puts on a packet, for rules to
 * ask. As `ip` writes them, numbers or names of /etc/iproute2/rt_realms.
 */
export interface Realms {
  /** Where it comes from; null: not said. */
  readonly from: string | null;
  readonly to: string;
}

/** What nobody can tell: a name that only the machine's own list has a number for. */
export const UNKNOWN_REALMS = -1;

/** The one name that the list has from the beginning. */
const COSMOS = "cosmos";
const MOST = 0xffff;

/** `5`, `3/5`; undefined: neither. */
export function parseRealms(text: string): Realms | undefined {
  const [from = "", to, more] = text.split("/");
  if (more !== undefined || !isRealm(from) || (to !== undefined && !isRealm(to))) return undefined;
  return to === undefined ? { from: null, to: from } : { from, to };
}

function isRealm(text: string): boolean {
  return /^[A-Za-z][\w.-]*$/.test(text) || (/^\d{1,5}$/.test(text) && Number(text) <= MOST);
}

export function formatRealms({ from, to }: Realms): string {
  return from === null ? to : `${from}/${to}`;
}

/** `dst_entry.tclassid`: from above, to below; `UNKNOWN_REALMS` where a name is not known. 0: none. */
export function realmsNumber(realms: Realms | undefined): number {
  if (realms === undefined) return 0;
  const [from, to] = [realmNumber(realms.from ?? "0"), realmNumber(realms.to)];
  return from === null || to === null ? UNKNOWN_REALMS : (from << 16) | to;
}

/** null: a name that is not known. */
export function realmNumber(text: string): number | null {
  if (text === COSMOS) return 0;
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** `set_class_tag`: whichever of both is not said yet. */
export function withRealms(realms: number, more: number): number {
  if (realms === UNKNOWN_REALMS || more === UNKNOWN_REALMS) return UNKNOWN_REALMS;
  const to = (realms & MOST) === 0 ? more & MOST : 0;
  const from = realms >>> 16 === 0 ? more & ~MOST : 0;
  return realms | to | from;
}

/**
 * `fib_combine_itag`: what the way back to a packet's sender says of where it comes from.
 *
 * @param hop of that way's next hop
 * @param rule of the policy rule that led there
 */
export function realmsOfSource(hop: number, rule: number): number {
  if (hop === UNKNOWN_REALMS || rule === UNKNOWN_REALMS) return UNKNOWN_REALMS;
  const own = hop << 16;
  return (own === 0 ? rule << 16 : own) | (rule >>> 16);
}
