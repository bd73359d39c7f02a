import { CHOICE_IPVS } from "../../chooser.ts";
import { NO_SERVER } from "../destination-table.ts";
import { FORGETFUL, type Scheduler } from "./scheduler.ts";

/**
 * `twos` (ip_vs_twos.c): of two servers drawn by weight the one with fewer connections for its weight, the first of equals.
 * The number drawn may be 0, which is the first server's too.
 */
export const powerOfTwoChoices: Scheduler = {
  ...FORGETFUL,
  name: "twos",
  schedule({ order, destinations, number }, _packet, { chooser, ipvsConnections }) {
    const eligible = [...order].filter((dest) => destinations.isEligible(dest));
    const odds = eligible.map((dest, i) => destinations.weight(dest) + (i === 0 ? 1 : 0));
    const shares = eligible.map(() => 0);
    eligible.forEach((first, i) => {
      eligible.forEach((second, j) => {
        const better =
          destinations.weight(second) * destinations.overhead(first) >
          destinations.weight(first) * destinations.overhead(second);
        const taken = better ? j : i;
        shares[taken] = (shares[taken] as number) + (odds[i] as number) * (odds[j] as number);
      });
    });
    const possible = eligible.filter((_, i) => (shares[i] as number) > 0);
    if (possible.length <= 1) return possible[0] ?? NO_SERVER;
    const weights = shares.filter((share) => share > 0);
    // Drawn for each connection anew.
    return possible[chooser.flow(CHOICE_IPVS, number, ipvsConnections.begun + 1, weights)] as number;
  },
};
