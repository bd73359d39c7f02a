import { optionText } from "../save/option-text.ts";
import { quoteString } from "../save/quote.ts";
import type { Target, TargetModule } from "./target.ts";

/** Light a lamp (net/netfilter/xt_LED.c). */
export interface LedTarget extends Target {
  readonly kind: "LED";
  readonly trigger: string;
  /** How long, milliseconds; 0: it only blinks, which is not printed. */
  readonly delay: number | "inf";
  readonly alwaysBlink: boolean;
}

/** `sizeof(info->id)`, less `netfilter-` and the final zero. */
const MAX_LENGTH = 16;

export const led: TargetModule<LedTarget> = {
  kind: "LED",
  needsConntrack: false,

  parse(reader) {
    let trigger: string | null = null;
    let delay: LedTarget["delay"] = 0;
    let alwaysBlink = false;
    reader.options({
      "--led-trigger-id": () => {
        trigger = reader.word("the name of a trigger");
        if (trigger.length > MAX_LENGTH) reader.failValue(`a name has at most ${MAX_LENGTH} characters`);
      },
      "--led-delay": () => {
        const text = reader.word("milliseconds, or inf");
        delay = text === "inf" ? "inf" : reader.uintOf(text, 0xffffffff);
      },
      "--led-always-blink": () => {
        alwaysBlink = true;
      },
    });
    if (trigger === null) reader.fail("--led-trigger-id is missing");
    return { kind: "LED", trigger: trigger ?? "", delay, alwaysBlink };
  },

  format: ({ trigger, delay, alwaysBlink }) =>
    optionText(
      `--led-trigger-id ${quoteString(trigger)}`,
      delay !== 0 && `--led-delay ${delay}`,
      alwaysBlink && "--led-always-blink",
    ),
};
