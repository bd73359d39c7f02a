import { type HeapProfiler, Session } from "node:inspector";
import { basename, dirname, join } from "node:path";

/** A function that allocated, with the bytes it did, sampled. */
export interface AllocationSite {
  readonly name: string;
  readonly bytes: number;
}

const SAMPLING_INTERVAL = 512;

/** Who allocates while work is done, the most first. */
export async function allocationSites(work: () => void): Promise<AllocationSite[]> {
  const session = new Session();
  session.connect();
  const start = {
    samplingInterval: SAMPLING_INTERVAL,
    // What was garbage soon counts too.
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  };
  await new Promise((resolve) => session.post("HeapProfiler.startSampling", start, resolve));
  work();
  const profile = await new Promise<HeapProfiler.SamplingHeapProfile>((resolve, reject) => {
    session.post("HeapProfiler.stopSampling", (error, result) => {
      if (error === null) resolve(result.profile);
      else reject(error);
    });
  });
  session.disconnect();
  const bytes = new Map<string, number>();
  const visit = ({ callFrame, selfSize, children }: HeapProfiler.SamplingHeapProfileNode): void => {
    const file = join(basename(dirname(callFrame.url)), basename(callFrame.url));
    const name = `${callFrame.functionName || "(anonymous)"} (${file})`;
    bytes.set(name, (bytes.get(name) ?? 0) + selfSize);
    for (const child of children) visit(child);
  };
  visit(profile.head);
  return Array.from(bytes, ([name, size]) => ({ name, bytes: size })).sort((a, b) => b.bytes - a.bytes);
}
