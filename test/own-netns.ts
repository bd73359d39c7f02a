import { deleteNetns, listNetns } from "../src/lab/live/real-netns.ts";

/** Network namespaces of the tests': two runs on one machine have none in common, and what a crash left is found again. */

const FAMILY = "hstest-";

/** The name of a namespace that is this process's own. */
export function ownNetns(name: string): string {
  return `${FAMILY}${process.pid}-${name}`;
}

/**
 * Take away what runs that crashed have left behind: namespaces whose process is gone.
 *
 * @param family how names begin that go on with a process's number and a dash
 * @returns how many there were
 */
export function sweepNetns(family: string = FAMILY): number {
  const left = listNetns().filter((name) => {
    const pid = new RegExp(`^${family}(\\d+)-`).exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  });
  deleteNetns(left);
  return left.length;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
