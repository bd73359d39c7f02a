import type { VirtualServiceState } from "../service-state.ts";

/** The greatest common divisor of the weights above zero, 0 where there is none (`ip_vs_wrr_gcd_weight`). */
export function weightDivisor({ order, destinations }: VirtualServiceState): number {
  let divisor = 0;
  for (const dest of order) divisor = greatestCommonDivisor(destinations.weight(dest), divisor);
  return divisor;
}

/** `ip_vs_wrr_max_weight`. */
export function greatestWeight({ order, destinations }: VirtualServiceState): number {
  let weight = 0;
  for (const dest of order) weight = Math.max(weight, destinations.weight(dest));
  return weight;
}

export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
