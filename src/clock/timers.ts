/**
 * Timers of the virtual clock: a binary heap ordered by due time, then by the order of arming, so that equal times fire
 * in a declared order.
 */
export interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  cancelled: boolean;
}

/** Above whatever is ever armed. */
const NEWEST_FIRST = 2 ** 52;

export class Timers {
  private readonly heap: Timer[] = [];
  private armed = 0;

  /**
   * Arm a timer for an instant of the virtual clock, milliseconds.
   *
   * @param together it is armed within the same tick as others that are due when it is: those of one slot of the kernel's timer wheel
   * fire newest first (`enqueue_timer`, `expire_timers`, kernel/time/timer.c), and here after the others of their instant
   */
  arm(at: number, fire: () => void, together = false): Timer {
    const armed = ++this.armed;
    const timer: Timer = { at, order: together ? NEWEST_FIRST - armed : armed, fire, cancelled: false };
    const heap = this.heap;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!earlier(timer, heap[parent] as Timer)) break;
      heap[i] = heap[parent] as Timer;
      i = parent;
    }
    heap[i] = timer;
    return timer;
  }

  /** The next timer not cancelled, without taking it. */
  peek(): Timer | undefined {
    while (this.heap.length > 0 && this.heap[0]?.cancelled) this.pop();
    return this.heap[0];
  }

  /** Take the next timer. */
  pop(): Timer | undefined {
    const heap = this.heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1] as Timer, heap[child] as Timer)) child++;
      if (!earlier(heap[child] as Timer, last)) break;
      heap[i] = heap[child] as Timer;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  clear(): void {
    this.heap.length = 0;
  }
}

function earlier(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
