/** The one way text is quoted in a dump: `xtables_save_string` (libxtables/xtables.c). */
export function quoteString(value: string): string {
  if (/^[-_0-9A-Za-z]+$/.test(value)) return value;
  return `"${value.replace(/["\\']/g, "\\$&")}"`;
}
