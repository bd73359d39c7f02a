import type { Sync } from "./proxier.ts";

/** The text that kube-proxy gives to `iptables-restore --noflush --counters`, in its own spelling and order. */
export function restoreText({ rules, written, stale }: Sync): string {
  const own = rules.services.filter((service) => written.has(service));
  const lines = [
    "*filter",
    ...rules.filterChains.map(chainLine),
    ...rules.filterFirst,
    ...rules.services.flatMap(({ filter }) => filter),
    ...rules.filterLast,
    "COMMIT",
    "*nat",
    ...rules.natChains.map(chainLine),
    ...own.flatMap(({ ownChains }) => ownChains.map(chainLine)),
    ...stale.map(chainLine),
    ...rules.natFirst,
    ...rules.services.flatMap((service) =>
      written.has(service) ? [...service.natShared, ...service.natOwn] : service.natShared,
    ),
    ...stale.map((chain) => `-X ${chain}`),
    ...rules.natLast,
    "COMMIT",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function chainLine(chain: string): string {
  return `:${chain} - [0:0]`;
}
