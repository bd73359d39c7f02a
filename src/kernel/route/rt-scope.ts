import type { Scope } from "../device/device.ts";

/** `RT_SCOPE_*` (linux/rtnetlink.h) that the path asks for: larger is narrower. */
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
export const RT_SCOPE_NOWHERE = 255;

export const RT_SCOPE_BY_NAME: Readonly<Record<Scope, number>> = {
  global: RT_SCOPE_UNIVERSE,
  site: 200,
  link: RT_SCOPE_LINK,
  host: RT_SCOPE_HOST,
  nowhere: RT_SCOPE_NOWHERE,
};
