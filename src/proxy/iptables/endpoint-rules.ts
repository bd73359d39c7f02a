import type { Endpoint } from "../endpoints.ts";
import type { PortModel } from "../model.ts";
import { probability } from "./probability.ts";
import { type RuleStyle, ruleLine } from "./service-lines.ts";

/** The rules of a chain that spreads connections over endpoints; `comment` is null in large clusters. */
export function dispatchRules(
  chain: string,
  endpoints: readonly Endpoint[],
  { port, endpointChains }: PortModel,
  comments: {
    readonly affinity: (endpoint: Endpoint) => string | null;
    readonly balance: (endpoint: Endpoint, index: number) => string | null;
  },
): string[] {
  const target = ({ text }: Endpoint): string => endpointChains.get(text) as string;
  const sticky =
    port.affinitySeconds === null
      ? []
      : endpoints.map((endpoint) => {
          const recent = `-m recent --name ${target(endpoint)} --rcheck --seconds ${port.affinitySeconds} --reap`;
          return ruleLine(chain, comments.affinity(endpoint), recent, target(endpoint));
        });
  const balanced = endpoints.map((endpoint, i) => {
    const left = endpoints.length - i;
    const chance = left === 1 ? null : `-m statistic --mode random --probability ${probability(left)}`;
    return ruleLine(chain, comments.balance(endpoint, i), chance, target(endpoint));
  });
  return [...sticky, ...balanced];
}

/** The chain of an endpoint: what loops back is masqueraded, all is translated. */
export function endpointRules(
  endpoint: Endpoint,
  { port, endpointChains }: PortModel,
  style: RuleStyle,
): string[] {
  const { name, protocol, affinitySeconds } = port;
  const chain = endpointChains.get(endpoint.text) as string;
  const comment = style.endpointComments ? name : null;
  const recent = affinitySeconds === null ? "" : `-m recent --name ${chain} --set `;
  return [
    ruleLine(chain, comment, `-s ${endpoint.ip}`, "KUBE-MARK-MASQ"),
    ruleLine(
      chain,
      comment,
      `${recent}-m ${protocol} -p ${protocol}`,
      `DNAT --to-destination ${endpoint.text}`,
    ),
  ];
}
