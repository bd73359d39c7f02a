/**
 * The chance of one in `left`, as kube-proxy prints it: ten decimals. Go rounds a tie to the even digit and `toFixed`
 * upwards; of all 1/n only 1/2048 = 0.00048828125 is a tie.
 */
export function probability(left: number): string {
  return left === 2048 ? "0.0004882812" : (1 / left).toFixed(10);
}
