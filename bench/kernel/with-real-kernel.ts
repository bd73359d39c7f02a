import { print } from "../report.ts";
import { prepareRealKernel, RealKernel } from "./real-kernel.ts";

/** Is there a real kernel to compare with? Where there is none, one line says why. */
export function realKernelHere(needed: "iptables-legacy-restore" | "nft"): boolean {
  const lack = prepareRealKernel(needed);
  if (lack !== null) print(`  the real kernel is skipped: ${lack}; only our figures`);
  return lack === null;
}

/** Run with namespaces that are gone afterwards; with null where there is no real kernel. */
export async function withRealKernel<T>(
  here: boolean,
  work: (real: RealKernel | null) => Promise<T>,
): Promise<T> {
  const real = here ? new RealKernel() : null;
  try {
    return await work(real);
  } finally {
    real?.close();
  }
}
