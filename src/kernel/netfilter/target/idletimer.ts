import { optionText } from "../save/option-text.ts";
import type { Target, TargetModule } from "./target.ts";

/** Begin a timer anew that tells the system when nothing came for so long (net/netfilter/xt_IDLETIMER.c). The packet goes on. */
export interface IdletimerTarget extends Target {
  readonly kind: "IDLETIMER";
  readonly seconds: number;
  readonly label: string;
  /** It goes on while the machine sleeps. */
  readonly alarm: boolean;
}

/** `MAX_IDLETIMER_LABEL_SIZE`, less the final zero. */
const MAX_LABEL = 27;

export const idletimer: TargetModule<IdletimerTarget> = {
  kind: "IDLETIMER",
  needsConntrack: false,

  parse(reader) {
    let seconds: number | null = null;
    let label: string | null = null;
    let alarm = false;
    reader.options({
      "--timeout": () => {
        seconds = reader.uint(0xffffffff, 1);
      },
      "--label": () => {
        label = reader.word("a label");
        if (label.length > MAX_LABEL) reader.failValue(`a label has at most ${MAX_LABEL} characters`);
      },
      "--alarm": () => {
        alarm = true;
      },
    });
    if (seconds === null || label === null) reader.fail("it needs --timeout and --label");
    return { kind: "IDLETIMER", seconds: seconds ?? 1, label: label ?? "", alarm };
  },

  format: ({ seconds, label, alarm }) =>
    optionText(`--timeout ${seconds} --label ${label}`, alarm && "--alarm"),
};
