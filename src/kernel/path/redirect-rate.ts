import type { HostSession } from "../host-session.ts";
import { ABSENT } from "../session/pair-map.ts";

/** How often a host tells a sender of a better gateway (`ip_rt_send_redirect`, net/ipv4/route.c). Runs per packet. */

/** `ip_rt_redirect_number`, `ip_rt_redirect_load`, `ip_rt_redirect_silence`, milliseconds. */
const REDIRECT_NUMBER = 9;
const REDIRECT_LOAD_MS = 20;
const REDIRECT_SILENCE_MS = 20_480;

/** Where a host's `peers` keep how many redirects a sender was told, and when the last of them. */
const SENT = 0;
const LAST = 1;

/** Is a redirect due to a sender? Then it is taken for sent: seldom, and nine times at most. */
export function takeRedirect({ peers }: HostSession, source: number, now: number): boolean {
  const sentBefore = peers.get(source, SENT);
  let sent = sentBefore === ABSENT ? 0 : sentBefore;
  const last = sentBefore === ABSENT ? 0 : peers.get(source, LAST);
  if (sent > 0 && now > last + REDIRECT_SILENCE_MS) sent = 0;
  if (sent >= REDIRECT_NUMBER) {
    peers.set(source, LAST, now);
    return false;
  }
  if (sent > 0 && now <= last + REDIRECT_LOAD_MS * 2 ** sent) return false;
  peers.set(source, SENT, sent + 1);
  peers.set(source, LAST, now);
  return true;
}

/** Redirects are due, or not due, to every sender that was told one before. */
export function setRedirectsDue({ peers }: HostSession, due: boolean, now: number): void {
  const senders = new Set<number>();
  peers.forEach((source, slot) => {
    if (slot === SENT) senders.add(source);
  });
  for (const source of senders) {
    peers.set(source, SENT, due ? 0 : REDIRECT_NUMBER);
    peers.set(source, LAST, now);
  }
}
