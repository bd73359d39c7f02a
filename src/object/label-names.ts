/** What labels may be called and say (apimachinery, `validation.IsQualifiedName`, `IsValidLabelValue`). */

/** RFC 1123: small letters, digits, dots and dashes. */
export const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const NAME = /^(?=.{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

export const LABEL_VALUE_RULE =
  "at most 63 letters, digits, dashes, dots and underscores, a letter or digit at both ends";

export function isLabelValue(value: string): boolean {
  return value === "" || NAME.test(value);
}

/** `name` or `prefix/name`. */
export function isLabelKey(key: string): boolean {
  const [name = "", prefix, ...more] = key.split("/").reverse();
  return (
    more.length === 0 &&
    NAME.test(name) &&
    (prefix === undefined || (SUBDOMAIN.test(prefix) && prefix.length <= 253))
  );
}
